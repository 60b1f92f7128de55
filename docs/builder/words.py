"""Types of settings in words, from their annotations."""

import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_PLAIN: dict[object, str] = {
    int: "whole number", float: "number", str: "text", bool: "`true` or `false`", Any: "anything",
}  # fmt: skip


def kind(field: FieldInfo) -> str:
    """What a setting may be: its type, the words that it allows and its limits."""
    return _kind(field.annotation, field.metadata)


def _kind(annotation: Any, metadata: Sequence[object] = ()) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(arguments[0], [*_unpacked(arguments[1:]), *metadata])
    if origin in (Union, types.UnionType):
        given = [each for each in arguments if each is not type(None)]
        return _either([_kind(each, metadata) for each in given])
    if origin is Literal:
        return _either([f'`"{word}"`' if isinstance(word, str) else f"`{word}`" for word in arguments])
    if origin in (list, Sequence, set, frozenset, tuple):
        inner = [each for each in arguments if each is not Ellipsis]
        return f"list of {_plural(_kind(inner[0])) if inner else 'anything'}{_length(metadata)}"
    if origin in (dict, Mapping):
        held = _kind(arguments[1])
        return "table" if held == "anything" else f"table of {_plural(held)}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    words = _PLAIN.get(annotation) or getattr(annotation, "__name__", str(annotation))
    return f"{words}{_limits(metadata)}"


def _unpacked(metadata: Sequence[object]) -> Iterator[object]:
    """Constraints, also those within a pydantic `Field`."""
    for each in metadata:
        yield from each.metadata if isinstance(each, FieldInfo) else [each]


def _either(words: list[str]) -> str:
    different = list(dict.fromkeys(words))
    return different[0] if len(different) == 1 else f"{', '.join(different[:-1])} or {different[-1]}"


def _plural(words: str) -> str:
    first = {"whole number": "whole numbers", "number": "numbers", "text": "texts", "table": "tables", "list": "lists"}
    for single, several in first.items():
        if words == single or words.startswith(f"{single} "):
            return several + words[len(single) :]
    return words


def _limits(metadata: Sequence[object]) -> str:
    """Least and greatest values, in words."""
    said = []
    for attribute, words in (("ge", "from {}"), ("gt", "above {}"), ("le", "to {}"), ("lt", "below {}")):
        limits = [getattr(each, attribute) for each in metadata if getattr(each, attribute, None) is not None]
        said += [words.format(f"{limit:g}") for limit in limits[-1:]]
    return f" {' '.join(said)}" if said else ""


def _length(metadata: Sequence[object]) -> str:
    least, most = (
        next((getattr(each, name) for each in metadata if getattr(each, name, None)), None)
        for name in ("min_length", "max_length")
    )
    if least and least == most:
        return f", {least} of them"
    return f", {least} or more" if least and least > 1 else ""


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The tables that a setting may hold."""
    if isinstance(annotation, type) and not get_args(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    else:
        for inner in get_args(annotation):
            yield from models(inner)
