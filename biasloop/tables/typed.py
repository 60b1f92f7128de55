"""A table with columns of types that follow from all of their values, as programs and trainers are given it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from biasloop.tables import json_rows
from biasloop.tables.errors import BadTable

if TYPE_CHECKING:
    import polars as pl

    from biasloop.tables.reading import Table


def typed(table: Table, texts: Sequence[str] | None) -> pl.DataFrame:
    """All rows and columns of a file, each row that is in it.

    Args:
        table: of the file.
        texts: columns whose values are read as texts; the types of others follow. None: all cells of CSV and TSV are
            texts. Values of Parquet are as they are.

    Raises:
        BadTable: at what is not valid; a row has more or fewer cells than the header, or not one value.
    """
    with table.reading():
        if table.stored is not None:
            return table.stored.collect()
        if table.layout is None:
            return _of_json(table, texts or ())
        return _of_cells(table, texts)


def _of_cells(table: Table, texts: Sequence[str] | None) -> pl.DataFrame:
    import polars as pl

    assert table.layout is not None
    names = table.layout.names
    if not table.by_polars:
        rows = [row for _, row in table.cells()]
        columns = [[row[i] or None for row in rows] for i in range(len(names))]
        frame = pl.DataFrame({str(i): pl.Series(cells, dtype=pl.String) for i, cells in enumerate(columns)})
        if texts is not None:
            overrides = {str(i): pl.String for i, name in enumerate(names) if name in texts}
            written = frame.write_csv().encode()
            frame = pl.read_csv(written, schema_overrides=overrides, infer_schema_length=None)
        frame.columns = list(names)
        return frame
    table.check_cells()
    frame = table.scan(None if texts is None else [i for i, name in enumerate(names) if name in texts]).collect()
    if len(frame) != table.shape.lines:
        raise BadTable(table.name, f"{table.shape.lines:,} rows, of which {len(frame):,} could be read")
    frame.columns = list(names)
    return _without_blanks(table, frame)


def _without_blanks(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """The rows, without lines on which there is nothing."""
    import polars as pl

    empty = frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
    if empty.sum() == table.shape.blanks:
        return frame.filter(~empty)
    line = next((line for line, row in table.cells() if not any(row)), None)
    raise BadTable(table.name, "not one value in this row; leave it out", line)


def _of_json(table: Table, texts: Sequence[str]) -> pl.DataFrame:
    """Read by polars; that it has lost no row and no value, Python says."""
    import polars as pl

    assert table.content is not None
    rows, values = 0, dict[str, int]()
    lines = []
    for _, batch in json_rows.batches_of(table.content, lines=table.format.kind == "jsonl"):
        rows += len(batch)
        for row in batch:
            for name, value in row.items():
                values[name] = values.get(name, 0) + (value is not None)
        if not table.lined:
            lines += [json.dumps(row) for row in batch]
    if lines:
        data = "\n".join(lines).encode()
    else:
        with table.content.stream() as stream:
            data = stream.read()
    frame = pl.read_ndjson(data, infer_schema_length=None)
    for name, count in values.items():
        if len(frame) != rows or (name in frame.columns and len(frame) - frame[name].null_count() != count):
            raise BadTable(table.name, f"{count:,} values of {name!r}, of which not all could be read as one type")
    plain = [name for name in texts if name in frame.columns and not frame[name].dtype.is_nested()]
    if not plain:
        return frame
    read = table.lazy(plain).collect()
    return frame.with_columns(read[f"c{i}"].alias(name) for i, name in enumerate(plain))
