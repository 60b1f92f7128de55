"""Calling the programs: files in, files out, in a temporary folder that is gone afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.contract import names
from biasloop.contract.context import Work
from biasloop.contract.data import Ints, Samples
from biasloop.lazy import numpy as np
from biasloop_command import folders, outputs, programs, tables
from biasloop_command.config import Config
from biasloop_command.samples import Table
from biasloop_command.supervised import Supervised

if TYPE_CHECKING:
    import polars as pl

    from biasloop.contract.data import Arrays
    from biasloop_command.outputs import Output

_SEEDS = 2**31 - 1  # what every language's generator takes


@dataclass(frozen=True)
class Programs:
    """Somebody's two programs."""

    config: Config

    def check(self) -> None:
        """Refuse programs that are not there.

        Raises:
            InvalidInput: naming the program.
        """
        self._train.check()
        self._predict.check()

    def train(self, table: Table, samples: Samples, work: Work) -> Arrays:
        """A model: the files that the program leaves, `(bytes,)` uint8 by path.

        The file of rows has the columns id, label, made (1 where a model gave the label, else 0), weight if the
        samples have weights, then the features; rows in the order of the data.

        Raises:
            ProgramFailed: if the program fails, or leaves no model.
        """
        import polars as pl

        order = np.argsort(samples.ids, kind="stable")
        ids = samples.ids[order]
        given = samples.labels[names.TARGET][order].tolist()
        columns = {
            "label": pl.Series([table.classes[label] for label in given], dtype=pl.String),
            "made": pl.Series(samples.synthetic[order].astype(np.int8)),
        }
        if samples.weights is not None:
            columns["weight"] = pl.Series(samples.weights[order])
        megabytes = self.config.model_megabytes
        with _files(self.config.format, self._train) as files:
            self._write(table, ids, columns, files.rows)
            files.model.mkdir()
            values = {"train": str(files.rows), "model": str(files.model), "seed": _seed(work)}
            growing = _Seldom(lambda: folders.check_growing(files.model, self._train, megabytes))
            programs.run(self._train, values, work, files.supervised, growing)
            return folders.collect(files.model, self._train, megabytes)

    def predict(self, table: Table, model: Arrays, ids: Ints, work: Work) -> Output:
        """What a model makes of rows, in the order of the ids.

        The file of rows has the columns id and the features; rows in the order of the data.

        Raises:
            ProgramFailed: if the program fails, or what it writes is not what it is to write.
        """
        megabytes = self.config.output_megabytes
        with _files(self.config.format, self._predict) as files:
            self._write(table, np.sort(ids), {}, files.rows)
            folders.restore(model, files.model)
            paths = {"model": str(files.model), "input": str(files.rows), "output": str(files.output)}
            growing = _Seldom(lambda: outputs.check_growing(files.output, self._predict, megabytes))
            programs.run(self._predict, {**paths, "seed": _seed(work)}, work, files.supervised, growing)
            outputs.check(files.output, self._predict, megabytes)
            asked = [table.names[row] for row in ids.tolist()]
            return outputs.read(files.output, self.config.format, self._predict, asked, table.classes)

    @property
    def _train(self) -> programs.Program:
        return programs.Program("train", self.config.train, self.config.train_seconds)

    @property
    def _predict(self) -> programs.Program:
        return programs.Program("predict", self.config.predict, self.config.predict_seconds)

    def _write(self, table: Table, ids: Ints, columns: Mapping[str, pl.Series], path: Path) -> None:
        import polars as pl

        ours = [values.alias(name) for name, values in columns.items()]
        rows = table.features[ids].select("id", *ours, pl.all().exclude("id"))
        tables.write(rows, path, self.config.format)


@dataclass(frozen=True)
class _Files:
    """Where the files of one call lie, and who watches over its program."""

    supervised: Supervised
    rows: Path
    model: Path
    output: Path


@contextmanager
def _files(form: str, program: programs.Program) -> Iterator[_Files]:
    with programs.starting(program) as supervised:
        folder = supervised.folder
        yield _Files(supervised, folder / f"rows.{form}", folder / "model", folder / f"output.{form}")


@dataclass
class _Seldom:
    """Calls a function at most once a second, however often it is called itself."""

    function: Callable[[], None]
    last: float = field(default_factory=time.monotonic)

    def __call__(self) -> None:
        if time.monotonic() - self.last >= 1:
            self.function()
            self.last = time.monotonic()


def _seed(work: Work) -> str:
    return str(work.streams.seed & _SEEDS)
