"""Tables of every format and make: what they hold, whatever they are called; the rest is refused with line and cure."""

import gzip
import io
import json
import os
import sys
import time
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from biasloop.errors import InvalidInput
from biasloop.predictions import Reading, counted, open_source
from biasloop.tables import content as contents

ROWS = "y,p,a\n1,1,x\n0,1,z\n0,0,z\n"
COUNTS = {("0", "0"): 1, ("0", "1"): 1, ("1", "1"): 1}


def counts(path, *names, **reading):
    found = counted(open_source(Path(path), reading=Reading(**reading)), names or ("y", "p"))
    rows = zip(*(found.columns[name] for name in names or ("y", "p")), strict=True)
    return dict(zip(rows, found.rows.tolist(), strict=True))


def refused(path, *names, **reading) -> str:
    with pytest.raises(InvalidInput) as error:
        counts(path, *names, **reading)
    assert "\n" not in str(error.value)
    return str(error.value)


def write(path: Path) -> Path:
    frame = pl.read_csv(ROWS.encode())
    kind = path.suffix
    if kind == ".gz":
        path.write_bytes(gzip.compress(ROWS.encode()))
    elif kind == ".parquet":
        frame.write_parquet(packed := io.BytesIO())
        path.write_bytes(packed.getvalue())
    elif kind == ".jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in frame.to_dicts()))
    elif kind == ".json":
        path.write_text(json.dumps(frame.to_dicts(), indent=1))
    else:
        path.write_text(ROWS.replace(",", "\t") if kind == ".tsv" else ROWS)
    return path


