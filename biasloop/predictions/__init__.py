"""Somebody's predictions: columns of a file or of a stored run, read in a stream, counted, and refused where bad.

Values are compared as text. Whole numbers print without a decimal point, in a column of floats too (1.0 is "1"), true
and false in lower case; CSV and TSV are compared as they are written, JSON numbers as numbers. One value that is
written in two ways is refused, or read as one.
"""

from biasloop.predictions.counting import (
    Counts,
    counted,
    read_columns,
    require_common,
    texts,
)
from biasloop.predictions.source import FORMATS, Reading, Source, open_source

__all__ = [
    "FORMATS", "Counts", "Reading", "Source", "counted", "open_source", "read_columns", "require_common",
    "texts",
]  # fmt: skip
