"""CSV and TSV of every kind of damage: read as a parser of a page reads them, or refused; no row is lost."""

import random
from pathlib import Path

import pytest

from biasloop.errors import InvalidInput
from biasloop.predictions import Reading, counted, open_source
from biasloop.tables import Format, open_table
from biasloop.tables import content as module
from biasloop.tables.missing import is_missing
from biasloop.tables.typed import typed

PIECES = ["a", "b", "1", "x y", '"', '""', "é", "", "'", "\u2028", "NA", "0.5", " "]


def parsed(text: str, separator: str, *, quoting: bool) -> list[list[str]] | None:
    """Rows of cells, the header's among them, character by character; None of what is not valid."""
    rows: list[list[str]] = []
    row, cell, state, at = [], "", "start", 0
    if "\0" in text:
        return None
    text += "" if text.endswith("\n") else "\n"
    while at < len(text):
        sign, at = text[at], at + 1
        if state == "inside":
            if sign != '"':
                cell += sign
            elif text[at : at + 1] == '"':
                cell, at = cell + '"', at + 1
            elif text[at : at + 1] in (separator, "\n") or text[at : at + 2] == "\r\n":
                state = "closed"
            else:
                return None
        elif sign == separator:
            row, cell, state = [*row, cell], "", "start"
        elif sign == "\n":
            if row or cell or state == "closed":
                rows.append([*row, cell])
            row, cell, state = [], "", "start"
        elif sign == "\r" and text[at : at + 1] == "\n":
            continue
        elif sign == "\r":
            return None
        elif sign == '"' and quoting and state == "start":
            state = "inside"
        else:
            cell, state = cell + sign, "text"
    return None if state == "inside" or len({len(row) for row in rows}) > 1 else rows


def written(rng: random.Random, separator: str) -> bytes:
    """A table of two to four columns, as a writer might leave it, often with something wrong."""
    columns = rng.randint(2, 4)
    end = rng.choice(["\n", "\r\n"])
    rows = [separator.join(f"c{i}" for i in range(columns))]
    for _ in range(rng.randint(0, 12)):
        cells = []
        for _ in range(columns if rng.random() > 0.03 else rng.randint(1, 5)):
            cell = "".join(rng.choices(PIECES, k=rng.randint(0, 3))) if rng.random() < 0.4 else rng.choice("ab1")
            if rng.random() < 0.3:
                extra = rng.choice(["\n", "\r\n", separator, "", ""]) if separator == "," else ""
                cell = '"' + (cell + extra).replace('"', '""') + '"'
            elif rng.random() < 0.7:
                cell = cell.replace('"', "")
            cells.append(cell)
        rows.append("" if rng.random() < 0.05 else separator.join(cells))
    text = end.join(rows) + rng.choice(["", end, end + end])
    if rng.random() < 0.3:
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(['"', "\n", "\r", separator, "\0", "", "\ufeff"]) + text[at + rng.randint(0, 1) :]
    return rng.choice([b"", b"", b"\xef\xbb\xbf"]) + text.encode()


def bare(rows: list[list[str | None]]) -> list[list[str]]:
    """Without rows in which there is nothing, which may be blank lines."""
    return [[cell or "" for cell in row] for row in rows if any(row)]


def check(path: Path, data: bytes, kind: str) -> str:
    """Read it as `evaluate` and as the loop do; what came of it."""
    path.write_bytes(data)
    try:
        rows = parsed(data.decode("utf-8-sig"), "," if kind == "csv" else "\t", quoting=kind == "csv")
    except UnicodeDecodeError:
        rows = None
    header, right = (rows[0], rows[1:]) if rows else ([], [])
    try:
        table = open_table(path, Format(kind))
        table.require([f"c{i}" for i in range(2)])
        with table.reading():
            seen = [row[: len(header)] for row in table.lazy(table.columns).collect().rows()]
        table.check_cells()
    except InvalidInput as error:
        assert rows is None or not rows or len(set(header)) < len(header) or header[:2] != ["c0", "c1"], (data, error)
        return "refused"
    assert rows is not None, (data, seen)
    assert bare([list(row) for row in seen]) == bare(right), data
    if right:
        loop = None
        try:
            loop = [list(row) for row in typed(table, None).rows()]
        except InvalidInput as error:
            assert "not one value" in str(error), (data, error)
        assert loop is None or bare(loop) == bare(right), data
    n = sum(not any(is_missing(cell) for cell in row[:2]) for row in right)
    try:
        counts = counted(open_source(path, reading=Reading(same=False, missing="skip")), ["c0", "c1"])
        assert counts.n == n, data
    except InvalidInput as error:
        assert n == 0, (data, error)
    return "read"


def fuzzed(place: Path, tries: int, kind: str) -> None:
    rng = random.Random(f"tables {kind}")
    separator = "," if kind == "csv" else "\t"
    ends = [check(place / f"t.{kind}", written(rng, separator), kind) for _ in range(tries)]
    assert min(ends.count("read"), ends.count("refused")) > tries / 10


@pytest.mark.parametrize("kind", ["csv", "tsv"])
@pytest.mark.parametrize("block", [7, module.BLOCK])
def test_tables_are_read_rightly_or_refused(tmp_path, monkeypatch, kind, block):
    monkeypatch.setattr(module, "BLOCK", block)
    fuzzed(tmp_path, 40, kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_many_tables_are_read_rightly_or_refused(tmp_path, monkeypatch, kind):
    fuzzed(tmp_path, 1500, kind)
    monkeypatch.setattr(module, "BLOCK", 11)
    fuzzed(tmp_path, 500, kind)
