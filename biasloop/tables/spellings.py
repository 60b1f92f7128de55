"""One value written in two ways: 1 and 1.0, Yes and "yes ", composed and decomposed letters.

Counted apart, such values give wrong numbers without a word: a class that seems to be two, a prediction that is never
right. So they are refused, or read as one, or as two, as somebody says.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from biasloop.errors import InvalidInput

_NUMBER = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d{1,9}))?", re.ASCII)
_NO_WIDTH = dict.fromkeys(map(ord, "\ufeff\u200b\u200c\u200d\u2060"))


def meaning(value: str) -> str:
    """What is the same for all ways to write a value: case, white space, Unicode form, quotes around it, digits."""
    text = unicodedata.normalize("NFKC", value).translate(_NO_WIDTH)
    if not text.isascii():
        text = "".join(str(unicodedata.decimal(character, character)) for character in text)
    bare = " ".join(text.split())
    if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'":  # of a writer that quotes where nobody unquotes
        bare = bare[1:-1].strip()
    return _number(bare) or unicodedata.normalize("NFC", bare.casefold())


def _number(text: str) -> str | None:
    """A number by its digits and power of ten; None if it is none."""
    parts = _NUMBER.fullmatch(text.lower())
    if parts is None or not (parts[2] or parts[3]):
        return None
    behind = parts[3] or ""
    digits = (parts[2] + behind).lstrip("0")
    power = int(parts[4] or 0) - len(behind) + len(digits) - len(digits.rstrip("0"))
    digits = digits.rstrip("0")
    return f"{'-' if parts[1] == '-' else ''}{digits}e{power}" if digits else "0e0"


def two_ways(values: Iterable[str]) -> tuple[str, str] | None:
    """The first two values that are one written in two ways; None if there are none."""
    seen: dict[str, str] = {}
    for value in values:
        other = seen.setdefault(meaning(value), value)
        if other != value:
            return other, value
    return None


@dataclass
class Spellings:
    """Which values are one, in the columns of the files of one command.

    Attributes:
        same: True: values that are one written in two ways are read as one, as the way that is more frequent in the
            first file; False: as different ones; None: they are refused.
    """

    same: bool | None = None
    _shelves: dict[str, dict[str, tuple[str, str]]] = field(
        default_factory=dict
    )  # by column: value and where by meaning

    def settle(self, name: str, columns: Sequence[str], counts: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
        """How values are to be shown that are not shown as written.

        Args:
            name: of the file.
            columns: that share their values.
            counts: by column, how often it has each value.

        Raises:
            InvalidInput: naming both ways, and what can be done.
        """
        shelf = next((self._shelves[column] for column in columns if column in self._shelves), {})
        self._shelves |= dict.fromkeys(columns, shelf)
        if self.same is False:
            return {}
        totals: dict[str, int] = {}
        where: dict[str, str] = {}
        for column in columns:
            for value, count in counts[column].items():
                totals[value] = totals.get(value, 0) + count
                where.setdefault(value, column)
        shown = {}
        for value in sorted(totals, key=lambda text: (-totals[text], text)):
            here = f"column {where[value]!r} of {name}"
            known, there = shelf.setdefault(meaning(value), (value, here))
            if known == value:
                continue
            if not self.same:
                raise InvalidInput(_refusal((known, there), (value, here)))
            shown[value] = known
        return shown

    def shown(self, column: str, value: str) -> str:
        """A value as it is shown."""
        known = self._shelves.get(column, {}).get(meaning(value))
        return known[0] if self.same and known is not None else value


def _refusal(first: tuple[str, str], second: tuple[str, str]) -> str:
    (value, there), (other, here) = first, second
    ways = f"{value!r} in {there} and {other!r} in {here}" if there != here else f"{value!r} and {other!r} in {here}"
    return (
        f"{ways} look like one value written in two ways; write it in one way, or add --same to read them as one, "
        "--different to keep them apart"
    )


def hint(first: Iterable[str], second: Iterable[str]) -> str:
    """What to say of values that have none in common and would have if they were written alike; else nothing."""
    ours = {meaning(value): value for value in first}
    shared = next(((ours[meaning(value)], value) for value in second if meaning(value) in ours), None)
    if shared is None:
        return ""
    return f"; {shared[0]!r} and {shared[1]!r} look like one value written in two ways, which --same reads as one"
