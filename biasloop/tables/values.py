"""How the values of a column are written as text, whatever type the file gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biasloop.errors import InvalidInput

if TYPE_CHECKING:
    import polars as pl

_EXACT = 2.0**53  # beyond, not every whole number is a float


def as_text(column: pl.Expr, kind: pl.DataType, name: str, words: tuple[str, ...]) -> pl.Expr:
    """The values of a column as text, null where there is none: null, NaN, nothing but white space, one of `words`.

    A whole number has no decimal point, in a column of floats or decimals too, so that 1, 1.0 and 1.00 are one value,
    and -0.0 is 0; true and false in lower case.

    Raises:
        InvalidInput: if the values are not single ones.
    """
    import polars as pl

    if kind.is_nested() or kind in (pl.Binary, pl.Object, pl.Duration):
        raise InvalidInput(f"column {name!r} holds {kind}; expected a number or text in each row")
    if kind.is_float():
        integral = column.is_finite() & (column == column.floor()) & (column.abs() < _EXACT)
        number = pl.when(integral).then(column.cast(pl.Int64, strict=False).cast(pl.String))
        return number.when(column.is_not_nan()).then(column.cast(pl.String))
    if kind.is_decimal():
        digits = column.cast(pl.String)
        return pl.when(digits.str.contains(".", literal=True)).then(
            digits.str.strip_chars_end("0").str.strip_chars_end(".")
        ).otherwise(digits)  # fmt: skip
    text = column if kind == pl.String else column.cast(pl.String)
    if kind.is_integer() or kind == pl.Boolean:
        return text
    return pl.when(~text.str.strip_chars().is_in(["", *words])).then(text)
