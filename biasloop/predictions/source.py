"""A table of predictions that is read when it is counted: by format, with the columns checked."""

import glob
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.errors import InvalidInput
from biasloop.predictions import text_files

if TYPE_CHECKING:
    import polars as pl

FORMATS = ".csv, .tsv, .jsonl, .parquet"
TEXTS = (".csv", ".tsv", ".jsonl")


@dataclass
class Source:
    """Rows of predictions, not read yet.

    Attributes:
        path: what messages call it.
        columns: names of all columns.
        lazy: the rows.
        blanks: whether lines without anything on them were found among the rows; they are no rows.
    """

    path: Path
    columns: list[str]
    lazy: "pl.LazyFrame"
    blanks: bool = False

    @property
    def tabular(self) -> bool:
        """Whether rows may be ragged."""
        return self.path.suffix.lower() in (".csv", ".tsv")

    def require(self, names: Sequence[str]) -> None:
        """Check that the columns are there, once each.

        Raises:
            InvalidInput: naming the first that is not, and those there are.
        """
        if not self.columns:
            raise InvalidInput(f"{self.path} has no rows")
        for name in names:
            times = self.columns.count(name)
            if times != 1:
                listed = ", ".join(self.columns)
                what = "no column" if not times else f"{times} columns"
                raise InvalidInput(f"{self.path}: {what} {name!r} (there are {listed})")

    @contextmanager
    def reading(self, names: Sequence[str]) -> Iterator[None]:
        """Say in a sentence what polars refuses."""
        import polars as pl

        try:
            yield
        except pl.exceptions.PolarsError as error:
            if self.path.suffix.lower() in TEXTS:
                text_files.walk(self.path, names)
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise InvalidInput(f"{self.path} is not a valid table: {reason}") from error
        except OSError as error:
            raise InvalidInput(f"{self.path} cannot be read: {error.strerror or error}") from error

    def refuse_missing(self, names: Sequence[str]) -> None:
        """Name the row that has no value; for when some row has none.

        Raises:
            InvalidInput: always, unless all such rows are blank lines of a text file, which `blanks` then says.
        """
        if self.path.suffix.lower() in TEXTS:
            if not self.blanks:
                text_files.walk(self.path, names)
                self.blanks = True
            return
        import polars as pl

        from biasloop.predictions.values import as_text

        schema = self.lazy.collect_schema()
        for name in names:
            gone = self.lazy.select(as_text(pl.col(name), schema[name], name).is_null().alias("gone"))
            found = gone.with_row_index("row").filter("gone").head(1).collect(engine="streaming")
            if len(found):
                raise InvalidInput(f"{self.path}, row {found['row'][0] + 1}: no value in column {name!r}")


def open_source(path: Path, *, number: int | None = None, table: str = "") -> Source:
    """A file of predictions, or a table of a stored run.

    Args:
        path: CSV, TSV, JSONL or Parquet; a run's directory, or one of its files `round-NNNN.h5`.
        number: round of a run; None: the newest.
        table: per-sample table of a run; empty: "test", or the only one.

    Raises:
        InvalidInput: it cannot be read, or is none of these; a round or table is asked for that is not there.
    """
    suffix = path.suffix.lower()
    if path.is_dir() or suffix == ".h5":
        from biasloop.predictions.stored import of_run

        frame = of_run(path, number, table)
        return Source(path, frame.columns, frame.lazy())
    if number is not None or table:
        raise InvalidInput(f"{path} is no stored run; leave out --{'table' if number is None else 'round'}")
    if suffix not in (*TEXTS, ".parquet"):
        raise InvalidInput(f"{path}: expected a stored run, or a file of predictions that ends in one of {FORMATS}")
    if suffix in TEXTS:
        names = text_files.header(path)
        return Source(path, names, _scanned(path, names))
    import polars as pl

    source = Source(path, [], pl.scan_parquet(path, glob=False))
    with source.reading([]):
        source.columns = source.lazy.collect_schema().names()
    return source


def _scanned(path: Path, names: Sequence[str]) -> "pl.LazyFrame":
    """The rows of a text file, every value as text."""
    import polars as pl

    if not names:
        return pl.LazyFrame()
    if path.suffix.lower() == ".jsonl":
        with path.open("rb") as file:
            marked = file.read(3) == text_files.MARK
        # A file with a mark is read whole, since the reader knows none; brackets in a name are no pattern.
        rows = path.read_bytes()[3:] if marked else glob.escape(str(path))
        return pl.scan_ndjson(rows, schema=dict.fromkeys(names, pl.String()))
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    return pl.scan_csv(path, separator=separator, infer_schema=False, glob=False)
