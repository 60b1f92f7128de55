"""Counts and shares as people write them: 50_000, 5e4, 50k, 1.5M, 20 %.

What is read, exactly: decimal digits, in which single underscores may stand between digits; a decimal point; an
exponent (e4, E-2); and at the end, of a count, k (thousand), M (million), B or G (billion) or T (trillion), of any
other number %. A comma is refused, since it parts thousands in some countries and decimals in others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from biasloop.bound import MOST
from biasloop.errors import InvalidInput

COUNTS = "50000, 50_000, 5e4, 50k, 1.5M, 2B or 1T"
NUMBERS = "0.2, 20% or 2e-1"

_DIGITS = "[0-9]+(?:_[0-9]+)*"
_WRITTEN = re.compile(rf"([+-]?)((?:{_DIGITS})?)(?:\.((?:{_DIGITS})?))?(?:[eE]([+-]?[0-9]{{1,3}}))? ?([%kKMBGT]?)")
_LONGEST = 100  # characters; of no number that means anything here
_TIMES = {"k": 10**3, "K": 10**3, "M": 10**6, "B": 10**9, "G": 10**9, "T": 10**12, "": 1}


@dataclass(frozen=True)
class Amount:
    """A number of samples, or a share of the samples of a round; exactly one of the two.

    Attributes:
        samples: >= 0.
        share: 0 to 1.
    """

    samples: int | None = None
    share: Fraction | None = None

    def beside(self, model: int) -> int:
        """How many they are where so many others come in beside them, to the nearest whole one.

        Raises:
            InvalidInput: all samples of a round are these, and others come in beside them.
        """
        if self.share is None:
            return self.samples or 0
        if self.share == 1 and model:
            raise InvalidInput(f"a share of 100 % leaves no room for {model:,} model-labelled samples; give less")
        return 0 if self.share == 1 else round(self.share * model / (1 - self.share))

    def of(self, per_round: int) -> int:
        """How many they are of a round of so many, to the nearest whole one."""
        return (self.samples or 0) if self.share is None else round(self.share * per_round)


def count(text: str, what: str) -> int:
    """A whole number >= 0.

    Args:
        text: as a person writes it.
        what: names it in messages.

    Raises:
        InvalidInput: it is none.

    Example:
        >>> [count(text, "start") for text in ("50000", "50_000", "5e4", "50k", "0.05M")]
        [50000, 50000, 50000, 50000, 50000]
    """
    value, unit = _read(text, what, f"a number of samples, such as {COUNTS}")
    if unit == "%":
        raise InvalidInput(f"{what} {text[:_LONGEST]}: expected a number of samples, not a share; write {COUNTS}")
    return _whole(value, text, what)


def number(text: str, what: str) -> float:
    """Any number; 20 % is 0.2.

    Args:
        text: as a person writes it.
        what: names it in messages.

    Raises:
        InvalidInput: it is none, or a multiple of a thousand in letters, which only counts have.

    Example:
        >>> [number(text, "delta") for text in ("0.2", "20%", "20 %", "2e-1", "-.2")]
        [0.2, 0.2, 0.2, 0.2, -0.2]
    """
    value, unit = _read(text, what, f"a number, such as {NUMBERS}")
    if unit not in ("", "%"):
        raise InvalidInput(f"{what} {text[:_LONGEST]}: {unit} stands after counts alone; write {NUMBERS}")
    try:
        return float(value / 100 if unit else value)
    except OverflowError as error:
        raise InvalidInput(f"{what} {text[:_LONGEST]}: expected a finite number, such as {NUMBERS}") from error


def amount(text: str, what: str) -> Amount:
    """A number of samples, or with % a share of a round's.

    Raises:
        InvalidInput: it is neither, or a share beyond 0 to 100 %.

    Example:
        >>> amount("20%", "human").of(5_000), amount("20%", "human").beside(4_000), amount("1k", "human").of(5_000)
        (1000, 1000, 1000)
    """
    value, unit = _read(text, what, f"a number of samples or a share of a round, such as {COUNTS}, or 20%")
    if unit != "%":
        return Amount(samples=_whole(value, text, what))
    if not 0 <= value <= 100:
        raise InvalidInput(f"{what} {text[:_LONGEST]}: expected a share from 0% to 100%")
    return Amount(share=value / 100)


def _whole(value: Fraction, text: str, what: str) -> int:
    if value.denominator != 1 or value < 0:
        raise InvalidInput(f"{what} {text[:_LONGEST]}: expected a whole number >= 0, such as {COUNTS}")
    if value > MOST:
        raise InvalidInput(f"{what} {text[:_LONGEST]}: must be at most {MOST:,}, which is more than anybody has")
    return value.numerator


def _read(text: str, what: str, expected: str) -> tuple[Fraction, str]:
    """The value, exactly and times its letter, and the letter or %."""
    stripped = text.strip()
    match = _WRITTEN.fullmatch(stripped) if len(stripped) <= _LONGEST else None
    if match is None or not (match[2] or match[3]):
        comma = "; write no comma" if "," in stripped else ""
        raise InvalidInput(f"{what} {text[:_LONGEST]}: expected {expected}{comma}")
    sign, digits, decimals, exponent, unit = match.groups(default="")
    written = f"{digits}.{decimals}".replace("_", "").rstrip(".") or "0"
    return Fraction(f"{sign}{written}e{exponent or 0}") * _TIMES.get(unit, 1), unit
