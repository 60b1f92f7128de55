"""Predictions read from every format: the same counts, values as text, and bad rows named."""

import datetime
import random
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.errors import InvalidInput
from biasloop.predictions import Reading, counted, open_source, read_columns


def counts(path, *names, **reading):
    found = counted(open_source(Path(path), reading=Reading(**reading)), names)
    rows = zip(*(found.columns[name] for name in names), strict=True)
    return dict(zip(rows, found.rows.tolist(), strict=True))


ROWS = [("f", 1, 0.5), ("m", 0, 1.0), ("f", 1, 0.25), ("f", 0, 0.5), ("é, ü", 1, 0.5)] * 3


def write(path: Path, rows=ROWS):
    frame = pl.DataFrame(rows, schema=["a", "y", "c"], orient="row")
    match path.suffix:
        case ".csv":
            frame.write_csv(path)
        case ".tsv":
            frame.write_csv(path, separator="\t")
        case ".jsonl":
            frame.write_ndjson(path)
        case ".parquet":
            frame.write_parquet(path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_every_format_counts_the_same(tmp_path, suffix):
    path = write(tmp_path / f"p[1]{suffix}")
    assert counts(path, "a", "y") == Counter((a, str(y)) for a, y, _ in ROWS)


text = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), min_size=1).filter(
    lambda value: value not in ("nan", "NaN") and value == value.strip()
)


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(st.tuples(text, text), min_size=1, max_size=20))
def test_any_text_comes_back_whatever_is_in_it(tmp_path_factory, rows):
    place = tmp_path_factory.mktemp("text")
    for suffix in (".csv", ".jsonl", ".parquet"):
        frame = pl.DataFrame(rows, schema=["x", "y"], orient="row")
        path = place / f"t{suffix}"
        {".csv": lambda f, p: f.write_csv(p, quote_style="always"), ".jsonl": pl.DataFrame.write_ndjson,
         ".parquet": pl.DataFrame.write_parquet}[suffix](frame, path)  # fmt: skip
        assert counts(path, "x", "y", same=False, missing="value") == Counter(rows)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (pl.Series([1, 2]), ["1", "2"]),
        (pl.Series([1.0, 2.0]), ["1", "2"]),
        (pl.Series([-0.0, 0.5], dtype=pl.Float32), ["0", "0.5"]),
        (pl.Series([1e300, -3.0]), ["-3", "1e+300"]),
        (pl.Series([True, False]), ["false", "true"]),
        (pl.Series(["b", "a"], dtype=pl.Categorical), ["a", "b"]),
        (pl.Series([255, 0], dtype=pl.UInt8), ["0", "255"]),
        (pl.Series([datetime.date(2020, 1, 2)] * 2), ["2020-01-02"]),
    ],
)
def test_values_of_parquet_are_compared_as_text(tmp_path, values, shown):
    pl.DataFrame({"v": values}).write_parquet(tmp_path / "v.parquet")
    assert counted(open_source(tmp_path / "v.parquet"), ["v"]).values("v") == shown


def test_json_numbers_are_numbers_and_csv_is_as_written(tmp_path):
    (tmp_path / "v.jsonl").write_text('{"v": 1}\n{"v": 1.0}\n{"v": true}\n\n{"v": "x"}\n')
    assert counts(tmp_path / "v.jsonl", "v") == {("1",): 2, ("true",): 1, ("x",): 1}
    (tmp_path / "v.csv").write_text("v\n1\n1.0\n")
    assert counts(tmp_path / "v.csv", "v", same=False) == {("1",): 1, ("1.0",): 1}


