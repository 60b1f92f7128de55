"""Parquet with bytes changed: read or refused in a sentence, without a hang and without much memory."""

import random
import resource
from pathlib import Path

import polars as pl
import pytest

from biasloop.errors import InvalidInput
from biasloop.predictions import Reading, counted, open_source
from biasloop.tables import Format, open_table
from biasloop.tables.typed import typed

MOST = 2**20  # kB, beyond what the process had before


def fuzzed(place: Path, tries: int) -> int:
    """How many were read."""
    rng = random.Random("parquet tables")
    frame = pl.DataFrame({"y": [0, 1, 2] * 40, "a": ["f", "m", "é"] * 40, "c": [0.5, 0.25, None] * 40})
    frame.write_parquet(place / "t.parquet", compression="uncompressed")
    data = (place / "t.parquet").read_bytes()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read = 0
    for _ in range(tries):
        changed = bytearray(data)
        for _ in range(rng.choice([1, 1, 1, 4])):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        if rng.random() < 0.1:
            changed = changed[: rng.randrange(len(changed))]
        (place / "t.parquet").write_bytes(changed)
        try:
            counted(open_source(place / "t.parquet", reading=Reading(False, "skip")), ["y", "a"])
            typed(open_table(place / "t.parquet", Format("parquet")), None)
            read += 1
        except InvalidInput as error:
            assert "\n" not in str(error)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST
    return read


def test_damaged_parquet_is_read_or_refused(tmp_path):
    assert 0 < fuzzed(tmp_path, 60) < 60


@pytest.mark.slow
def test_much_damaged_parquet_is_read_or_refused(tmp_path):
    assert 0 < fuzzed(tmp_path, 2000) < 2000
