"""A mixture of originals and generated pictures as plain tars, for trainers that read nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from biasloop.datasets import encoding
from biasloop.datasets.gender_words import has_gender_word
from biasloop.datasets.mixing_shards import Mixture
from biasloop.errors import Held, Interrupted, InvalidInput
from biasloop.running.shards import (
    FORMAT,
    Said,
    as_json,
    digest_of_keys,
    manifest,
    manifest_path,
    name_of,
    writing,
)
from biasloop.store.files import write_atomically
from biasloop.system import claims
from biasloop.system.claims import Claim

MIXTURE = "mixture.json"


def described(mixture: Mixture) -> dict[str, Any]:
    """What a mixture is, and how many keys it keeps and drops."""
    return {
        "share": mixture.share, "seed": mixture.seed, "equalise": mixture.equalise,
        "realised_share": mixture.counts.share, **asdict(mixture.counts),
    }  # fmt: skip


def materialise(
    mixture: Mixture, directory: Path, tell: Callable[[Said], None], stopping: Callable[[], bool] = lambda: False
) -> dict[str, Any]:
    """Write a mixture, a shard for each of the originals', with a manifest each; shards that are there stay.

    Args:
        mixture: what to write.
        directory: where to; made if it is not there.
        tell: told what happens.
        stopping: asked before each shard.

    Returns:
        As `described`.

    Raises:
        Interrupted: the person asked to stop.
        InvalidInput: the directory has another mixture, or a shard cannot be read.
        StoreError: nothing can be written.
    """
    said = described(mixture)
    _begin(directory, as_json(said))
    for number in range(len(mixture.originals.shards)):
        if stopping():
            raise Interrupted
        prefix = claims.prefix_of(directory / name_of(number))
        try:
            with claims.claimed(directory, prefix, remember=False) as claim:
                if manifest(directory, number) is None:
                    _write(mixture, directory, number, claim)
        except Held as held:
            tell(Said(str(held)))
    return said


def gendered(directory: Path, count: int) -> int:
    """How many captions of a mixture's shards have a gender word, by their manifests."""
    return sum((manifest(directory, number) or {}).get("gender_words", 0) for number in range(count))


def _begin(directory: Path, said: bytes) -> None:
    path = directory / MIXTURE
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.read_bytes() != said:
            raise InvalidInput(f"{directory} has another mixture: {path.read_text().strip()}; choose another --output")
        if not path.exists() and next(directory.glob("*.tar"), None):
            raise InvalidInput(f"{directory} has shards of something else; choose another --output")
    except OSError as error:
        raise InvalidInput(
            f"{directory} cannot be used ({error.strerror or error}); choose another --output"
        ) from error
    write_atomically(path, said)


def _write(mixture: Mixture, directory: Path, number: int, claim: Claim) -> None:
    begun = time.monotonic()
    rows = mixture.rows_of(number)
    path = directory / name_of(number)
    with writing(path, claim) as writer:
        words = 0
        for sample in mixture.read(rows.tolist()):
            writer.add(sample)
            words += has_gender_word(sample.parts.get("txt", b"").decode(errors="replace"))
        digest = writer.end()
    keys = mixture.keys[rows].tolist()
    said = {
        "format_version": FORMAT,
        "shard": number,
        "file": path.name,
        "source": mixture.originals.shards[number].name,
        "bytes": writer.size,
        "sha256": digest,
        "samples": len(keys),
        "pictures": len(keys),
        "synthetic": int(mixture.synthetic[rows].sum()),
        "gender_words": words,
        "keys_sha256": digest_of_keys(keys),
        "seconds": round(time.monotonic() - begun, 3),
        "share": mixture.share,
        "seed": mixture.seed,
        "equalise": mixture.equalise,
        "versions": encoding.versions("jpg") if mixture.equalise else {},
    }
    write_atomically(manifest_path(directory, number), as_json(said), claim=claim)
