"""Captions with their keys, row by row: CC3M's TSV as it is published, Parquet, and JSON Lines.

A caption stays as it is: only a line feed ends a line, never another sign that Unicode counts as one. A TSV holds a
caption and an address a line and has no header; keys are row numbers, from 0. Tools add the header `caption<TAB>url`:
it is passed over, so that no key is shifted. Parquet and JSON Lines have `caption` and, if wished, `key`; blank lines
of JSON Lines count as no row.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from biasloop.errors import InvalidInput
from biasloop.system.regular import require_regular

if TYPE_CHECKING:
    import polars as pl

Caption = tuple[int, str]
"""Key and text."""
HEADER = "caption\turl"
LARGEST = 2**63 - 1
_ROWS = 50_000  # of Parquet, at a time


@dataclass(frozen=True)
class Captions:
    """Captions of a file whose keys are different, which was seen by reading it all.

    Attributes:
        path: of the file.
        count: rows.
        digest: SHA-256 of keys and texts, in order.
        note: what a person should know of how it was read; empty for nothing.
    """

    path: Path
    count: int
    digest: str
    note: str = ""

    def shards(self, size: int) -> Iterator[tuple[int, list[Caption]]]:
        """Numbers of shards and their captions, `size` each but for the last; one is in memory at a time."""
        rows = read(self.path)
        number = 0
        while captions := list(islice(rows, size)):
            yield number, captions
            number += 1


def opened(path: Path) -> Captions:
    """Read all captions of a file once.

    Raises:
        InvalidInput: as `read`; a key comes twice, or there are none.
    """
    keys, total = array("q"), hashlib.sha256()
    for key, text in read(path):
        keys.append(key)
        encoded = text.encode()
        total.update(b"%d %d " % (key, len(encoded)))
        total.update(encoded)
    if not keys:
        raise InvalidInput(f"{path} has no captions; expected one a row")
    _check_different(np.frombuffer(keys, np.int64), path)
    note = f"{path} begins with the header of a tool ({HEADER.replace(chr(9), '<TAB>')}): it counts as no row"
    return Captions(path, len(keys), total.hexdigest(), note if _has_header(path) else "")


def read(path: Path) -> Iterator[Caption]:
    """Captions with their keys, in the order of the file; never all in memory.

    Args:
        path: .tsv, .parquet or .jsonl.

    Raises:
        InvalidInput: it cannot be read, or what a row holds is no caption or no key (row named).
    """
    readers: dict[str, Callable[[Path], Iterator[Caption]]] = {
        ".tsv": _of_tsv, ".parquet": _of_parquet, ".jsonl": _of_jsonl,
    }  # fmt: skip
    if path.suffix not in readers:
        raise InvalidInput(f"{path}: captions are read from .tsv (caption<TAB>address), .parquet or .jsonl")
    require_regular(path)
    return readers[path.suffix](path)


def _lines(path: Path) -> Iterator[str]:
    """Lines without the line feed that ends each."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield line.removesuffix(b"\n").decode()
                except UnicodeDecodeError as error:
                    raise InvalidInput(f"{path}, line {number:,}: it is no UTF-8; save the file as UTF-8") from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror or error})") from error


def _has_header(path: Path) -> bool:
    return path.suffix == ".tsv" and _is_header(next(_lines(path), ""))


def _is_header(line: str) -> bool:
    return line.removesuffix("\r") == HEADER


def _of_tsv(path: Path) -> Iterator[Caption]:
    lines = _lines(path)
    first = next(lines, None)
    if first is None:
        return
    before = 1 if _is_header(first) else 0  # lines that are no row
    if not before:
        yield 0, _before_address(first, path, 1)
    for row, line in enumerate(lines, 1 - before):
        yield row, _before_address(line, path, row + before + 1)


def _before_address(line: str, path: Path, number: int) -> str:
    caption, tab, _ = line.rpartition("\t")  # a caption may have tabs, an address has none
    if not tab:
        raise InvalidInput(f"{path}, line {number:,}: expected a caption, a tab and an address; there is no tab")
    return caption


def _of_jsonl(path: Path) -> Iterator[Caption]:
    given = False
    lines = ((number, line) for number, line in enumerate(_lines(path), 1) if line.strip())
    for row, (number, line) in enumerate(lines):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"{path}, line {number:,}: it is no JSON ({error})") from error
        if not isinstance(value, dict) or not isinstance(value.get("caption"), str):
            raise InvalidInput(f"{path}, line {number:,}: expected an object with a text `caption`")
        if row == 0:
            given = "key" in value
        elif given != ("key" in value):
            raise InvalidInput(f"{path}, line {number:,}: some rows have a `key` and some have none; give it to all")
        yield (_key(value["key"], path, row) if given else row), _text(value["caption"], path, row)


def _of_parquet(path: Path) -> Iterator[Caption]:
    import polars as pl

    try:
        frame = pl.scan_parquet(path, glob=False)
        columns = frame.collect_schema()
        if columns.get("caption") != pl.String:
            raise InvalidInput(f"{path}: expected a column `caption` of texts; it has {', '.join(columns) or 'none'}")
        names = [name for name in ("key", "caption") if name in columns]
        batches: Iterator[pl.DataFrame] = iter(frame.select(names).collect_batches(chunk_size=_ROWS))
        row = 0
        for batch in batches:
            texts = batch["caption"].to_list()
            keys: Sequence[object] = batch["key"].to_list() if "key" in names else range(row, row + len(texts))
            for key, text in zip(keys, texts, strict=True):
                if text is None:
                    raise InvalidInput(f"{path}, row {row + 1:,}: it has no caption")
                yield (key if isinstance(key, int) and 0 <= key <= LARGEST else _key(key, path, row)), text
                row += 1
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InvalidInput(f"{path} cannot be read as Parquet ({reason})") from error


def _key(value: object, path: Path, row: int) -> int:
    """A key that is written as a number, or as its digits (`000000017`)."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST:
        raise InvalidInput(f"{path}, row {row + 1:,}: the key {value!r} is no whole number from 0 to {LARGEST}")
    return value


def _text(text: str, path: Path, row: int) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"{path}, row {row + 1:,}: its caption has half of a surrogate pair, no text") from error
    return text


def _check_different(keys: np.ndarray[tuple[int], np.dtype[np.int64]], path: Path) -> None:
    order = np.argsort(keys, kind="stable")
    again = np.flatnonzero(np.diff(keys[order]) == 0)
    if len(again):
        key, rows = keys[order[again[0]]], order[again[0] : again[0] + 2] + 1
        raise InvalidInput(
            f"{path}: the key {key} is given twice (rows {rows[0]:,} and {rows[1]:,}); each row needs one of its own"
        )
