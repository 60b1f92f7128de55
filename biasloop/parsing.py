"""Text that somebody else wrote, as values: limited in size, depth and range before anything works with it.

TOML and JSON say nothing of how deep tables nest or how large a number is; what is read with recursion, compared or
multiplied later would fail there, far from the file. Here it is refused by a sentence that names the file and the key.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomli

from biasloop.errors import InvalidInput
from biasloop.system.regular import require_regular

LARGEST = 1_000_000  # bytes of a file that a person writes
DEEPEST = 32  # tables and lists inside each other; presets have four
_INTEGER = 2**63  # TOML promises 64 bits
_SHOWN = 200  # characters of a value in a message

# A key of thousands of parts: the parser's work grows with their square. Possessive, so that nothing is tried twice.
_LONG_KEY = re.compile(rf"(?<![\w-])(?:(?:[\w-]++|\"[^\"\n]*+\"|'[^'\n]*+')[ \t]*+\.[ \t]*+){{{DEEPEST}}}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def read_text(path: Path, largest: int = LARGEST) -> str:
    """The text of a file, with or without a byte order mark.

    Raises:
        InvalidInput: it is no regular file, cannot be read, is too large or no UTF-8.
    """
    require_regular(path)
    try:
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except (OSError, ValueError) as error:  # a path with NUL is a ValueError
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidInput(f"{path} cannot be read: {reason}") from error
    if len(data) > largest:
        raise InvalidInput(f"{path} has more than {largest:,} bytes, which is too large for what it should be")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text: byte {error.start} is invalid") from error


def parse_toml(path: Path) -> dict[str, Any]:
    """A TOML file of plain values: at most 32 levels, 64-bit integers, finite numbers, no control characters.

    Raises:
        InvalidInput: naming the file and, for bad syntax, the line, for a bad value its key.
    """
    try:
        values = toml_values(read_text(path), str(path))
    except tomli.TOMLDecodeError as error:
        raise InvalidInput(f"{path} is not valid TOML: {error}") from error
    require_plain(values, str(path))
    return values


def toml_values(text: str, where: str) -> dict[str, Any]:
    """The table that a text of TOML stands for, whatever its values are (`require_plain` looks at them).

    Args:
        text: TOML.
        where: names it in messages.

    Raises:
        TOMLDecodeError: bad syntax.
        InvalidInput: nested too deep, or a number of thousands of digits.
    """
    if _LONG_KEY.search(text):
        raise InvalidInput(f"{where} nests tables more than {DEEPEST} levels deep; a preset needs four")
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError:
        raise
    except RecursionError as error:
        raise InvalidInput(f"{where} nests values more than {DEEPEST} levels deep; a preset needs four") from error
    except ValueError as error:  # Python converts no number of more than some thousand digits
        raise InvalidInput(f"{where} has a number of thousands of digits; expected one of 64 bits") from error


def parse_json(text: str, where: str) -> Any:
    """The value of a text of JSON, at most 32 levels deep.

    Args:
        text: JSON.
        where: names it in messages.

    Raises:
        InvalidInput: bad syntax, too deep, or a number of thousands of digits.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"{where} is not valid JSON: {error}") from error
    except RecursionError as error:
        raise InvalidInput(f"{where} nests values more than {DEEPEST} levels deep") from error
    except ValueError as error:
        raise InvalidInput(f"{where} has a number of thousands of digits; expected one of 64 bits") from error
    for key, _ in _inside(value):
        if len(key) > DEEPEST:
            raise InvalidInput(f"{where}: {dotted(key[:4])} nests values more than {DEEPEST} levels deep")
    return value


def require_plain(values: Any, where: str) -> None:
    """Refuse what no setting can be: deeper than 32 levels, beyond 64 bits, not finite, with control characters.

    Raises:
        InvalidInput: naming the key.
    """
    for key, value in _inside(values):
        mistake = _mistake(value)
        if len(key) > DEEPEST:
            key, mistake = key[:4], f"nests values more than {DEEPEST} levels deep; a preset needs four"  # noqa: PLW2901
        elif key and isinstance(key[-1], str) and _CONTROL.search(key[-1]):
            mistake = "this key has a control character; write it without"
        if mistake:
            raise InvalidInput(f"{where}: {dotted(key)}{' ' if key else ''}{mistake}")


def _inside(values: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value with its key, parents first; nothing below the first level that is too deep."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), values)]
    while waiting:
        key, value = waiting.pop()
        yield key, value
        if len(key) > DEEPEST:
            continue
        named = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        waiting += [((*key, name), inner) for name, inner in named]


def _mistake(value: Any) -> str:
    """What is wrong with a single value, as the rest of a sentence; empty if nothing is."""
    if isinstance(value, int) and not -_INTEGER <= value < _INTEGER:
        return "is beyond 64 bits; expected a whole number that a computer counts with"
    if isinstance(value, float) and not math.isfinite(value):
        return f"= {value}: expected a finite number"
    if isinstance(value, str) and _CONTROL.search(value):
        return f"= {shown(value)} has a control character or is not UTF-8 text; write it without"
    return ""


def dotted(key: tuple[str | int, ...]) -> str:
    """A key as it is written; parts that TOML would not read bare are quoted."""
    return ".".join(part if _BARE.fullmatch(part) else _quoted(part) for part in map(str, key))


def _quoted(part: str) -> str:
    return json.dumps(part if len(part) <= _SHOWN else f"{part[:_SHOWN]}...", ensure_ascii=not part.isprintable())


def shown(value: Any) -> str:
    """A value in a message: as JSON, and of a long one the beginning."""
    try:
        text = json.dumps(value, ensure_ascii=isinstance(value, str) and not value.isprintable())
    except (TypeError, ValueError):
        text = str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
