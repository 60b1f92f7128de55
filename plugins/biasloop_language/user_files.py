"""A person's own prompts and continuations: JSON lines, or CSV or TSV with a header."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from biasloop.errors import InvalidInput
from biasloop.tables import BadTable, Format, format_of, open_table
from biasloop.tables.json_rows import value_at
from biasloop_language.pairs import Pairs

FORMATS = ".jsonl or .csv (.json and .tsv, too, and each with .gz after it)"
_EXAMPLE = '{"prompt": "Once upon", "continuation": " a time"}'

Record = Mapping[str, Any]


def read(path: Path, prompt: str = "prompt", continuation: str = "continuation") -> Pairs:
    """Prompts and continuations of a file.

    A continuation that is missing (no field, JSON's null, an empty CSV cell) is one that only a model can write. In
    JSON an empty text is a continuation too. Nothing is added to or taken from a text: between prompt and
    continuation there is a space only if one of them has it. Blank lines are skipped.

    Args:
        path: a file of JSON lines, CSV or TSV.
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
    cells = form_of(path).separated
    try:
        for where, record in _records(path):
            fields |= dict.fromkeys(record)
            prompts.append(_prompt(record, prompt, where))
            continuations.append(_continuation(record, continuation, where, csv=cells))
    except BadTable as error:
        hint = "" if cells or error.line is None else f"; expected one object a line, such as {_EXAMPLE}"
        raise InvalidInput(f"{error}{hint}") from error
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


def _records(path: Path) -> Iterator[tuple[str, Record]]:
    """Rows, and where each is."""
    table = open_table(path, form_of(path))
    if table.layout is not None:
        double = [name for name in table.columns if table.columns.count(name) > 1]
        if double:
            raise BadTable(path, f"two columns are called {double[0]!r}", table.layout.lines)
    unit = "line" if table.lined else "record"
    for number, record in table.records():
        yield f"{path}, {unit} {number:,}", record


def form_of(path: Path) -> Format:
    """The format of a corpus.

    Raises:
        InvalidInput: if its name says none that has lines.
    """
    known = format_of(path)
    if known is None or not known.text:
        raise InvalidInput(f"{path}: expected a corpus in a file that ends in {FORMATS}")
    return known


def _prompt(record: Record, field: str, where: str) -> str:
    value = value_at(record, field)
    if value is None:
        raise InvalidInput(
            f"{where}: there is no field {field!r} (found: {', '.join(record)}); "
            "name the field of prompts with domain.corpus.prompt"
        )
    text = _text(value, field, where)
    if not text:
        raise InvalidInput(f"{where}: the prompt is empty, and a model continues only what is there; leave the row out")
    return text


def _continuation(record: Record, field: str, where: str, *, csv: bool) -> str | None:
    value = value_at(record, field)
    return None if value is None or (csv and value == "") else _text(value, field, where)


def _text(value: object, field: str, where: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{where}: the field {field!r} is {json.dumps(value)[:40]}, expected text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"{where}: character {error.start + 1} of {field!r} is half of a surrogate pair, which is not text"
        ) from error
    return value
