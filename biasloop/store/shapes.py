"""Whether a value from a file of a run has the type that it must have; what has not is named by its key."""

from __future__ import annotations

import json
import math
from typing import Any

Shape = type | None | tuple[Any, ...] | list[Any] | dict[Any, Any]
"""What is expected: `str`, `int`, `float` (which takes whole numbers), `bool`, `list`, `dict` or None (null); a tuple
of alternatives; `[shape]` a list of such values; `{"key": shape, "other?": shape, str: shape}` a mapping: keys with a
question mark may be absent, and those that are not named may be there only if `str` says what they hold."""
_UNKNOWN = object()
_NAMES: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a mapping",
    None: "null",
}


def check(value: object, shape: Shape, key: str) -> None:
    """Compare a value with its shape.

    Args:
        value: as JSON gives it.
        shape: what is expected.
        key: where it stands.

    Raises:
        ValueError: saying which key has what, and what was expected.
    """
    if isinstance(shape, list) and isinstance(value, list):
        for number, item in enumerate(value):
            check(item, shape[0], f"{key}[{number}]")
    elif isinstance(shape, dict) and isinstance(value, dict):
        _check_keys(value, shape, key)
    elif not any(_is(value, each) for each in (shape if isinstance(shape, tuple) else (shape,))):
        raise ValueError(f"{key or 'it'} is {_shown(value)}; expected {_described(shape)}")


def _check_keys(value: dict[str, object], shape: dict[Any, Any], key: str) -> None:
    prefix = f"{key}." if key else ""
    for name, item in value.items():
        expected = shape[name] if name in shape and name[-1:] != "?" else _of_key(name, shape)
        if expected is _UNKNOWN:
            raise ValueError(f"{prefix}{_shown(name)[1:-1]} is not known")
        kind = type(item)  # most of what there is is settled here: thousands of manifests are read for one list
        if kind is float or not (kind is expected or (type(expected) is tuple and kind in expected)):
            check(item, expected, f"{prefix}{name}")
    for name in shape:
        if name not in value and name is not str and not name.endswith("?"):
            raise ValueError(f"{prefix}{name} is missing")


def _of_key(name: str, shape: dict[Any, Any]) -> Any:
    """What a key is expected to hold; `_UNKNOWN` if it may not be there."""
    if name.endswith("?"):
        return shape.get(str, _UNKNOWN)
    return shape.get(name, shape.get(f"{name}?", shape.get(str, _UNKNOWN)))


def _is(value: object, shape: Shape) -> bool:
    if shape is None:
        return value is None
    if shape is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and _finite(value)
    return type(value) is shape


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:36]} ..."


def _described(shape: Shape) -> str:
    if isinstance(shape, tuple):
        return " or ".join(_described(each) for each in shape)
    if isinstance(shape, list):
        return _NAMES[list]
    return _NAMES[dict] if isinstance(shape, dict) else _NAMES[shape]
