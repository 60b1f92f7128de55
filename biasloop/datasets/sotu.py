"""Sentences of State of the Union addresses, which come with biasloop."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from biasloop.datasets.texts import SOTU


def sentences() -> Iterator[tuple[int, str]]:
    """Year and text of each, in the order of the file.

    Raises:
        DownloadError: if the file, which comes with biasloop, is damaged or missing.
    """
    assert SOTU.shipped is not None
    SOTU.require(Path())
    try:
        with gzip.open(SOTU.shipped, "rt", encoding="utf-8", newline="\n") as stream:
            for line in stream:
                year, _, sentence = line.partition("\t")
                yield int(year), sentence.strip()
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise SOTU.damaged(SOTU.shipped, f"it does not read ({error})") from error
