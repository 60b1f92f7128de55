"""How the values of a column are written as text, whatever type the file gives them."""

from typing import TYPE_CHECKING

from biasloop.errors import InvalidInput
from biasloop.predictions.text_files import MISSING

if TYPE_CHECKING:
    import polars as pl

_WHOLE = 2.0**53  # beyond, not every whole number is a float


def as_text(column: "pl.Expr", kind: "pl.DataType", name: str) -> "pl.Expr":
    """The values of a column as text, null where there is none (null, NaN or an empty text).

    Whole numbers are written without a decimal point in a column of floats too, so that 1.0 and 1 are one value; true
    and false in lower case.

    Raises:
        InvalidInput: if the values are not single ones.
    """
    import polars as pl

    if kind.is_nested() or kind in (pl.Binary, pl.Object):
        raise InvalidInput(f"column {name!r} holds {kind}; expected a number or text in each row")
    if kind.is_float():
        whole = column.is_finite() & (column == column.floor()) & (column.abs() < _WHOLE)
        number = pl.when(whole).then(column.cast(pl.Int64, strict=False).cast(pl.String))
        return number.when(column.is_not_nan()).then(column.cast(pl.String))
    text = column if kind == pl.String else column.cast(pl.String)
    return text if kind.is_integer() or kind == pl.Boolean else pl.when(~text.is_in(MISSING)).then(text)
