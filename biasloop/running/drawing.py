"""Pictures for captions, shard by shard: each is made by one process that holds a claim on it, and appears whole.

Batches are cut from a shard's start, so its bytes do not depend on which shards a process made before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from biasloop.contract.data import Ints
from biasloop.contract.illustrating import About, Drawn, Illustrator
from biasloop.contract.randomness import Streams
from biasloop.datasets import encoding
from biasloop.datasets.captions import Caption, Captions
from biasloop.datasets.shards import Sample, ShardWriter
from biasloop.errors import Held, Interrupted, OutOfMemory
from biasloop.running.shards import (
    FORMAT,
    OWN,
    SAMPLING,
    BatchDrawn,
    Generation,
    Said,
    ShardDone,
    Tell,
    Waiting,
    as_json,
    begin,
    count_shards,
    digest_of_keys,
    done,
    key_of,
    manifest,
    manifest_path,
    name_of,
    writing,
)
from biasloop.store.files import write_atomically
from biasloop.system import claims
from biasloop.system.claims import Claim
from biasloop.system.memory import lacking, sentence

_POLL = 0.5  # seconds between two looks at shards that other processes make


def work(
    directory: Path, generation: Generation, captions: Captions, load: Callable[[], Illustrator], tell: Tell,
    stopping: Callable[[], bool],
) -> None:  # fmt: skip
    """Make shard after shard, until all are there; those that other processes make are waited for.

    Args:
        directory: where shards go; it is there.
        generation: what is asked for.
        captions: for which.
        load: loads the pipeline; called once, if there is anything to draw.
        tell: told what happens.
        stopping: asked after each step of sampling.

    Raises:
        Interrupted: the person asked to stop; the shard under way is not there.
        OutOfMemory: a single picture does not fit into memory.
        InvalidInput: the directory has shards that were made otherwise.
        StoreError: nothing can be written.
    """
    count = count_shards(generation, captions)
    worker: _Worker | None = None
    while len(done(directory, count)) < count:
        elsewhere = []
        for number, rows in captions.shards(generation.shard_size):
            if stopping():
                raise Interrupted
            if manifest(directory, number) is not None:
                continue
            if worker is None:
                worker = _Worker(directory, generation, load(), tell, stopping)
                begin(directory, generation.identity(captions) | worker.identity, tell)
            try:
                worker.make(number, rows)
            except Held:  # or lost to one that will
                elsewhere.append(number)
        _wait_for_one(directory, elsewhere, tell, stopping)


def _wait_for_one(directory: Path, numbers: Collection[int], tell: Tell, stopping: Callable[[], bool]) -> None:
    """Until one of the shards that other processes make is done, or free."""
    if numbers:
        tell(Waiting(len(numbers)))
    while numbers and all(
        manifest(directory, number) is None and claims.holder(directory, _prefix(directory, number)) is not None
        for number in numbers
    ):
        if stopping():
            raise Interrupted
        time.sleep(_POLL)


def _prefix(directory: Path, number: int) -> str:
    return claims.prefix_of(directory / name_of(number))


@dataclass
class _Worker:
    """Makes shards with one pipeline."""

    directory: Path
    generation: Generation
    illustrator: Illustrator
    tell: Tell
    stopping: Callable[[], bool]
    about: About = field(init=False)

    def __post_init__(self) -> None:
        self.about = self.illustrator.about()

    @property
    def identity(self) -> dict[str, object]:
        """What a loaded pipeline adds to `Generation.identity`."""
        return {name: getattr(self.about, name) for name in ("generator", "revision", "precision")}

    def make(self, number: int, rows: Sequence[Caption]) -> None:
        """Make a shard, unless it has been made meanwhile.

        Raises:
            Held: another process makes it, or took it over.
        """
        with claims.claimed(self.directory, _prefix(self.directory, number), remember=False) as claim:
            if manifest(self.directory, number) is None:
                self._write(number, rows, claim)

    def _write(self, number: int, rows: Sequence[Caption], claim: Claim) -> None:
        begun = time.monotonic()
        path, made = self.directory / name_of(number), _Made()
        with writing(path, claim) as writer:
            start = 0
            while start < len(rows):
                start = self._batch(number, rows, start, writer, made)
            digest = writer.end()
        seconds = time.monotonic() - begun
        said = {
            "format_version": FORMAT,
            "shard": number,
            "file": path.name,
            "bytes": writer.size,
            "sha256": digest,
            "captions": len(rows),
            **made.counts(),
            "seconds": round(seconds, 3),
            "batches": made.batches,
            **self._recorded(),
        }
        write_atomically(manifest_path(self.directory, number), as_json(said), claim=claim)
        self.tell(ShardDone(number, len(made.keys), made.flagged, seconds))

    def _batch(self, number: int, rows: Sequence[Caption], start: int, writer: ShardWriter, made: _Made) -> int:
        """Draw the next pictures, fewer of them if memory does not last for more; where the next batch starts."""
        begun, before = time.monotonic(), writer.size
        if not made.batches:
            made.batches.append({"from": 0, "size": self.generation.batch})
        size = int(made.batches[-1]["size"])
        chosen = rows[start : start + size]
        keys = np.array([key for key, _ in chosen], np.int64)
        try:
            drawn = self.illustrator.draw([text for _, text in chosen], noise_seeds(self.generation.seed, keys),
                                          self.stopping)  # fmt: skip
        except (RuntimeError, MemoryError) as error:
            if not lacking(error):
                raise
            if size == 1:
                raise OutOfMemory(sentence(error, ["--size"])) from error
            smaller = {"from": start, "size": max(1, min(size, len(chosen)) // 2)}
            made.batches = [batch for batch in made.batches if batch["from"] != start] + [smaller]
            self.tell(Said(f"{name_of(number)}: {lacking(error)} does not last for {len(chosen)} pictures at once; it "
                           f"goes on with {smaller['size']}, and its manifest says so"))  # fmt: skip
            return start
        for row, caption in enumerate(chosen):
            self._add(writer, made, caption, drawn, row)
        self.tell(BatchDrawn(number, len(chosen), writer.size - before, time.monotonic() - begun))
        return start + len(chosen)

    def _add(self, writer: ShardWriter, made: _Made, caption: Caption, drawn: Drawn, row: int) -> None:
        key, text = caption
        flag = None if drawn.flagged is None else bool(drawn.flagged[row])
        made.flagged += bool(flag)
        if flag and self.generation.when_flagged == "drop":
            return
        made.keys.append(key)
        pixels = drawn.pixels[row]
        parts = {}
        if not flag or self.generation.when_flagged == "keep":
            parts[self.generation.format] = encoding.encode(pixels, self.generation.format)
            made.pictures += 1
        about = {
            "key": key_of(key),
            "generated": True,
            "generator": self.about.generator,
            "revision": self.about.revision,
            "seed": self.generation.seed,
            "steps": self.generation.pipeline.steps,
            "guidance": self.generation.pipeline.guidance,
            "flagged": flag,
            "height": pixels.shape[0],
            "width": pixels.shape[1],
        }
        writer.add(Sample(key_of(key), parts | {"json": as_json(about), "txt": text.encode()}))

    def _recorded(self) -> dict[str, object]:
        """What a shard was made with."""
        drawn = {name: getattr(self.generation.pipeline, name) for name in SAMPLING}
        chosen = {name: getattr(self.generation, name) for name in OWN}
        about = asdict(self.about)
        about["versions"] = dict(about["versions"]) | encoding.versions(self.generation.format)
        return chosen | drawn | about


@dataclass
class _Made:
    """What has been put into a shard.

    Attributes:
        keys: of samples.
        flagged: captions whose picture a safety checker flagged, whatever became of it.
        pictures: samples that have one.
        batches: from which caption on how many were drawn at once.
    """

    keys: list[int] = field(default_factory=list)
    flagged: int = 0
    pictures: int = 0
    batches: list[dict[str, int]] = field(default_factory=list)

    def counts(self) -> dict[str, object]:
        """Of samples, pictures and flags, with a digest of keys."""
        return {"samples": len(self.keys), "pictures": self.pictures, "flagged": self.flagged,
                "keys_sha256": digest_of_keys(self.keys)}  # fmt: skip


def noise_seeds(seed: int, keys: Ints) -> Ints:
    """`(n,)` int64 from 0: seeds of the initial noise, a function of (seed, key)."""
    return (Streams((seed, "pictures")).bits(keys)[:, 0] >> np.uint64(1)).astype(np.int64)
