"""Rows in batches: confidences, groups and labels of every format, and rows named over batches."""

import numpy as np
import polars as pl
import pytest

from biasloop.errors import InvalidInput
from biasloop.evaluations.binning import NO_BINS
from biasloop.evaluations.scoring import flags, scored
from biasloop.predictions import counting, open_source


def write(path, frame):
    {
        ".csv": frame.write_csv,
        ".tsv": lambda where: frame.write_csv(where, separator="\t"),
        ".jsonl": frame.write_ndjson,
        ".parquet": frame.write_parquet,
    }[path.suffix](path)
    return open_source(path)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_every_format_gives_the_same_rows(tmp_path, suffix, monkeypatch):
    monkeypatch.setattr(counting, "BATCH", 10)
    rng = np.random.default_rng(0)
    a, b, y, p = (rng.choice(list(letters), 95).tolist() for letters in ("fm", "xyz", "01", "01"))
    c = rng.random(95).round(3).tolist()
    source = write(tmp_path / f"p{suffix}", pl.DataFrame({"a": a, "b": b, "y": y, "p": p, "c": c}))
    batches = list(scored(source, ("y", "p", "c"), ["a", "b"], NO_BINS.of))
    assert np.concatenate([batch.confidence for batch in batches]).tolist() == c
    assert [batch.keys[g] for batch in batches for g in batch.groups] == list(zip(a, b, strict=True))
    assert np.concatenate([batch.correct for batch in batches]).tolist() == [t == g for t, g in zip(y, p, strict=True)]
    batches = list(scored(source, ("y", "p", "c"), [], NO_BINS.of, "1"))
    expected = [sure if guess == "1" else 1 - sure for guess, sure in zip(p, c, strict=True)]
    assert np.concatenate([batch.confidence for batch in batches]).tolist() == expected
    assert all(batch.keys == [()] for batch in batches)


def test_rows_are_named_over_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(counting, "BATCH", 10)
    frame = pl.DataFrame({"y": ["a"] * 95, "c": [0.5] * 93 + [1.5, 0.5]})
    for suffix in (".csv", ".parquet"):
        with pytest.raises(InvalidInput, match=r"row 94: c is 1.5"):
            list(scored(write(tmp_path / f"p{suffix}", frame), ("y", "y", "c"), [], NO_BINS.of))


def test_flags_are_0_and_1_however_they_are_written(tmp_path):
    path = tmp_path / "p.parquet"
    source = write(path, pl.DataFrame({"a": ["f", "m"], "x": [True, False], "y": [0.0, 1.0]}))
    ((keys, groups, held),) = flags(source, ["a"], ["x", "y"], NO_BINS.of)
    assert [keys[group] for group in groups] == [("f",), ("m",)]
    assert held.tolist() == [[1, 0], [0, 1]]
    source = write(path, pl.DataFrame({"a": ["f", "m"], "x": [0, 2]}))
    with pytest.raises(InvalidInput, match="row 2: x is '2'; expected 0 or 1"):
        list(flags(source, ["a"], ["x"], NO_BINS.of))