def test_a_mark_at_the_start_and_blank_lines_are_nothing(tmp_path):
    (tmp_path / "v.csv").write_bytes(b'\xef\xbb\xbf"v",w\r\na,1\r\n\r\n"b\nc",2\r\n\r\n')
    assert counts(tmp_path / "v.csv", "v") == {("a",): 1, ("b\nc",): 1}
    assert read_columns(tmp_path / "v.csv", ["v"])["v"].tolist() == ["a", "b\nc"]
    (tmp_path / "v.jsonl").write_bytes(b'\xef\xbb\xbf{"v": "a"}\n\n{"v": "b"}\n')
    assert counts(tmp_path / "v.jsonl", "v") == {("a",): 1, ("b",): 1}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("p.csv", "v,w\na,1\nb,2,3\n", "line 3: 3 values in 2 columns"),
        ("p.csv", "v,w\na,1\nb\n", "line 3: 1 values in 2 columns"),
        ("p.csv", "v,w,x\n1,a,\n2,b\n", "line 3: 2 values in 3 columns"),
        ("p.csv", "v,v\na,1\n", "2 columns 'v'"),
        ("p.csv", "v\na\nNaN\n", "line 3: no value in column 'v'"),
        ("p.csv", "v,w\n,1\n\n", "line 2: no value in column 'v'"),
        ("p.csv", "w\na\n", "no column 'v' (there are w)"),
        ("p.csv", b"v\n\xff\xfe\n", "not UTF-8"),
        ("p.csv", b"", "no rows"),
        ("p.csv", "v\n", "no rows"),
        ("p.jsonl", '{"v": 1}\n{"v": nope}\n', "line 2: not valid JSON"),
        ("p.jsonl", '{"v": 1}\n{"w": 1}\n', "line 2: no value in column 'v'"),
        ("p.jsonl", '{"v": 1}\n{"v": NaN}\n', "line 2: no value in column 'v'"),
        ("p.jsonl", "", "no rows"),
        ("p.parquet", b"nonsense", "p.parquet"),
    ],
)
def test_bad_files_are_refused_with_the_place(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for read in (lambda: counts(path, "v"), lambda: read_columns(path, ["v"])):
        with pytest.raises(InvalidInput) as refused:
            read()
        assert words in str(refused.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (pl.Series(["a", None, "b"]), "row 2: no value in column 'v'"),
        (pl.Series([1.0, 2.0, float("nan")]), "row 3: no value in column 'v'"),
        (pl.Series(["a", "", "b"]), "row 2: no value"),
        (pl.Series([[1], [2], [3]]), "column 'v' holds List"),
    ],
)
def test_bad_parquet_is_refused_with_the_row(tmp_path, values, words):
    pl.DataFrame({"v": values}).write_parquet(tmp_path / "v.parquet")
    with pytest.raises(InvalidInput) as refused:
        counts(tmp_path / "v.parquet", "v")
    assert words in str(refused.value)


def test_an_empty_parquet_has_no_rows(tmp_path):
    pl.DataFrame({"v": []}, schema={"v": pl.String}).write_parquet(tmp_path / "v.parquet")
    for read in (lambda: counts(tmp_path / "v.parquet", "v"), lambda: read_columns(tmp_path / "v.parquet", ["v"])):
        with pytest.raises(InvalidInput, match="no rows"):
            read()


def test_too_many_values_are_refused_before_they_take_the_memory(tmp_path):
    pl.DataFrame({"v": range(10_000)}).write_parquet(tmp_path / "p.parquet")
    found = counted(open_source(tmp_path / "p.parquet"), ["v"])
    with pytest.raises(InvalidInput, match="too many to count"):
        found.table(("v", found.values("v")), ("v", found.values("v")))


def test_tables_leave_out_other_values(tmp_path):
    rows = [(random.choice("ab"), random.choice("xyz")) for _ in range(50)]
    pl.DataFrame(rows, schema=["v", "w"], orient="row").write_parquet(tmp_path / "p.parquet")
    found = counted(open_source(tmp_path / "p.parquet"), ["v", "w"])
    table = found.table(("v", ["a", "b"]), ("w", ["z", "x"]))
    assert table.tolist() == [[rows.count((v, w)) for w in "zx"] for v in "ab"]
    assert found.n == 50


def test_a_stored_run_is_a_table_with_names_for_ids(tiny_run):
    source = open_source(tiny_run)
    assert {"target", "prediction", "confidence"} <= set(source.columns)
    found = counted(source, ["target", "prediction"])
    assert not any(value.isdecimal() for value in found.values("target"))
    same = counted(open_source(tiny_run, number=0), ["target"])
    of_file = counted(open_source(tiny_run / "round-0000.h5"), ["target"])
    assert same.columns == of_file.columns
    assert same.rows.tolist() == of_file.rows.tolist()
    with pytest.raises(InvalidInput, match="no round 99"):
        open_source(tiny_run, number=99)
    with pytest.raises(InvalidInput, match="--table is one of test"):
        open_source(tiny_run, table="nope")
    with pytest.raises(InvalidInput, match="no column 'colour' .there are .*prediction"):
        counted(source, ["colour"])
    with pytest.raises(InvalidInput, match="round-NNNN"):
        open_source(tiny_run / "setup.h5")


def test_what_goes_with_runs_alone_is_refused_elsewhere(tmp_path):
    path = write(tmp_path / "p.csv")
    with pytest.raises(InvalidInput, match="leave out --round"):
        open_source(path, number=1)
    with pytest.raises(InvalidInput, match="leave out --table"):
        open_source(path, table="test")
