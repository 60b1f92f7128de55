"""RealToxicityPrompts: sentences from the web, cut in two (Gehman et al. 2020)."""

import gzip
import json
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from biasloop.contract.context import Context
from biasloop.contract.data import Frame
from biasloop.datasets.texts import REALTOXICITYPROMPTS, TextDataset
from biasloop_language import prepared
from biasloop_language.pairs import Pairs

_PROMPTS = "realtoxicityprompts-data/prompts.jsonl"


def read(context: Context, dataset: TextDataset = REALTOXICITYPROMPTS) -> Pairs:
    """All prompts and continuations, row by row as published.

    Most of the archive is not the prompts, so unpacking them takes long; they are kept as prepared data.

    Args:
        context: says where the archive lies.
        dataset: which archive.

    Raises:
        SomethingToFetch: if the archive is not there.
        DownloadError: if it is damaged.
    """
    if not is_prepared(context, dataset):
        dataset.require(context.data)
    file = dataset.directory(context.data) / dataset.remotes[0].filename

    def build() -> Frame:
        dataset.require(context.data)  # damaged prepared data count as absent, and the archive may be gone
        return _unpacked(dataset, file).frame()

    frame = prepared.prepared(context, _name(dataset), build)
    return Pairs.from_frame(frame, "RealToxicityPrompts")


def is_prepared(context: Context, dataset: TextDataset = REALTOXICITYPROMPTS) -> bool:
    """Whether they were read before, so that the archive is no longer needed."""
    return prepared.is_prepared(context, _name(dataset))


def _name(dataset: TextDataset) -> str:
    return f"{dataset.name}-{dataset.remotes[0].checksum.partition(':')[2][:16]}"


def _unpacked(dataset: TextDataset, file: Path) -> Pairs:
    prompts, continuations = [], []
    try:
        for number, line in enumerate(_member(dataset, file), 1):
            prompt, continuation = _texts(dataset, file, number, line)
            prompts.append(prompt)
            continuations.append(continuation)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise dataset.damaged(file, f"it does not unpack ({error})") from error
    except OSError as error:
        raise dataset.damaged(file, f"it does not read ({error.strerror or error})") from error
    if len(prompts) != dataset.rows:
        raise dataset.damaged(file, f"{_PROMPTS} has {len(prompts):,} lines, expected {dataset.rows:,}")
    return Pairs.of(prompts, continuations, dataset.name)


def _member(dataset: TextDataset, file: Path) -> Iterator[bytes]:
    """Lines of the prompts in the archive; what comes after them is not unpacked."""
    with tarfile.open(file, "r|gz") as tar:
        for member in tar:
            if member.name.removeprefix("./") == _PROMPTS and member.isfile():
                stream = tar.extractfile(member)
                assert stream is not None
                yield from stream
                return
    raise dataset.damaged(file, f"it lacks {_PROMPTS}")


def _texts(dataset: TextDataset, file: Path, number: int, line: bytes) -> tuple[str, str]:
    try:
        row = json.loads(line)
        prompt, continuation = row["prompt"]["text"], row["continuation"]["text"]
        prompt.encode(), continuation.encode()
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise dataset.damaged(
            file, f"line {number:,} of {_PROMPTS} is no prompt and continuation ({reason})"
        ) from error
    return prompt, continuation
