"""Calling the programs: files in, files out, in a temporary folder that is gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from biasloop.data import Ints, Samples
from biasloop.domains import Work
from biasloop.late import numpy as np
from biasloop_command import folders, outputs, programs, tables
from biasloop_command.config import Config
from biasloop_command.samples import Table

if TYPE_CHECKING:
    import polars as pl

    from biasloop.data import Arrays
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
        given = samples.labels["target"][order].tolist()
        columns = {
            "label": pl.Series([table.classes[label] for label in given], dtype=pl.String),
            "made": pl.Series(samples.made[order].astype(np.int8)),
        }
        if samples.weights is not None:
            columns["weight"] = pl.Series(samples.weights[order])
        with _place(self.config.format) as place:
            self._write(table, ids, columns, place.rows)
            place.model.mkdir()
            values = {"train": str(place.rows), "model": str(place.model), "seed": _seed(work)}
            programs.run(self._train, values, work)
            return folders.collect(place.model, self._train, self.config.model_megabytes)

    def predict(self, table: Table, model: Arrays, ids: Ints, work: Work) -> Output:
        """What a model makes of rows, in the order of the ids.

        The file of rows has the columns id and the features; rows in the order of the data.

        Raises:
            ProgramFailed: if the program fails, or what it writes is not what it is to write.
        """
        with _place(self.config.format) as place:
            self._write(table, np.sort(ids), {}, place.rows)
            folders.restore(model, place.model)
            paths = {"model": str(place.model), "input": str(place.rows), "output": str(place.output)}
            programs.run(self._predict, {**paths, "seed": _seed(work)}, work)
            asked = [table.names[row] for row in ids.tolist()]
            return outputs.read(place.output, self.config.format, self._predict, asked, table.classes)

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
class _Place:
    """Where the files of one call lie."""

    rows: Path
    model: Path
    output: Path


@contextmanager
def _place(form: str) -> Iterator[_Place]:
    with TemporaryDirectory(prefix="biasloop-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        yield _Place(folder / f"rows.{form}", folder / "model", folder / f"output.{form}")


def _seed(work: Work) -> str:
    return str(work.streams.seed & _SEEDS)
