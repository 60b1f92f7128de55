"""A table in a file that is read when its rows are asked for."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from biasloop.system.regular import require_regular
from biasloop.tables import json_rows
from biasloop.tables.by_python import Batch, as_columns, in_batches
from biasloop.tables.content import STDIN, Content, name_of, open_content, raw
from biasloop.tables.errors import BadTable
from biasloop.tables.layout import Layout, layout_of
from biasloop.tables.missing import WORDS, is_missing
from biasloop.tables.structure import Shape, shape_of
from biasloop.tables.values import as_text
from biasloop.tables.walking import ragged, walk

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from biasloop.tables.formats import Format


@dataclass
class Table:
    """Of a file.

    Attributes:
        path: of the file; "-" is standard input.
        format: of the file.
        content: of a text file.
        layout: of CSV and TSV.
        stored: rows of Parquet.
    """

    path: Path
    format: Format
    content: Content | None = None
    layout: Layout | None = None
    stored: pl.LazyFrame | None = None
    _texts: dict[str, pl.Series] = field(default_factory=dict)  # what Python has read, by column

    @property
    def name(self) -> str:
        """What messages call the file."""
        return name_of(self.path)

    @cached_property
    def columns(self) -> list[str]:
        """Names as they are written; of JSON, which has to be read for it, the keys of all rows."""
        if self.stored is not None:
            with self.reading():
                return self.stored.collect_schema().names()
        if self.layout is not None:
            return list(self.layout.names)
        keys: dict[str, None] = {}
        for _, row in self.records():
            keys |= dict.fromkeys(row)
        return list(keys)

    @cached_property
    def shape(self) -> Shape:
        """Of CSV and TSV: how many rows there are, and who can read them."""
        assert self.content is not None
        assert self.layout is not None
        with self.reading():
            return shape_of(self.content, self.layout)

    @property
    def blanks(self) -> int:
        """Lines without anything on them among the rows of `lazy`, all of whose values are null."""
        return self.shape.blanks if self.by_polars else 0

    @property
    def by_polars(self) -> bool:
        """Whether it is a text file that polars reads."""
        return self.layout is not None and self.shape.strict

    def require(self, names: Sequence[str]) -> None:
        """Check that the columns are there, once each.

        Raises:
            BadTable: naming the first that is not, and those there are.
        """
        if self.format.kind in ("json", "jsonl"):
            self._load(names)
            return
        if not self.columns:
            raise BadTable(self.name, "has no rows")
        for name in names:
            if self._dots(name) is None:
                self._position(name)

    def lazy(self, names: Sequence[str]) -> pl.LazyFrame:
        """The named columns as c0, c1, ..., as the file has them: those of text files are texts, empty ones null.

        Of a CSV or TSV file there is `short`, too: whether the last of all columns is null. Rows with too few cells
        are among those, and `check_cells` finds them.

        Raises:
            BadTable: a column is not there; in text files at what is not valid.
        """
        import polars as pl

        self.require(names)
        if self.stored is not None:
            return self.stored.select(self._expression(name).alias(f"c{i}") for i, name in enumerate(names))
        if not self.by_polars:
            self._load(names)
            return pl.LazyFrame({f"c{i}": self._texts[name] for i, name in enumerate(names)})
        rows = self.scan()
        last = pl.col(rows.collect_schema().names()[-1])
        return rows.select(
            *(pl.col(str(self._position(name))).alias(f"c{i}") for i, name in enumerate(names)), short=last.is_null()
        )

    def scan(self, texts: Sequence[int] | None = None) -> pl.LazyFrame:
        """All columns of CSV or TSV as polars reads them; blank lines are rows of nulls.

        Args:
            texts: positions of columns that are texts, the types of others follow from all of their cells; None: all
                are texts, and called by their positions.
        """
        import polars as pl

        assert self.content is not None
        assert self.layout is not None
        layout, schema = self.layout, {str(i): pl.String for i in range(len(self.layout.names))}
        if not self.shape.lines:
            return pl.LazyFrame(schema=schema)
        source, quote = self.content.source(), '"' if layout.quoting else None
        if texts is None:
            return pl.scan_csv(
                source, has_header=False, skip_lines=layout.lines, schema=schema, missing_columns="insert",
                separator=layout.separator, quote_char=quote, glob=False,
            )  # fmt: skip
        overrides = {layout.names[i]: pl.String for i in texts}
        return pl.scan_csv(
            source, skip_lines=layout.before, schema_overrides=overrides, infer_schema_length=None,
            separator=layout.separator, quote_char=quote, glob=False,
        )  # fmt: skip

    def check_cells(self) -> None:
        """Count the cells of each row of CSV or TSV.

        Raises:
            BadTable: at the first row with more or fewer than the header.
        """
        if not self.by_polars:
            return
        assert self.content is not None
        assert self.layout is not None
        wrong = shape_of(self.content, self.layout, cells=True).ragged
        if wrong is not None:
            raise BadTable(self.name, ragged(wrong[1], self.layout), wrong[0])

    def records(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Rows of a text file by column, each with its line (of a list in JSON with its number), read by Python.

        Raises:
            BadTable: at what is not valid.
        """
        assert self.content is not None
        with self.reading():
            if self.layout is None:
                for lines, rows in json_rows.batches_of(self.content, lines=self.format.kind == "jsonl"):
                    yield from zip(lines, rows, strict=True)
                return
            for line, row in walk(self.content, self.layout):
                yield line, dict(zip(self.layout.names, row, strict=True))

    def cells(self) -> Iterator[tuple[int, list[str]]]:
        """Rows of CSV and TSV as lists of cells, each with the line that it ends on, read by Python.

        Raises:
            BadTable: at what is not valid.
        """
        assert self.content is not None
        assert self.layout is not None
        with self.reading():
            yield from walk(self.content, self.layout)

    def first_missing(self, names: Sequence[str], words: tuple[str, ...] = WORDS) -> tuple[str, str] | None:
        """Where the first row without a value is ("line 3") and the name of its column; None if there is none."""
        if self.format.text:
            unit = "line" if self.lined else "record"
            keys = {name: name if self.layout is None else self.columns[self._position(name)] for name in names}
            for line, row in self.records():
                for name, key in keys.items():
                    text = json_rows.text_of(json_rows.value_at(row, key))
                    if text is None or is_missing(text, words):
                        return f"{unit} {line}", name
            return None
        return self.first_null(names, words)

    def first_null(self, names: Sequence[str], words: tuple[str, ...]) -> tuple[str, str] | None:
        """The same by the number of the row."""
        import polars as pl

        rows = self.lazy(names)
        kinds = rows.collect_schema()
        texts = [as_text(pl.col(f"c{i}"), kinds[f"c{i}"], name, words) for i, name in enumerate(names)]
        gone = rows.select(text.is_null().alias(str(i)) for i, text in enumerate(texts)).with_row_index("row")
        first = gone.filter(pl.any_horizontal(pl.exclude("row"))).head(1).collect(engine="streaming")
        if not len(first):
            return None
        return f"row {first['row'][0] + 1}", next(name for i, name in enumerate(names) if first[str(i)][0])

    @property
    def lined(self) -> bool:
        """Whether rows are known by their lines."""
        return self.format.kind in ("csv", "tsv", "jsonl") or (
            self.content is not None and not json_rows.is_list(self.content)
        )

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Say in a sentence what polars or the system refuses."""
        import polars as pl

        try:
            yield
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            if self.layout is not None and self.shape.strict:
                self.check_cells()
            text = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise BadTable(self.name, f"is not valid {self.format.kind.upper()} ({text})") from error
        except OSError as error:
            raise BadTable(self.name, f"cannot be read: {error.strerror or error}") from error

    def _position(self, name: str) -> int:
        """Of a column by its name; where there is none so called, by its name without white space around it."""
        same = [i for i, column in enumerate(self.columns) if column == name]
        same = same or [i for i, column in enumerate(self.columns) if column.strip() == name]
        if len(same) != 1:
            what = f"{len(same)} columns {name!r}" if same else f"no column {name!r}"
            raise BadTable(self.name, f"{what} ({self._listed()}){self._advice(name)}")
        return same[0]

    def _listed(self) -> str:
        plain = all(column == column.strip() and column.isprintable() for column in self.columns)
        shown = [column if plain else repr(column) for column in self.columns[:50]]
        return f"there are {', '.join(shown)}{', ...' if len(self.columns) > 50 else ''}"

    def _advice(self, name: str) -> str:
        if self.layout is None:
            return ""
        if self.layout.quoting and any("\t" in column for column in self.columns):
            return "; with tabs between cells a file is TSV: let its name end in .tsv"
        if f'"{name}"' in self.columns:
            return "; TSV has no quoting: write it without quotes, or as CSV"
        return ""

    def _dots(self, name: str) -> list[str] | None:
        """The way to a value within a nested column of Parquet; None if the name is no such way."""
        first, *rest = name.split(".")
        if self.stored is None or name in self.columns or not rest or first not in self.columns:
            return None
        return [first, *rest]

    def _expression(self, name: str) -> pl.Expr:
        import polars as pl

        way = self._dots(name)
        if way is None:
            return pl.col(self.columns[self._position(name)])
        column = pl.col(way[0])
        for part in way[1:]:
            column = column.struct.field(part)
        return column

    def _load(self, names: Sequence[str]) -> None:
        """Read columns by Python, those that are not read yet."""
        wanted = [name for name in dict.fromkeys(names) if name not in self._texts]
        if not wanted:
            return
        # The columns of CSV go by the names in its header; JSON may lack one in every row.
        keys = [name if self.layout is None else self.columns[self._position(name)] for name in wanted]
        columns, present = as_columns(self.name, self._batches(), dict(zip(wanted, keys, strict=True)))
        if self.layout is None:
            self.__dict__["columns"] = present
            if not len(columns[wanted[0]]):
                raise BadTable(self.name, "has no rows")
            for name in wanted:
                if name not in present and columns[name].null_count() == len(columns[name]):
                    raise BadTable(self.name, f"no column {name!r} ({self._listed()})")
        self._texts |= columns

    def _batches(self) -> Iterator[Batch]:
        assert self.content is not None
        with self.reading():
            if self.layout is None:
                yield from json_rows.batches_of(self.content, lines=self.format.kind == "jsonl")
            else:
                yield from in_batches(self.records())


def open_table(path: Path, form: Format) -> Table:
    """A table whose header, if it has one, is read.

    Raises:
        BadTable: there is no such file, or it is not of the format.
    """
    table = Table(path, form)
    with table.reading():
        if form.text:
            table.content = open_content(path, packed=form.packed)
            if form.separated:
                table.layout = layout_of(table.content, tabs=form.kind == "tsv")
        else:
            table.stored = _parquet(path)
            table.stored.collect_schema()
    return table


def _parquet(path: Path) -> pl.LazyFrame:
    import polars as pl

    if path == STDIN:
        return pl.scan_parquet(io.BytesIO(raw(path)))
    require_regular(path)
    name = str(path.absolute())
    try:
        name.encode()
    except UnicodeEncodeError:
        return pl.scan_parquet(io.BytesIO(path.read_bytes()))  # polars knows names in UTF-8 only
    return pl.scan_parquet(name, glob=False, hive_partitioning=False)
