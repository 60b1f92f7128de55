"""Which half of the 20th century a sentence is from: the data that come with biasloop."""

from __future__ import annotations

from biasloop.contract.data import Column
from biasloop.datasets.sotu import sentences
from biasloop.lazy import numpy as np
from biasloop_textclass.texts import LabelledTexts

NAME = "sotu-halves"
CLASSES = ("early", "late")
FIRST, MIDDLE, LAST = 1901, 1951, 2000
"""The first year of the early half, the first of the late one, its last. So 11,968 sentences are early, 12,322 late."""


def read() -> LabelledTexts:
    """Sentences of State of the Union addresses of 1901 to 2000, in the order of the years.

    Raises:
        DownloadError: if the file, which comes with biasloop, is damaged or missing.
    """
    rows = [(year, text) for year, text in sentences() if FIRST <= year <= LAST]
    years = np.array([year for year, _ in rows], np.int64)
    return LabelledTexts(Column.text([text for _, text in rows]), None, (years >= MIDDLE).astype(np.int64), CLASSES)
