"""What `--set`, `--grid` and `--seeds` say."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import tomli

from biasloop.errors import InvalidInput
from biasloop.parsing import DEEPEST, dotted, require_plain, shown, toml_values

Key = tuple[str, ...]

MOST_SEEDS = 10_000
_DIGITS = 18  # of a seed; all that 64 bits can surely hold
_NO_ZERO = re.compile(r"[+-]?\.[0-9]+")  # of a number as tables have it


def parse_value(text: str, where: str = "the value") -> Any:
    """A value as TOML would read it, also .5 for 0.5; what is no TOML value is a string.

    Raises:
        InvalidInput: it nests too deep, or is a number of thousands of digits.
    """
    if _NO_ZERO.fullmatch(text):
        return float(text)
    try:
        table = toml_values(f"value = {text}", where)
    except tomli.TOMLDecodeError:
        return text
    return table["value"] if table.keys() == {"value"} else text  # a line break may begin other keys


def parse_set(text: str, option: str = "--set") -> tuple[Key, Any]:
    """`loop.human=1000` as key and typed value.

    Raises:
        InvalidInput: it is not KEY=VALUE, the key has too many parts, or the value is none that a setting can have.
    """
    name, equals, value = text.partition("=")
    key = tuple(part.strip() for part in name.split("."))
    if not equals or not all(key):
        raise InvalidInput(f"--set {_short(text)}: expected KEY=VALUE, for example --set loop.human=1000")
    if len(key) > DEEPEST:
        raise InvalidInput(f"{option} {_short(text)}: the key has {len(key):,} parts; a preset's have at most four")
    require_plain(dict.fromkeys(key, 0), option)
    typed = parse_value(value.strip(), f"{option} {dotted(key)}")
    require_plain(typed, f"{option} {dotted(key)}")
    return key, typed


def parse_sets(texts: Iterable[str]) -> dict[Key, Any]:
    """Every `--set`, by key.

    Raises:
        InvalidInput: as `parse_set`, or a key is given twice.
    """
    return _each_once([parse_set(text) for text in texts], "--set")


def parse_grid(text: str) -> tuple[str, list[Any]]:
    """`loop.human=1000,2500` as key and list of values; also `[...]`, and what TOML reads between brackets.

    Raises:
        InvalidInput: as `parse_set`.
    """
    key, value = parse_set(text, "--grid")
    where = f"--grid {dotted(key)}"
    if not isinstance(value, list):
        written = text.partition("=")[2]
        value = parse_value(f"[{written}]", where)
        if not isinstance(value, list):
            value = [parse_value(part.strip(), where) for part in written.split(",")]
    require_plain(value, where)
    if not value or "" in value:
        raise InvalidInput(f"--grid {_short(text)}: expected KEY=VALUE,VALUE, for example --grid loop.human=1000,2500")
    return ".".join(key), value


def parse_grids(texts: Iterable[str]) -> dict[str, list[Any]]:
    """Every `--grid`, by key.

    Raises:
        InvalidInput: as `parse_grid`, or a key is given twice.
    """
    named = [((key,), values) for key, values in map(parse_grid, texts)]
    return {key: values for (key,), values in _each_once(named, "--grid").items()}


def _each_once(given: Sequence[tuple[Key, Any]], option: str) -> dict[Key, Any]:
    values: dict[Key, Any] = {}
    for key, value in given:
        if key in values:
            raise InvalidInput(f"{option} {'.'.join(key)} is given twice; give it once")
        values[key] = value
    return values


def parse_seeds(text: str) -> list[int]:
    """`0-2`, `0,3,5-7` or `5` as a list of seeds, each once.

    Raises:
        InvalidInput: anything else, a seed of more than 18 digits, or more than 10,000 seeds.
    """
    ranges = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]+)(?:-([0-9]+))?\s*", part)
        if match and max(len(match[1]), len(match[2] or "")) > _DIGITS:
            raise InvalidInput(f"seeds {shown(text)}: a seed has at most {_DIGITS} digits, for example 0-2")
        if not match or int(match[2] or match[1]) < int(match[1]):
            raise InvalidInput(
                f"seeds {_short(text)!r}: expected a list of whole numbers or ranges, for example 0-2 or 0,3,5-7"
            )
        ranges.append(range(int(match[1]), int(match[2] or match[1]) + 1))
        # Before they are made: a range of 10^17 seeds would fill the memory.
        if sum(map(len, ranges)) > MOST_SEEDS:
            raise InvalidInput(f"seeds {_short(text)!r}: more than {MOST_SEEDS:,} seeds; expected fewer, as 0-2")
    return list(dict.fromkeys(seed for seeds in ranges for seed in seeds))


def _short(text: str) -> str:
    """What was typed, of a long one the beginning."""
    return text if len(text) <= 200 else f"{text[:200]}..."
