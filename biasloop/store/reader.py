"""A stored run, read without its lock.

Whatever is read of a file is compared with the manifest first: the bytes that are hashed are those that are decoded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli

from biasloop.contract import names
from biasloop.errors import DamagedStore, InvalidInput
from biasloop.store.entries import EXPERIMENT
from biasloop.store.files import sha256
from biasloop.store.finding import check_run
from biasloop.store.manifest import (
    SETUP,
    Manifest,
    model_file,
    read_manifest,
    round_name,
    round_number,
)
from biasloop.system.regular import irregular

if TYPE_CHECKING:  # runs are listed without NumPy and HDF5
    from biasloop.contract.data import Metric
    from biasloop.records.record import Record

_RESTORE = "restore it, since its text cannot be made anew, or start another run with another --output"


@dataclass
class Run:
    """A run's directory.

    Attributes:
        directory: where it lies.
        manifest: what it holds.
    """

    directory: Path
    manifest: Manifest

    @classmethod
    def open(cls, directory: Path) -> Run:
        """A run by its directory.

        Raises:
            InvalidInput: there is no such run.
            DamagedStore: its manifest is missing or damaged, `experiment.toml` was altered, or files lack or have
                another size.
        """
        check_run(directory)
        manifest = read_manifest(directory)
        while True:
            run = cls(directory, manifest)
            run.identity  # noqa: B018 (an altered one is refused here, before anything is read)
            try:
                for name in run.manifest.files:
                    run.check_size(name)
            except DamagedStore:
                manifest = read_manifest(directory)
                if manifest.files == run.manifest.files:
                    raise  # else a process that writes the run has replaced models meanwhile
            else:
                return run

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What determines the run's results (`experiment.toml`).

        Raises:
            DamagedStore: it is missing, or not the one that the run was made with.
        """
        return read_identity(self.directory, self.manifest.experiment)

    @property
    def rounds(self) -> list[int]:
        """Numbers of the committed rounds."""
        return [round_number(step) for step in self.manifest.steps() if step != SETUP]

    def damaged(self, name: str, reason: str) -> DamagedStore:
        """The error for a bad file: which, what is wrong, what to type."""
        return DamagedStore(f"{self.directory / name} {reason}; type: biasloop runs repair {self.directory}")

    def check_size(self, name: str) -> None:
        """Compare a file's size with the manifest's.

        Raises:
            DamagedStore: missing, or of another size.
        """
        entry = self.manifest.files[name]
        try:
            size = os.stat(f"{self.directory}/{name}").st_size  # noqa: PTH116 (half the cost, thousands of times)
        except OSError as error:
            raise self.damaged(name, "is missing") from error
        if size != entry.bytes:
            raise self._sized(name, size)

    def _sized(self, name: str, size: int) -> DamagedStore:
        """The error for a file of another size."""
        return self.damaged(name, f"has {size:,} bytes instead of {self.manifest.files[name].bytes:,}")

    def content(self, name: str) -> bytes:
        """A file's bytes, checked against the manifest's SHA-256.

        Raises:
            DamagedStore: missing or altered.
        """
        try:
            data = (self.directory / name).read_bytes()
        except OSError as error:
            raise self.damaged(name, f"cannot be read ({error.strerror})") from error
        entry = self.manifest.files[name]
        if len(data) != entry.bytes:
            raise self._sized(name, len(data))
        if sha256(data) != entry.sha256:
            raise self.damaged(name, "was altered: its content does not match the manifest")
        return data

    def read(self, step: str, *, models: bool = False) -> Record:
        """A step's record.

        Args:
            step: `setup` or `round-NNNN`.
            models: also its models, if the file that holds them is still there.

        Raises:
            DamagedStore: a file is missing, altered or of a newer format.
        """
        from biasloop.records.record import Record
        from biasloop.store import codec

        name = f"{step}.h5"
        if name not in self.manifest.files:
            raise InvalidInput(f"{self.directory} has no {step}; it has {len(self.rounds)} rounds")
        _, record = codec.decode(self.content(name), str(self.directory / name))
        carried = model_file(step)
        if models and carried in self.manifest.files:
            _, with_models = codec.decode(self.content(carried), str(self.directory / carried))
            record = Record(record.added, record.evaluations, record.frames, with_models.models, record.sizes)
        return record

    def summaries(
        self, numbers: Sequence[int] | None = None
    ) -> Iterator[tuple[int, dict[str, Metric], dict[str, int], float | None]]:
        """Round, metrics, sizes and seconds of the given rounds, or of all, without decoding tables.

        Raises:
            DamagedStore: a file is missing, altered or of a newer format.
        """
        from biasloop.store import codec

        for number in self.rounds if numbers is None else numbers:
            name = f"{round_name(number)}.h5"
            _, metrics, sizes = codec.read_summary(self.content(name), name)
            yield number, metrics.get(names.MAIN, {}), sizes, self.manifest.files[name].seconds

    def snapshots(self, number: int) -> dict[int, dict[str, Metric]]:
        """What a round's model measured after the epochs at which it was looked at, by epoch; empty without any.

        Raises:
            DamagedStore: the round's file is missing, altered or of a newer format.
        """
        from biasloop.store import codec

        name = f"{round_name(number)}.h5"
        _, metrics, _ = codec.read_summary(self.content(name), name)
        by_epoch = {
            int(name.removeprefix(names.SNAPSHOT)): dict(m)
            for name, m in metrics.items()
            if name.startswith(names.SNAPSHOT)
        }
        return dict(sorted(by_epoch.items()))

    def pretrained(self) -> dict[str, Metric]:
        """What the untouched model measured, round -1; empty if it was not evaluated.

        Raises:
            DamagedStore: the set-up's file is missing, altered or of a newer format.
        """
        from biasloop.store import codec

        name = f"{SETUP}.h5"
        if name not in self.manifest.files:
            return {}
        _, metrics, _ = codec.read_summary(self.content(name), name)
        return dict(metrics.get(names.PRETRAINED, {}))


def read_identity(directory: Path, expected: str | None = None) -> dict[str, Any]:
    """`experiment.toml` of a run.

    Args:
        directory: of the run.
        expected: SHA-256 that it must have; None takes any.

    Raises:
        DamagedStore: missing, not TOML, or another one than expected.
    """
    path = directory / EXPERIMENT
    try:
        if irregular(path) is not None:
            raise DamagedStore(f"{path} is {irregular(path)} and not a file; {_RESTORE}")
        data = path.read_bytes()
        if expected not in (None, sha256(data)):
            raise altered(directory)
        return tomli.loads(data.decode())
    except FileNotFoundError as error:
        raise DamagedStore(f"{directory} is not a run: it has no {EXPERIMENT}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedStore(f"{path} is damaged ({error}); {_RESTORE}") from error


def altered(directory: Path) -> DamagedStore:
    """The error for an `experiment.toml` that is not the one that the run was made with."""
    return DamagedStore(f"{directory / EXPERIMENT} was altered after the run began; {_RESTORE}")
