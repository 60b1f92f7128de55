"""Numbers as people read them in tables: measured values, shares, times, sizes and counts."""

import math
from collections.abc import Sequence

MISSING = "–"


def number(value: float, digits: int = 4) -> str:
    """A number with that many significant digits, and all of a whole part; an en dash for NaN."""
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    exponent = _exponent(value, digits)
    if exponent < -4 or exponent >= 15:
        return f"{value:.{digits - 1}e}"
    return _plain(value, digits - 1 - exponent)


def column(values: Sequence[float], digits: int = 4) -> list[str]:
    """Numbers below each other, all with the same decimals: as many as the largest needs for that many digits.

    More, up to six, where the smallest would not have two digits; where that does not do each number is by itself.

    Example:
        >>> column([12.5, 0.25, float("nan")])
        ['12.50', '0.25', '–']
        >>> column([0.46, 0.0125])
        ['0.4600', '0.0125']
    """
    exponents = [_exponent(value, digits) for value in values if math.isfinite(value) and value]
    if not exponents:
        return [number(value, digits) for value in values]
    decimals = max(digits - 1 - max(exponents), 1 - min(exponents), 0)
    if all(float(value).is_integer() for value in values if math.isfinite(value)) and max(exponents) < 15:
        decimals = 0
    if decimals > 6 or max(exponents) >= 15:
        return [number(value, digits) for value in values]
    return [_plain(value, decimals) if math.isfinite(value) else number(value) for value in values]


def measured(value: float, error: float, digits: int = 2) -> str:
    """A value and its standard error, both to the decimals of the error's leading digits: 0.182 ± 0.017.

    Without an error (NaN, as for a single seed) the value alone.
    """
    if math.isnan(value) or not math.isfinite(error) or error <= 0:
        return number(value)
    decimals = digits - 1 - _exponent(error, digits)
    if decimals > 12:
        return f"{number(value)} ± {number(error, digits)}"
    return f"{_plain(value, decimals)} ± {_plain(error, decimals)}"


def interval(low: float, high: float, digits: int = 3) -> str:
    """An interval, both ends with the same decimals: [0.148, 0.216]; an en dash if an end is missing."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return MISSING
    largest = max(abs(low), abs(high), high - low)
    decimals = digits - 1 - _exponent(largest, digits) if largest else 0
    if decimals > 12:
        return f"[{number(low, digits)}, {number(high, digits)}]"
    return f"[{_plain(low, decimals)}, {_plain(high, decimals)}]"


def percent(share: float, decimals: int = 1) -> str:
    """A share as percent: 0.182 is 18.2 %; an en dash for NaN."""
    return MISSING if math.isnan(share) else f"{_plain(100 * share, decimals)} %"


def quality(name: str, value: float) -> str:
    """A model's quality: accuracy as percent, anything else (perplexity) as a number."""
    return percent(value) if name == "accuracy" else number(value)


def count(n: int) -> str:
    """A whole number with its thousands apart: 50,000."""
    return f"{n:,}"


def counted(n: int, noun: str, plural: str = "") -> str:
    """A count with its noun: 1 round, 3 rounds; `plural` where it is not noun + s."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """A time span in its two largest units: 12 ms, 3.2 s, 1 min 20 s, 2 h 5 min, 3 d 4 h."""
    if not math.isfinite(seconds):
        return MISSING
    if seconds < 0:
        return "-" + duration(-seconds)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    rounded = round(seconds)
    if rounded < 60:
        return f"{rounded} s"
    if rounded < 3600:
        return _two(rounded // 60, "min", rounded % 60, "s")
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return _two(minutes // 60, "h", minutes % 60, "min")
    hours = round(seconds / 3600)
    return _two(hours // 24, "d", hours % 24, "h")


def size(n: int) -> str:
    """A number of bytes in decimal units: 512 B, 56.1 MB, 3.1 GB."""
    if n < 1000:
        return f"{n} B"
    value = float(n)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1000:,.1f} PB"


def _exponent(value: float, digits: int) -> int:
    """The power of ten of the leading digit once rounded to that many digits (9.996 to three is 1.00e1)."""
    return int(f"{value:.{digits - 1}e}".split("e")[1])


def _plain(value: float, decimals: int) -> str:
    text = f"{value:,.{max(decimals, 0)}f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text  # no minus before a zero


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large} {large_unit} {small} {small_unit}" if small else f"{large} {large_unit}"
