"""A table of predictions that is read when it is counted: by format, with the columns checked."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from biasloop.errors import InvalidInput
from biasloop.tables import ENDINGS, Format, Spellings, Table, format_of, open_table, require_format
from biasloop.tables.content import STDIN, name_of
from biasloop.tables.formats import KINDS
from biasloop.tables.missing import IN_TEXTS, WORDS
from biasloop.tables.values import as_text

if TYPE_CHECKING:
    import polars as pl

FORMATS = ENDINGS

Missing = Literal["refuse", "skip", "value"]


@dataclass
class Reading:
    """How the files of one command are read.

    Attributes:
        same: whether values that are one written in two ways are read as one; None: they are refused.
        missing: rows without a value are refused or left out ("skip"); "value": words such as NA are values, and rows
            with an empty one are refused.
        format: of files whose names do not tell, as standard input; empty: CSV for standard input, else refused.
        spellings: the values seen so far.
    """

    same: bool | None = None
    missing: Missing = "refuse"
    format: str = ""
    spellings: Spellings = field(init=False)

    def __post_init__(self) -> None:
        if self.missing not in get_args(Missing):
            raise InvalidInput(f'--missing {self.missing}: expected "refuse", "skip" or "value"')
        if self.format and self.format not in KINDS:
            raise InvalidInput(f"--format {self.format}: expected one of {', '.join(KINDS)}")
        self.spellings = Spellings(self.same)

    def format_of(self, path: Path) -> Format:
        """What a file is: as its name says, else as `format` does.

        Raises:
            InvalidInput: if neither does.
        """
        known = format_of(path)
        if known is None and (self.format or path == STDIN):
            return Format(next(kind for kind in KINDS if kind == (self.format or "csv")))
        return known or require_format(path, "expected a stored run, or (--format says it of other names) a file")


@dataclass
class Source:
    """Rows of predictions, not read yet.

    Attributes:
        path: what messages call it; "-" is standard input.
        rows: a file's table, or that of a stored run.
        reading: how files are read.
        skipped: rows that were left out, for they had no value, when it was last read.
        given: whether it is somebody's table in memory, which is read as a file is.
    """

    path: Path
    rows: "Table | pl.DataFrame"
    reading: Reading = field(default_factory=Reading)
    skipped: int = 0
    given: bool = False
    _shown: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What messages call it."""
        return name_of(self.path)

    @property
    def stored(self) -> bool:
        """Whether it is a run's, in which every value is one, however it is written."""
        return not (self.given or isinstance(self.rows, Table))

    @property
    def columns(self) -> list[str]:
        """Names of all columns."""
        return self.rows.columns

    @property
    def blanks(self) -> int:
        """Lines without anything on them among the rows of `lazy`; they are no rows."""
        return self.rows.blanks if isinstance(self.rows, Table) else 0

    @property
    def lines(self) -> int | None:
        """Rows, such lines among them, as they were counted by the file's newlines; None where there are none."""
        return self.rows.shape.lines if isinstance(self.rows, Table) and self.rows.by_polars else None

    def words(self, *, texts: bool = False) -> tuple[str, ...]:
        """What is no value, besides an empty one."""
        if self.stored or self.reading.missing == "value":
            return ()
        return IN_TEXTS if texts else WORDS

    def require(self, names: Sequence[str]) -> None:
        """Check that the columns are there, once each.

        Raises:
            InvalidInput: naming the first that is not, and those there are.
        """
        if isinstance(self.rows, Table):
            self.rows.require(names)
            return
        for name in names:
            if name not in self.rows.columns:
                raise InvalidInput(f"{self.name}: no column {name!r} (there are {', '.join(self.rows.columns)})")

    def lazy(self, names: Sequence[str]) -> "pl.LazyFrame":
        """The named columns as c0, c1, ... and `short`: whether a row may have too few cells.

        Raises:
            InvalidInput: a column is not there.
        """
        import polars as pl

        self.require(names)
        if not isinstance(self.rows, Table):
            rows = self.rows.lazy().select(pl.col(name).alias(f"c{i}") for i, name in enumerate(names))
        else:
            rows = self.rows.lazy(names)
        return rows if self.lines is not None else rows.with_columns(short=pl.lit(value=False))

    def settle(self, columns: Sequence[str], counts: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
        """How values of columns that share them are shown, where that is not as they are written.

        Raises:
            InvalidInput: one is written in two ways, here or in a file that was read before.
        """
        if self.stored and self.reading.same is None:
            return {}
        shown = self.reading.spellings.settle(self.name, columns, counts)
        self._shown |= dict.fromkeys(columns, shown)
        return shown

    def spelled(self, column: str, value: str | None) -> str | None:
        """A value that somebody gave, as values of the column are shown."""
        return value if value is None else self.reading.spellings.shown(column, value)

    def shown(self, column: str) -> dict[str, str]:
        """The same of one column that was counted before."""
        return self._shown.get(column, {})

    @contextmanager
    def reads(self) -> Iterator[None]:
        """Say in a sentence what polars refuses."""
        if isinstance(self.rows, Table):
            with self.rows.reading():
                yield
        else:
            yield

    def check(self, names: Sequence[str], *, rows: int, missing: int, short: bool, texts: bool = False) -> None:
        """Compare what was read with what is there.

        Args:
            names: of columns.
            rows: how many were read, blank lines among them.
            missing: how many of these have no value in one of the columns.
            short: whether some may have too few cells.
            texts: whether the columns are texts.

        Raises:
            InvalidInput: rows were lost, have too few cells, or have no value and are not to be left out.
        """
        if isinstance(self.rows, Table) and short:
            self.rows.check_cells()
        if self.lines is not None and rows != self.lines:
            raise InvalidInput(
                f"{self.name}: {self.lines:,} rows, of which {rows:,} could be read; write the table as Parquet"
            )
        if not rows - self.blanks:
            raise InvalidInput(f"{self.name} has no rows")
        self.skipped = missing - self.blanks
        if self.skipped and self.reading.missing != "skip":
            self._refuse(names, self.skipped, texts=texts)
        if self.skipped == rows - self.blanks:
            raise InvalidInput(f"{self.name}: no row has a value in {' and '.join(map(repr, names))}")

    def _refuse(self, names: Sequence[str], missing: int, *, texts: bool) -> None:
        words = self.words(texts=texts)
        rows = self.rows
        first = rows.first_missing(names, words) if isinstance(rows, Table) else _first_missing(rows, names, words)
        where, name = first or ("a row", names[0])
        more = f" ({missing:,} rows have none)" if missing > 1 else ""
        cure = "--missing skip leaves such rows out"
        if not texts and self.reading.missing != "value":
            cure += ", --missing value takes words such as NA and None as values"
        raise InvalidInput(f"{self.name}, {where}: no value in column {name!r}{more}; {cure}")


def _first_missing(rows: "pl.DataFrame", names: Sequence[str], words: tuple[str, ...]) -> tuple[str, str] | None:
    """The first row of a frame without a value in one of the columns, in words, and that column."""
    import polars as pl

    gone = rows.select(as_text(pl.col(name), rows.schema[name], name, words).is_null().alias(name) for name in names)
    first = gone.with_row_index("row").filter(pl.any_horizontal(names)).head(1)
    if not len(first):
        return None
    return f"row {first['row'][0] + 1:,}", next(name for name in names if first[name][0])


def open_source(path: Path, *, number: int | None = None, table: str = "", reading: Reading | None = None) -> Source:
    """A file of predictions, or a table of a stored run.

    Args:
        path: of a table, "-" for standard input; a run's directory, or one of its files `round-NNNN.h5`.
        number: round of a run; None: the newest.
        table: per-sample table of a run; empty: "test", or the only one.
        reading: how files are read; one for all files of a command.

    Raises:
        InvalidInput: it cannot be read, or is none of these; a round or table is asked for that is not there.
    """
    reading = reading or Reading()
    if path != STDIN and (path.is_dir() or path.suffix.lower() == ".h5"):
        from biasloop.predictions.stored import of_run

        return Source(path, of_run(path, number, table), reading)
    if number is not None or table:
        raise InvalidInput(f"{path} is no stored run; leave out --{'table' if number is None else 'round'}")
    return Source(path, open_table(path, reading.format_of(path)), reading)
