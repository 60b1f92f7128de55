"""Whether arrays, columns and frames are the same, and as they are read back from a store."""

from __future__ import annotations

from dataclasses import replace

from biasloop.contract.data import Array, Arrays, Column, Frame, Tables
from biasloop.lazy import numpy as np


def same_arrays(one: Arrays, other: Arrays) -> bool:
    """Whether names, types, shapes and bits are equal."""
    return one.keys() == other.keys() and all(_same(np.asarray(one[name]), np.asarray(other[name])) for name in one)


def _same(one: Array, other: Array) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def differing(one: Frame, other: Frame, tolerance: float = 0.0) -> str | None:
    """The first column in which frames differ; None for none.

    Args:
        one: a frame.
        other: with which it is compared, row for row.
        tolerance: of numbers that are no whole ones, relative to 1 or to the number.
    """
    if one.columns.keys() != other.columns.keys():
        return f"columns {sorted(one.columns)} and {sorted(other.columns)}"
    return next((name for name in one.columns if not alike(one.columns[name], other.columns[name], tolerance)), None)


def alike(one: Column, other: Column, tolerance: float) -> bool:
    """Whether columns are equal, apart from rounding."""
    if (one.role, one.vocabulary, one.offsets is None) != (other.role, other.vocabulary, other.offsets is None):
        return False
    if one.offsets is not None and not np.array_equal(one.offsets, np.asarray(other.offsets)):
        return False
    first, second = np.asarray(one.values), np.asarray(other.values)
    if first.dtype != second.dtype or first.shape != second.shape:
        return False
    if first.dtype.kind != "f" or not tolerance:
        return bool(np.array_equal(first, second, equal_nan=first.dtype.kind == "f"))
    return bool(np.allclose(first, second, rtol=tolerance, atol=tolerance, equal_nan=True))


def stored(tables: Tables) -> Tables:
    """Tables as they are read back: columns by name, each an array of its own."""
    return {name: stored_frame(table) for name, table in sorted(tables.items())}


def stored_frame(frame: Frame) -> Frame:
    """A frame as it is read back."""
    return Frame({
        name: replace(column, values=np.array(column.values)) for name, column in sorted(frame.columns.items())
    })  # fmt: skip