NAMES = ["p[1]", "p*", "p?", "~", "~root", "$HOME 'x' \"y\"", "-p", "a=1", "p\udcff", "{a,b}", "p%20q", "C:", "é"]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json", ".parquet", ".csv.gz"])
@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_name(tmp_path, monkeypatch, suffix, name):
    monkeypatch.chdir(tmp_path)
    for other in ("p1", "px", "pp", "a", "b", "p q"):
        (tmp_path / f"{other}{suffix}").write_bytes(b"y,p\nWRONG,WRONG\n")
    assert counts(write(Path(f"{name}{suffix}"))) == COUNTS
    Path("dir [v2]", "a=1", name).mkdir(parents=True)
    path = write(Path("dir [v2]", "a=1", name, f"{name}{suffix}"))
    assert counts(path) == COUNTS
    assert open_source(path).columns == ["y", "p", "a"]
    for scheme in ("http:", "s3:", "file:"):
        Path(scheme, "x").mkdir(parents=True, exist_ok=True)
        assert counts(write(Path(f"{scheme}//x/p{suffix}"))) == COUNTS


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.csv", "\n\n" + ROWS),
        ("p.csv", "\r\n\r\n" + ROWS.replace("\n", "\r\n")),
        ("p.csv", "sep=,\n" + ROWS),
        ("p.csv", "sep=;\r\n" + ROWS.replace(",", ";")),
        ("p.csv", b"\xef\xbb\xbfsep=;\n" + ROWS.replace(",", ";").encode()),
        ("p.csv", ROWS.replace(",", ";")),
        ("p.csv", '"y";"p";"a"\n' + ROWS.replace(",", ";").split("\n", 1)[1]),
        ("p.csv", ROWS.encode("utf-16")),
        ("p.csv", "\ufeff".encode("utf-16-be") + ROWS.encode("utf-16-be")),
        ("p.csv", ROWS.encode("utf-32")),
        ("p.csv", gzip.compress(ROWS.encode(), mtime=0)),
        ("p.csv", ROWS.rstrip("\n")),
        ("p.csv", ROWS.replace("\n", "\r\n", 2)),
        ("p.csv", ROWS.replace("x", '5" disk')),
        ("p.csv", ROWS.replace("x", 'he said "hi" there')),
        ("p.csv", ROWS.replace("x", '"a\r\nb\rc"')),
        ("p.csv", ROWS.replace("y,p,a", " y , p,a")),
        ("p.CSV", ROWS),
        ("p.ndjson", '{"y": 1, "p": 1}\n\n{"p": 1.0, "y": 0}\n{"y": 0, "p": -0.0, "late": [1]}'),
        ("p.json", '[{"y": 1, "p": 1}, {"y": "0", "p": 1.0},\n {"p": 0e5, "y": 0}]'),
        ("p.json", '{"y": 1, "p": 1}\n{"y": 0, "p": 1}\n{"y": 0, "p": 0}\n'),
        ("p.jsonl", '{"y": 1, "p": 1}\n{"y": 0, "p": 1}\n{"y": 0, "p": 0}\n'.encode("utf-16")),
        ("p.tsv", 'y\tp\ttext\n1\t1\t"I like it\n0\t1\tbad\n0\t0\tfine"'),
        ("p.tsv", ROWS.replace(",", "\t").replace("x", '"')),
    ],
)
def test_what_is_certain_is_read(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert counts(path) == COUNTS


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("p.csv", "y,p,t\n1,1,x\n0,1,\"q\"x\n", "line 3: not valid CSV (text after the quotes"),
        ("p.csv", "y,p,t\n1,1,\"x\n0,1,y\n", "line 3: not valid CSV (quotes that are never closed, in the row"),
        ("p.csv", "y,p,t\n1,1,\"a\nb\"\n0,1\n", "line 4: 2 values in 3 columns"),
        ("p.csv", "y,p,t\n1,1,5\" a\n0,1\n", "line 3: 2 values in 3 columns"),
        ("p.csv", "y,p,t\n1,1\n0,1,2,3\n", "line 2: 2 values in 3 columns"),
        ("p.csv", "y,p\n1,1\n0,1\0\n", "line 3: a NUL byte"),
        ("p.csv", "y,p\r1,1\r0,1\r", "line 1: a carriage return alone ends a line; convert the file first: tr"),
        ("p.csv", "y,p\n1,1\r0,1\n", "line 2: a carriage return alone"),
        ("p.csv", ROWS.encode("utf-16-le"), "NUL byte, which no text has; if this is UTF-16"),
        ("p.csv", "y,p\n1,ä\n".encode("latin1"), "line 2: byte 3 (0xe4) is not UTF-8 text; convert"),
        ("p.csv", b"PK\x03\x04....", "save the sheet as CSV"),
        ("p.csv", "y\tp\n1\t1\n", "with tabs between cells a file is TSV"),
        ("p.csv", "", "has no rows"),
        ("p.csv", "\n\n", "has no rows"),
        ("p.csv", "y,p\n", "has no rows"),
        ("p.csv", "y,p\n\n\n", "has no rows"),
        ("p.csv", "y,p,p\n1,1,1\n", "2 columns 'p'"),
        ("p.csv.gz", gzip.compress(ROWS.encode(), mtime=0)[:-9], "is damaged or cut short"),
        ("p.csv.gz", ROWS, "is not packed by gzip"),
        ("p.tsv", "y\tp\n1\t1\n0\n", "line 3: 1 values in 2 columns"),
        ("p.tsv", '"y"\t"p"\n1\t1\n', "TSV has no quoting: write it without quotes"),
        ("p.jsonl", '{"y": 1, "p": {"q": 1}}\n', "an object, expected a number or text; name a value within it, as p"),
        ("p.jsonl", '{"y": 1, "p": 1}\n{"y": 1, "p": [1]}\n', "line 2: column 'p' holds a list"),
        ("p.jsonl", '{"y": 1, "p": 1, "y": 2}\n', "line 1: not valid JSON (the key 'y' twice"),
        ("p.jsonl", '{"y": 1, "p": 1}{"y": 1, "p": 1}\n', "line 1: not valid JSON (Extra data"),
        ("p.jsonl", '{"y": 1, "p": ' + "9" * 5000 + "}\n", "line 1: not valid JSON (a number of too many digits"),
        ("p.jsonl", '{"y": 1, "p": ' + "[" * 90_000 + "]" * 90_000 + "}\n", "line 1: not valid JSON (nested too deep"),
        ("p.jsonl", '{"y": 1, "p": "\\ud800"}\n', "line 1: column 'p' holds half of a surrogate pair"),
        ("p.jsonl", '{"y": 1}\n{"y": 1}\n', "no column 'p' (there are y)"),
        ("p.jsonl", '{"y": 1, "p": 1}\n{"y": 1}\n', "line 2: no value in column 'p'"),
        ("p.json", '[{"y": 1, "p": 1}, 3]', "record 2 is no JSON object"),
        ("p.json", '[{"y": 1, "p": 1}, {"y": 1}]', "record 2: no value in column 'p'"),
        ("p.json", '[{"y": 1, "p": 1}', "line 1: not valid JSON"),
        ("p.json", "[]", "has no rows"),
        ("p.xlsx", "", "save the sheet as CSV"),
        ("p.csv.zst", "", "unpack it first"),
        ("p.txt", ROWS, "--format"),
    ],
)  # fmt: skip
def test_what_is_not_is_refused_with_its_line_and_a_cure(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert words in refused(path)


def test_a_format_can_be_said_of_a_name_that_tells_none(tmp_path):
    (tmp_path / "p.txt").write_text(ROWS.replace(",", "\t"))
    assert counts(tmp_path / "p.txt", format="tsv") == COUNTS
    assert "--format xls: expected one of csv" in refused(tmp_path / "p.txt", format="xls")


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_standard_input_is_read(tmp_path, monkeypatch, kind):
    data = write(tmp_path / f"p.{kind}").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert counts("-", format=kind) == COUNTS


def test_pipes_and_folders_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "p.csv")
    assert "is a pipe" in refused(tmp_path / "p.csv")
    os.mkfifo(tmp_path / "p.parquet")
    assert "is a pipe" in refused(tmp_path / "p.parquet")


