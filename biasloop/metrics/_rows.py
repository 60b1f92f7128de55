"""Checks that metrics share: rows that correspond, and class ids that were declared."""

from __future__ import annotations

from biasloop.contract.data import Array
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np


def check_paired(**columns: Array) -> None:
    """Columns must be 1-d and of equal length.

    Raises:
        InvalidInput: naming the columns and their shapes.
    """
    shapes = {name: np.shape(values) for name, values in columns.items()}
    if any(len(shape) != 1 for shape in shapes.values()) or len(set(shapes.values())) > 1:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise InvalidInput(f"a metric needs one value a row in each column and equally many rows, not {listed}")


def check_classes(classes: int, **columns: Array) -> None:
    """Class ids must be whole numbers from 0 to `classes` - 1.

    Raises:
        InvalidInput: naming the column, the first bad row and its value.
    """
    if classes < 1:
        raise InvalidInput(f"the number of classes must be at least 1, not {classes}")
    for name, values in columns.items():
        if len(values) and values.dtype.kind not in "iub":
            raise InvalidInput(f"the {name} must be class ids (whole numbers), not {values.dtype}")
        bad = np.flatnonzero((values < 0) | (values >= classes))
        if len(bad):
            raise InvalidInput(
                f"the {name} of row {bad[0]} is {values[bad[0]]}; expected a class id from 0 to {classes - 1}"
            )
