"""What shards of pictures are made with, and which of them are done; `drawing` makes them.

What determines a shard's bytes stands in `generation.json` (that of them all) and in the shard's own manifest, which is
written after the shard: a shard without one is not done, and is made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from biasloop.contract.illustrating import PipelineSettings
from biasloop.datasets import encoding
from biasloop.datasets.captions import Captions
from biasloop.datasets.shards import ShardWriter
from biasloop.errors import InvalidInput, StoreError
from biasloop.store.files import replacing, write_all, write_atomically
from biasloop.system import claims
from biasloop.system.claims import Claim

IDENTITY = "generation.json"
FORMAT = 1
Flagged = Literal["keep", "drop", "original"]
FLAGGED: tuple[Flagged, ...] = ("keep", "drop", "original")
OWN = ("shard_size", "format", "when_flagged", "seed")
"""Settings of all shards that are the generation's own."""
SAMPLING = ("steps", "guidance", "size")
"""And its pipeline's."""


@dataclass(frozen=True)
class Generation:
    """All that is asked for.

    Attributes:
        pipeline: which, and how it draws.
        seed: of the initial noise, together with the key of a caption.
        batch: pictures at once.
        format: of image files.
        when_flagged: what becomes of a picture that a safety checker flags: kept as it was drawn; dropped with its
            caption; or left out of its sample, so that the original stands in its place when they are mixed.
        shard_size: captions of a shard.
    """

    pipeline: PipelineSettings
    seed: int = 0
    batch: int = 8
    format: encoding.Format = "jpg"
    when_flagged: Flagged = "drop"
    shard_size: int = 10_000

    def identity(self, captions: Captions) -> dict[str, object]:
        """What all shards of a directory have in common, as far as it is known before the pipeline is loaded."""
        chosen = {name: getattr(self, name) for name in OWN}
        drawn = {name: getattr(self.pipeline, name) for name in SAMPLING}
        return chosen | drawn | {"captions": captions.count, "captions_sha256": captions.digest}


@dataclass(frozen=True)
class BatchDrawn:
    """A batch has been drawn and encoded: how many captions, bytes and seconds it took."""

    shard: int
    captions: int
    bytes: int
    seconds: float


@dataclass(frozen=True)
class ShardDone:
    """A shard is there, with its manifest."""

    shard: int
    samples: int
    flagged: int
    seconds: float


@dataclass(frozen=True)
class Said:
    """Something that a person should know."""

    text: str


@dataclass(frozen=True)
class Waiting:
    """Nothing is left but shards that other processes make: how many."""

    shards: int


ShardEvent: TypeAlias = BatchDrawn | ShardDone | Said | Waiting
Tell: TypeAlias = Callable[[ShardEvent], None]


def name_of(number: int) -> str:
    """The name of a shard's file."""
    return f"{number:05d}.tar"


def manifest_path(directory: Path, number: int) -> Path:
    """Where a shard's manifest is."""
    return directory / f"{number:05d}.manifest.json"


def key_of(key: int) -> str:
    """A key as members of shards are called by it."""
    return f"{key:09d}"


def count_shards(generation: Generation, captions: Captions) -> int:
    """How many shards there will be."""
    return -(-captions.count // generation.shard_size)


def captions_in(number: int, generation: Generation, captions: Captions) -> int:
    """How many captions a shard has."""
    return min(generation.shard_size, captions.count - number * generation.shard_size)


def flagged_named(name: str) -> Flagged:
    """What becomes of flagged pictures, by its name.

    Raises:
        InvalidInput: it is none of them.
    """
    for known in FLAGGED:
        if name == known:
            return known
    raise InvalidInput(f"--flagged {name}: expected {', '.join(FLAGGED)}")


def made_directory(path: Path) -> Path:
    """The directory of shards, made if it is not there.

    Raises:
        InvalidInput: it is something else, or has files of something else.
        StoreError: it cannot be made.
    """
    if path.exists() and not path.is_dir():
        raise InvalidInput(f"{path} is a file; shards go into a directory: choose another --output")
    try:
        path.mkdir(parents=True, exist_ok=True)
        strange = next((entry.name for entry in path.iterdir() if entry.suffix == ".tar"), None)
    except OSError as error:
        raise StoreError(f"{path} cannot be made ({error.strerror or error}); choose another --output") from error
    if strange is not None and not (path / IDENTITY).exists():
        raise InvalidInput(f"{path} has {strange}, and no {IDENTITY}: its shards were made by another program; choose "
                           "another --output")  # fmt: skip
    return path


def totals(directory: Path, count: int) -> dict[str, int]:
    """Sums over the manifests of all shards that are done."""
    listed = [said for number in range(count) if (said := manifest(directory, number)) is not None]
    names = ("captions", "samples", "pictures", "flagged", "bytes")
    return {"shards": len(listed)} | {name: sum(said[name] for said in listed) for name in names}


def manifest(directory: Path, number: int) -> dict[str, Any] | None:
    """The manifest of a shard that is done; None where it is not, or its file has another size."""
    try:
        read = json.loads(manifest_path(directory, number).read_bytes())
        if (directory / name_of(number)).stat().st_size == read["bytes"]:
            return dict(read)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def done(directory: Path, count: int) -> set[int]:
    """Numbers of the shards that are done."""
    return {number for number in range(count) if manifest(directory, number) is not None}


def check_identity(directory: Path, identity: Mapping[str, object]) -> None:
    """Refuse a directory whose shards are of something else.

    Raises:
        InvalidInput: naming the settings that differ.
    """
    try:
        stored = json.loads((directory / IDENTITY).read_bytes())
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{directory / IDENTITY} cannot be read ({error}); choose another --output") from error
    differing = {name for name, value in identity.items() if name in stored and stored[name] != value}
    if differing:
        said = ", ".join(f"{name} {stored[name]} (now {identity[name]})" for name in sorted(differing))
        raise InvalidInput(f"{directory} has shards that were made with {said}; choose another --output")


def begin(directory: Path, identity: Mapping[str, object], tell: Tell) -> None:
    """Say what all shards of a directory are made with, or check that they are.

    Raises:
        InvalidInput: as `check_identity`.
        StoreError: nothing can be written there.
    """
    path = directory / IDENTITY
    with claims.alone(path, "beginning", lambda text: tell(Said(text))) as (claim, _):
        check_identity(directory, identity)
        if not path.exists():
            write_atomically(path, as_json(identity), claim=claim)


@contextmanager
def writing(path: Path, claim: Claim) -> Iterator[ShardWriter]:
    """A shard that takes its place once all is written inside, the end of the archive included.

    Raises:
        StoreError: it cannot be written.
        Lost: another process has taken the claim over.
    """
    with replacing(path, claim=claim) as new:

        def write(data: bytes) -> None:
            new.size += len(data)
            write_all(new.handle, data)

        yield ShardWriter(write)


def digest_of_keys(keys: Sequence[int]) -> str:
    """SHA-256 of keys in their order, a line each."""
    return hashlib.sha256("".join(f"{key}\n" for key in keys).encode()).hexdigest()


def as_json(value: Mapping[str, object]) -> bytes:
    """A JSON object on a line."""
    return f"{json.dumps(value, ensure_ascii=False, indent=None)}\n".encode()