def test_what_unpacks_to_more_than_memory_has_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(contents, "MOST_IN_MEMORY", 2**20)
    (tmp_path / "p.csv.gz").write_bytes(gzip.compress(b"y,p\n" + b"1,1\n" * 2**20))
    assert "holds more than 1 MiB once it is unpacked; unpack it first: gunzip -k" in refused(tmp_path / "p.csv.gz")


def test_values_within_objects_are_named_by_a_path_and_a_key_with_a_dot_wins(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text('{"meta": {"group": "f", "b": {"c": 1}}}\n{"meta": {"b": {"c": 2.0}, "group": "m"}}\n')
    assert counts(path, "meta.group", "meta.b.c") == {("f", "1"): 1, ("m", "2"): 1}
    pl.DataFrame({"meta": [{"group": "f"}, {"group": "m"}]}).write_parquet(tmp_path / "p.parquet")
    assert counts(tmp_path / "p.parquet", "meta.group") == {("f",): 1, ("m",): 1}
    path.write_text('{"meta": {"group": "f"}, "meta.group": "x"}\n')
    assert counts(path, "meta.group") == {("x",): 1}


def test_columns_of_json_are_those_of_all_rows(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text('{"y": 1, "p": 1}\n{"p": 1, "y": 0, "a": "x"}\n')
    assert "line 1: no value in column 'a'" in refused(path, "y", "p", "a")
    assert counts(path, "y", "p", "a", missing="skip") == {("0", "1", "x"): 1}
    assert open_source(path).columns == ["y", "p", "a"]


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (pl.Series(list(map(Decimal, ["1.00", "0.00", "0.50", "100.0", "-1"]))), ["-1", "0", "0.5", "1", "100"]),
        (pl.Series([-0.0, 1.0, 2.5]), ["0", "1", "2.5"]),
        (pl.Series([-0.0, 1.0], dtype=pl.Float32), ["0", "1"]),
    ],
)  # fmt: skip
def test_a_whole_number_has_no_decimal_point(tmp_path, values, shown):
    pl.DataFrame({"v": values}).write_parquet(tmp_path / "v.parquet")
    assert counted(open_source(tmp_path / "v.parquet"), ["v"]).values("v") == shown


@pytest.mark.parametrize("word", ["", " ", "nan", "NaN", "NA", "N/A", "null", "None", "<NA>", '""', " NA "])
def test_one_list_says_what_is_missing(tmp_path, word):
    (tmp_path / "p.csv").write_text(f"y,p\n1,1\n{word},1\n0,0\n1,1\n{word},0\n")
    assert "line 3: no value in column 'y' (2 rows have none); --missing skip" in refused(tmp_path / "p.csv")
    source = open_source(tmp_path / "p.csv", reading=Reading(missing="skip"))
    assert counted(source, ["y", "p"]).n == 3
    assert source.skipped == 2
    if word.strip(' "'):
        assert counts(tmp_path / "p.csv", missing="value", same=False)[word, "1"] == 1


def test_blank_lines_are_not_counted_as_rows_without_a_value(tmp_path):
    (tmp_path / "p.csv").write_text("y,p,a\n\n1,1,\n\n,,\n0,0,x\n\n")
    assert counts(tmp_path / "p.csv", missing="skip") == {("0", "0"): 1, ("1", "1"): 1}
    source = open_source(tmp_path / "p.csv", reading=Reading(missing="skip"))
    assert counted(source, ["a"]).n == 1
    assert source.skipped == 2
    assert "line 5: no value in column 'y'; --missing" in refused(tmp_path / "p.csv", "y")


def test_quotes_are_looked_at_in_little_time(tmp_path):
    row = '1,1,"a ""b"", c"\n'
    (tmp_path / "p.csv").write_text("y,p,t\n" + row * 100_000)
    start = time.process_time()
    assert counts(tmp_path / "p.csv") == {("1", "1"): 100_000}
    assert time.process_time() - start < 2
