"""Rows of JSON lines, and of a list of records: objects, each with its line or number."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from biasloop.tables.content import MOST_IN_MEMORY, Content
from biasloop.tables.errors import BadTable

Row = Mapping[str, Any]
_WHITE = b" \t\r\n"


class _Twice(ValueError):
    """An object has a key twice."""


def batches_of(content: Content, *, lines: bool) -> Iterator[tuple[Sequence[int], list[Row]]]:
    """Objects, and the line of each; those of a list, which has no line for each, with their number from 1.

    Blank lines are no rows. A number of an object is a Python int or float, NaN among them.

    Args:
        content: of the file.
        lines: whether there is an object on each line; False: that, or a list.

    Raises:
        BadTable: at what is not valid JSON, is no object, or has a key twice.
    """
    if not lines and is_list(content):
        rows = _listed(content)
        yield range(1, len(rows) + 1), rows
        return
    for line, block in content.blocks():
        quick = _together(block)
        if quick is not None:
            yield range(line, line + len(quick)), quick
        else:
            pairs = list(_one_by_one(content, line, block.split(b"\n")))
            yield [number for number, _ in pairs], [row for _, row in pairs]


def is_list(content: Content) -> bool:
    """Whether the first character is a bracket."""
    with content.stream() as stream:
        while more := stream.read(4096):
            if bare := more.lstrip(_WHITE):
                return bare.startswith(b"[")
    return False


def _together(block: bytes) -> list[Row] | None:
    """All lines at once, several times as fast as one by one; None where that might read them otherwise.

    Joined by commas into a list, lines that are objects are read as they are. Lines that are not could become valid
    by being joined, but not if each begins and ends in a brace, there are no lists in them, and there are as many
    objects as lines. A colon is behind each key and nowhere else, or there may be a key twice.
    """
    text = block.removesuffix(b"\n")
    count = text.count(b"\n") + 1
    braced = text.startswith(b"{") and text.endswith(b"}") and text.count(b"}\n{") == count - 1
    if not braced or b"[" in text:
        return None
    try:
        rows = json.loads(b"[" + text.replace(b"}\n{", b"},\n{") + b"]")
    except (ValueError, RecursionError):
        return None
    return rows if len(rows) == count and sum(map(len, rows)) == text.count(b":") else None


def _one_by_one(content: Content, first: int, lines: list[bytes]) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(lines, first):
        if line.strip(_WHITE):
            try:
                row = json.loads(line, object_pairs_hook=_object)
            except (ValueError, RecursionError) as error:
                raise BadTable(content.name, f"not valid JSON ({reason(error)})", number) from error
            if not isinstance(row, dict):
                raise BadTable(content.name, "expected a JSON object", number)
            yield number, row


def _listed(content: Content) -> list[Row]:
    parts, size = [], 0
    for _, block in content.blocks():
        parts.append(block)
        size += len(block)
        if size > MOST_IN_MEMORY:
            most = MOST_IN_MEMORY >> 20
            raise BadTable(content.name, f"is a list of more than {most} MiB; write it as JSON lines, an object a line")
    try:
        rows: list[Row] = json.loads(b"".join(parts), object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else None
        raise BadTable(content.name, f"not valid JSON ({reason(error)})", line) from error
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise BadTable(content.name, f"record {number:,} is no JSON object; expected a list of objects")
    return rows


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _Twice(f"the key {next(key for key in keys if keys.count(key) > 1)!r} twice in an object")
    return row


def reason(error: Exception) -> str:
    """What is wrong within a line."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}, at character {error.pos + 1:,}"
    if isinstance(error, RecursionError):
        return "nested too deep"
    if isinstance(error, _Twice):
        return str(error)
    return "a number of too many digits"


def value_at(row: Row, name: str) -> Any:
    """The value of a key, or along a path of keys with dots between them; None where there is none."""
    if name in row:
        return row[name]
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def text_of(value: Any) -> str | None:
    """A single value as text, None for null; numbers as `values.as_text` writes them.

    Raises:
        TypeError: if it is an object or a list.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number(value)
    raise TypeError("a list" if isinstance(value, list) else "an object")


def _number(value: float) -> str | None:
    if value != value:  # noqa: PLR0124 # NaN
        return None
    if value.is_integer() and abs(value) < 2.0**53:
        return str(int(value))
    digits, _, power = repr(value).partition("e")
    return f"{digits}e{int(power):+d}" if power else digits
