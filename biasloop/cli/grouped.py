"""Options that several commands share, listed once in a dataclass that such a command takes as one argument."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from inspect import Parameter
from typing import Any, get_type_hints

Function = Callable[..., None]


def grouped(function: Function) -> Function:
    """The command of a function: a parameter that is a dataclass stands for an option for each of its fields.

    Args:
        function: its parameters are typer's, or dataclasses whose fields are.

    Returns:
        What typer makes a command of; it calls the function with each dataclass made of its options.
    """
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, type[Any]] = {}
    parameters: list[Parameter] = []
    for name, parameter in inspect.signature(function).parameters.items():
        kind = hints[name]
        if isinstance(kind, type) and is_dataclass(kind):
            groups[name] = kind
            parameters += _of(kind)
        else:
            parameters.append(parameter.replace(annotation=kind, kind=Parameter.KEYWORD_ONLY))

    @wraps(function)
    def command(**given: Any) -> None:
        made = {name: kind(**{field.name: given.pop(field.name) for field in fields(kind)}) for name, kind in
                groups.items()}  # fmt: skip
        function(**given, **made)

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # what typer reads
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _of(kind: type[Any]) -> list[Parameter]:
    """The options that a dataclass lists."""
    hints = get_type_hints(kind, include_extras=True)
    return [
        Parameter(
            field.name, Parameter.KEYWORD_ONLY, annotation=hints[field.name],
            default=Parameter.empty if field.default is MISSING else field.default,
        )
        for field in fields(kind)
    ]  # fmt: skip
