"""CC3M in shards that exist: its own images, and those that were drawn for its captions; no NumPy.

Of CC3M addresses are published, and images come from where they lie, as far as they still do. So shards are taken that
somebody has made: each is checked and indexed where it is, keys that exist are counted, and their captions are written
down with their keys, so that pictures can be drawn for exactly these.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from biasloop.datasets.assets import Asked, Asset
from biasloop.downloads import is_offline
from biasloop.downloads.temporary import flush_directory, home_of
from biasloop.errors import BiasloopError, DownloadError, InvalidInput, SomethingToFetch
from biasloop.system.claims import alone

RECORD = "shards.json"
CAPTIONS = "captions.jsonl"
HUB = "hub"
"""What `--from` says for the copy on the hub."""

_OWN_ENVIRONMENT = (
    "uvx img2dataset --url_list Train_GCC-training.tsv --input_format tsv --url_col url --caption_col caption "
    "--output_format webdataset --output_folder cc3m-shards --processes_count 16 --thread_count 64 --image_size 256"
)


@dataclass(frozen=True, kw_only=True)
class ShardedAsset(Asset):
    """A data set of shards that lie wherever somebody put them.

    Attributes:
        hub: the name of a copy on the hub of Hugging Face.
        how: to get shards otherwise, in lines.
    """

    hub: str
    how: str

    def location(self, data: Path) -> Path | None:
        """The directory with the record of its shards, if they have been taken."""
        return self.directory(data) if (self.directory(data) / RECORD).is_file() else None

    def absent(self, data: Path) -> BiasloopError:
        """The error to raise when no shards have been taken."""
        return SomethingToFetch(
            f"data set {self.name!r} has not been taken to {self.directory(data)}; {self.how}\n"
            f"biasloop fetch {self.name} --from DIR\n"
            f"(or, for the copy {self.hub} on the hub: biasloop fetch {self.name} --from {HUB})"
        )


def take(
    asset: ShardedAsset, data: Path, source: str | None, notice: Callable[[str], None], *, offline: bool = False
) -> list[Path]:
    """Check and index shards where they lie, and write down which keys exist and their captions.

    Args:
        asset: which.
        data: the data directory.
        source: a directory of shards; `HUB` for the copy on the hub, `hf:OWNER/NAME` for another one; None if they
            have been taken.
        notice: told what was found.
        offline: do not touch the network.

    Returns:
        The files that were written; none if it had been taken, and no source is given.

    Raises:
        SomethingToFetch: no source is given, or the network must not be touched.
        InvalidInput: there are no shards, or their keys are no numbers.
        DamagedShard: a shard is cut off, has a key twice, or a member that is refused.
    """
    directory = asset.directory(data)
    if source is None:
        if asset.location(data) is None:
            raise asset.absent(data)
        return []
    if source == HUB or source.startswith("hf:"):
        folder = _downloaded(asset.hub if source == HUB else source.removeprefix("hf:"), directory, offline=offline)
    else:
        folder = home_of(Path(source))
        if not folder.is_dir():
            raise InvalidInput(f"--from {source}: {asset.name} is taken from a directory of shards, or from {HUB}")
    directory.mkdir(parents=True, exist_ok=True)
    with alone(directory / RECORD, "taking", notice) as (claim, _):
        record = _taken(folder, claim.directory / CAPTIONS, notice)
        (claim.directory / RECORD).write_text(f"{json.dumps(record)}\n")
        for name in (CAPTIONS, RECORD):
            (claim.directory / name).replace(directory / name)
        flush_directory(directory)
    notice(told(asset.name, record))
    return [directory / CAPTIONS, directory / RECORD]


def told(name: str, record: dict[str, Any]) -> str:
    """A sentence on what was taken."""
    return (
        f"{name}: {record['samples']:,} keys in {len(record['shards']):,} shards, {record['pictures']:,} with a "
        f"picture (SHA-256 of keys {record['keys_sha256'][:16]}...); {100 * record['gender_words']:.1f} % of captions "
        "have a gender word"
    )


def folder_of(directory: Path) -> Path:
    """Where shards lie: the directory itself, or the one that was taken as the data set that it belongs to."""
    record = directory / RECORD
    if not record.is_file():
        return directory
    try:
        return Path(json.loads(record.read_bytes())["source"])
    except (ValueError, KeyError, TypeError) as error:
        raise DownloadError(
            f"{record} is damaged; `biasloop fetch {directory.name} --from DIR` makes it anew"
        ) from error


def _taken(folder: Path, captions: Path, notice: Callable[[str], None]) -> dict[str, Any]:
    """What shards hold; writes their captions."""
    from biasloop.datasets.gender_words import has_gender_word
    from biasloop.datasets.mixing_shards import Keys, digest_of
    from biasloop.datasets.shards import Shard

    keys = Keys.of(folder)
    gendered = written = 0
    with captions.open("w", encoding="utf-8") as file:
        for number, path in enumerate(keys.shards):
            shard = Shard(path)
            for key, text in shard.texts("txt"):
                gendered += has_gender_word(text)
                written += 1
                file.write(f"{json.dumps({'key': int(key.rpartition('/')[2]), 'caption': text}, ensure_ascii=False)}\n")
            if number % 50 == 49:
                notice(f"{number + 1:,} of {len(keys.shards):,} shards are checked")
    return {
        "source": str(folder.absolute()),
        "shards": [{"name": path.name, "bytes": path.stat().st_size} for path in keys.shards],
        "samples": len(keys.key),
        "pictures": int(keys.pictured.sum()),
        "captions": written,
        "gender_words": gendered / written if written else 0.0,
        "keys_sha256": digest_of(keys.key),
    }


def _downloaded(name: str, directory: Path, *, offline: bool) -> Path:
    """The shards of a data set on the hub, where huggingface_hub puts them; what is there is not fetched again."""
    if is_offline(offline):
        raise SomethingToFetch(
            f"the shards of {name} are on the hub, and the network must not be used; type on a machine that may:\n"
            f"hf download {shlex.quote(name)} --repo-type dataset --local-dir DIR"
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(name, repo_type="dataset", allow_patterns="*.tar", local_dir=directory / "shards")
        )
    except (OSError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DownloadError(f"the shards of {name} cannot be had from the hub ({reason})") from error


_ASKED = Asked("`biasloop fetch` with its name says how", (RECORD,))
CC3M = ShardedAsset(
    name="cc3m",
    summary="3.3 million images with captions from the web, as far as they can still be had, in shards",
    homepage="https://ai.google.com/research/ConceptualCaptions/",
    licence="captions: may be used for any purpose, as is; images: those of their pages",
    citation=(
        "P. Sharma, N. Ding, S. Goodman, R. Soricut (2018). Conceptual Captions: A Cleaned, Hypernymed, Image Alt-text "
        "Dataset For Automatic Image Captioning. ACL."
    ),
    asked=_ASKED,
    hub="pixparse/cc3m-wds",
    how=(
        "its images are downloaded from their addresses, by img2dataset in an environment of its own (it needs older "
        "libraries): get Train_GCC-training.tsv from the homepage, then type\n"
        "sed -i '1s/^/caption\\turl\\n/' Train_GCC-training.tsv\n"
        f"{_OWN_ENVIRONMENT}\n"
        "and then, with DIR the directory of shards,"
    ),
)
CC3M_SD = ShardedAsset(
    name="cc3m-sd",
    summary="pictures that Stable Diffusion 1.5 drew for CC3M's captions (Chen et al. 2024), in shards",
    homepage="https://huggingface.co/datasets/T3989/SD_Bias_CC3M",
    licence="as its page says",
    citation=(
        "T. Chen, Y. Hirota, M. Otani, N. Garcia, Y. Nakashima (2024). Would Deep Generative Models Amplify Bias in "
        "Future Models? CVPR. arXiv:2404.03242."
    ),
    asked=_ASKED,
    hub="T3989/SD_Bias_CC3M",
    how="get the folder of the share 100 % from the homepage, and then, with DIR the directory of shards, type",
)
