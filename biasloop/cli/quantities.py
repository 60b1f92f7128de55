"""Options that take counts and shares as people write them: 50_000, 5e4, 50k, 20 %."""

from collections.abc import Callable
from typing import Any

import typer


def count(option: str, text: str) -> Any:
    """An option that takes a whole number of things."""
    return typer.Option(option, metavar="N", parser=_parser(option, "count"), help=text)


def number(option: str, text: str) -> Any:
    """An option that takes any number, also in percent."""
    return typer.Option(option, metavar="NUMBER", parser=_parser(option, "number"), help=text)


def amount(option: str, text: str) -> Any:
    """An option that takes a number of samples or a share of them in percent."""
    return typer.Option(option, metavar="N|SHARE%", parser=_parser(option, "amount"), help=text)


def _parser(option: str, reader: str) -> Callable[[Any], Any]:
    """What reads the text of an option by a function of `biasloop.scenario.quantities`."""

    def parse(value: Any) -> Any:
        if not isinstance(value, str):  # a default
            return value
        from biasloop.scenario import quantities

        return getattr(quantities, reader)(value, option)

    return parse
