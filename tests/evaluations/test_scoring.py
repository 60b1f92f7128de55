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


def test_groups_of_a_batch_are_named_and_may_be_merged(tmp_path):
    frame = pl.DataFrame({"a": [1, 2, 1, 3], "y": ["x"] * 4, "c": [0.5, 0.6, 0.7, 0.8]})
    merged = lambda attribute, values: ["low" if value in ("1", "2") else "high" for value in values]  # noqa: E731
    (batch,) = scored(write(tmp_path / "p.csv", frame), ("y", "y", "c"), ["a"], merged)
    assert [batch.keys[group] for group in batch.groups] == [("low",), ("low",), ("low",), ("high",)]
    assert sorted(batch.keys) == [("high",), ("low",)]
    assert batch.correct.tolist() == [True] * 4


def test_what_rounding_leaves_beyond_the_ends_is_the_end(tmp_path):
    frame = pl.DataFrame({"y": ["a", "b", "b"], "p": ["a", "a", "b"], "c": [1.0000005, -5e-7, 0.5]})
    (batch,) = scored(write(tmp_path / "p.csv", frame), ("y", "p", "c"), [], NO_BINS.of)
    assert batch.confidence.tolist() == [1, 0, 0.5]
    assert batch.correct.tolist() == [True, False, True]
    assert batch.table.columns == ["c0", "c1", "given"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("1.00001", "row 2: c is 1.00001; expected a number from 0 to 1"),
        ("-0.1", "row 2: c is -0.1; expected a number from 0 to 1"),
        ("many", "row 2: c is 'many', not a number from 0 to 1"),
        ("inf", "row 2: c is inf; expected a number from 0 to 1"),
    ],
)
def test_what_is_no_confidence_is_refused(tmp_path, value, message):
    frame = pl.DataFrame({"y": ["a", "b"], "c": ["0.5", value]})
    with pytest.raises(InvalidInput, match=message):
        list(scored(write(tmp_path / "p.csv", frame), ("y", "y", "c"), [], NO_BINS.of))
