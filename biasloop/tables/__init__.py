"""Tables in files: one reader of CSV, TSV, JSON and Parquet, for `evaluate` and for the data that runs are made of."""

from biasloop.tables.errors import BadTable
from biasloop.tables.formats import ENDINGS, Format, format_of, require_format
from biasloop.tables.missing import is_missing
from biasloop.tables.reading import Table, open_table
from biasloop.tables.spellings import Spellings, two_ways

__all__ = [
    "ENDINGS", "BadTable", "Format", "Spellings", "Table", "format_of", "is_missing", "open_table", "require_format",
    "two_ways",
]  # fmt: skip
