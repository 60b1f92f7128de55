"""What a text file's header says, and where in it a bad row stands: read by Python, line by line.

Rows themselves are read by polars, which is far faster and says little of what is wrong. So a file that it refuses, or
in which it found values missing, is walked through here for the first bad row.
"""

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from biasloop.errors import InvalidInput

MISSING = ("", "nan", "NaN")
"""Texts that are no value."""

MARK = b"\xef\xbb\xbf"  # of UTF-8, which some programs write first


def header(path: Path) -> list[str]:
    """The names of the columns of a CSV or TSV file, or the keys of the first row of JSONL; none of an empty file.

    Raises:
        InvalidInput: the file cannot be read, is not UTF-8, or its first row is not valid.
    """
    with _said(path):
        if path.suffix.lower() == ".jsonl":
            return next(([str(key) for key in row] for _, row in _objects(path)), [])
        with path.open(newline="", encoding="utf-8-sig") as file:
            return next(csv.reader(file, delimiter=_delimiter(path)), [])


def walk(path: Path, names: Sequence[str]) -> None:
    """Read all rows, for the first one that is not valid or lacks a value of the named columns.

    Raises:
        InvalidInput: naming its line. Lines without anything on them are no rows.
    """
    with _said(path):
        rows = _objects(path) if path.suffix.lower() == ".jsonl" else _records(path)
        for line, row in rows:
            for name in names:
                value = row.get(name)
                if value is None or str(value) in MISSING:
                    raise InvalidInput(f"{path}, line {line}: no value in column {name!r}")


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of CSV or TSV with the line each ends on."""
    limit = csv.field_size_limit(sys.maxsize)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, delimiter=_delimiter(path), strict=True)
            names = next(reader, [])
            for row in reader:
                if row and len(row) != len(names):
                    raise InvalidInput(
                        f"{path}, line {reader.line_num}: {len(row)} values in {len(names)} columns; "
                        "put a value that holds the separator in double quotes"
                    )
                if row:
                    yield reader.line_num, dict(zip(names, row, strict=True))
    except csv.Error as error:
        raise InvalidInput(f"{path}, line {reader.line_num}: not a valid table ({error})") from error
    finally:
        csv.field_size_limit(limit)


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of JSONL with their lines."""
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise InvalidInput(f"{path}, line {number}: not valid JSON ({error})") from error
                if not isinstance(row, dict):
                    raise InvalidInput(f"{path}, line {number}: expected a JSON object")
                yield number, row


def _delimiter(path: Path) -> str:
    return "\t" if path.suffix.lower() == ".tsv" else ","


@contextmanager
def _said(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text: byte {error.start} is invalid") from error
    except csv.Error as error:
        raise InvalidInput(f"{path} is not a valid table: {error}") from error
