"""A person's own prompts and continuations: JSON lines, or CSV with a header."""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from biasloop.errors import InvalidInput
from biasloop_language.pairs import Pairs

FORMATS = (".jsonl", ".csv")
_EXAMPLE = '{"prompt": "Once upon", "continuation": " a time"}'
_LARGEST_CELL = 1 << 30

Record = Mapping[str, Any]


def read(path: Path, prompt: str = "prompt", continuation: str = "continuation") -> Pairs:
    """Prompts and continuations of a file.

    A continuation that is missing (no field, JSON's null, an empty CSV cell) is one that only a model can write. In
    JSON an empty text is a continuation too. Nothing is added to or taken from a text: between prompt and
    continuation there is a space only if one of them has it. Blank lines are skipped.

    Args:
        path: a `.jsonl` or `.csv` file, UTF-8.
        prompt: field of the prompts; in JSON `a.b` is the field b of the object a, unless there is a field "a.b".
        continuation: field of the continuations.

    Fields that nobody asks for are ignored. An empty continuation is kept: nothing is learnt from its row, it scores as
    an empty text does, and its prompt can be in the test set. All that can be wrong is in `docs/own-corpus.md`.

    Raises:
        InvalidInput: naming file and line: not UTF-8, not JSON or CSV, no prompt, or no continuation in any row.
    """
    prompts: list[str] = []
    continuations: list[str | None] = []
    fields: dict[str, None] = {}
    try:
        for line, record in _records(path):
            place = f"{path}, line {line:,}"
            fields |= dict.fromkeys(record)
            prompts.append(_prompt(record, prompt, place))
            continuations.append(_continuation(record, continuation, place, csv=_is_csv(path)))
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}; domain.data names a file of prompts") from error
    if not prompts:
        raise InvalidInput(f"{path} has no rows; expected one a line, such as {_EXAMPLE}")
    if all(text is None for text in continuations):
        raise InvalidInput(
            f"no row of {path} has a continuation in the field {continuation!r} (found: {', '.join(fields)}); "
            "name the field with domain.corpus.continuation"
        )
    if not any(continuations):
        raise InvalidInput(
            f"every continuation of {path} is empty, so that nothing can be learnt from it; give at least some rows a "
            f"text in the field {continuation!r}, or name another field with domain.corpus.continuation"
        )
    return Pairs.of(prompts, continuations, str(path))


def _records(path: Path) -> Iterator[tuple[int, Record]]:
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise InvalidInput(f"{path}: expected a corpus in a file that ends in {' or '.join(FORMATS)}")
    return _csv(path) if _is_csv(path) else _jsonl(path)


def _is_csv(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines with their ends, decoded one by one, so that a bad one can be named."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            try:
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise InvalidInput(
                    f"{path}, line {number:,}: byte {error.start + 1} (0x{line[error.start]:02x}) is not UTF-8 text; "
                    "save the file as UTF-8"
                ) from error


def _jsonl(path: Path) -> Iterator[tuple[int, Record]]:
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InvalidInput(
                f"{path}, line {number:,}: not valid JSON ({_reason(error)}); "
                f"expected one object a line, such as {_EXAMPLE}"
            ) from error
        if not isinstance(record, dict):
            raise InvalidInput(f"{path}, line {number:,}: expected a JSON object, such as {_EXAMPLE}")
        yield number, record


def _reason(error: Exception) -> str:
    """What is wrong within a line; the library would count lines within it."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}, at character {error.pos + 1:,}"
    return str(error)


def _csv(path: Path) -> Iterator[tuple[int, Record]]:
    limit = csv.field_size_limit(_LARGEST_CELL)
    reader = csv.reader((line for _, line in _lines(path)), strict=True)
    try:
        header = next((row for row in reader if row), [])
        double = [name for name in header if header.count(name) > 1]
        if double:
            raise InvalidInput(f"{path}, line {reader.line_num:,}: two columns are called {double[0]!r}")
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise InvalidInput(
                    f"{path}, line {reader.line_num:,}: {len(row)} cells where the header has {len(header)}; "
                    'a text with a comma or a line break needs "quotes"'
                )
            yield reader.line_num, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise InvalidInput(f"{path}, line {reader.line_num:,}: not valid CSV ({error})") from error
    finally:
        csv.field_size_limit(limit)


def _value(record: Record, field: str) -> Any:
    """The value of a field, by its name or by its path; None if there is none."""
    if field in record:
        return record[field]
    value: Any = record
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _prompt(record: Record, field: str, place: str) -> str:
    value = _value(record, field)
    if value is None:
        raise InvalidInput(
            f"{place}: there is no field {field!r} (found: {', '.join(record)}); "
            "name the field of prompts with domain.corpus.prompt"
        )
    text = _text(value, field, place)
    if not text:
        raise InvalidInput(f"{place}: the prompt is empty, and a model continues only what is there; leave the row out")
    return text


def _continuation(record: Record, field: str, place: str, *, csv: bool) -> str | None:
    value = _value(record, field)
    return None if value is None or (csv and value == "") else _text(value, field, place)


def _text(value: object, field: str, place: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{place}: the field {field!r} is {json.dumps(value)[:40]}, expected text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"{place}: character {error.start + 1} of {field!r} is half of a surrogate pair, which is not text"
        ) from error
    return value
