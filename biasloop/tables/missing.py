"""What counts as no value: one list, for `evaluate` and for the tables that runs are made of."""

from __future__ import annotations

WORDS = ("nan", "NaN", "NAN", "NaT", "NA", "<NA>", "N/A", "#N/A", "n/a", "null", "NULL", "None")
"""Words that programs write where there is no value, in any column but that of texts; so is an empty cell."""

IN_TEXTS = ("nan", "NaN")
"""The same in columns of texts, where the others are words that somebody may have written."""


def is_missing(text: str, words: tuple[str, ...] = WORDS) -> bool:
    """Whether a cell holds nothing but white space, or one of the words."""
    bare = text.strip()
    return not bare or bare in words
