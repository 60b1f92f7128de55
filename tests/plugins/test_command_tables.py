"""The domain "command" reads its table by the rules of `evaluate`: no row is lost, none is made, names are names."""

import gzip
import json
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from support.commands import domain, settings

from biasloop.errors import InvalidInput

ROWS = "".join(f"{'ab'[n % 2]},{'fm'[n % 3 % 2]},{n}\n" for n in range(80))


def read(place, path, **changes):
    """The domain of a table with the columns y, g and x."""
    given = {"data": str(path), "id": None, "target": "y", "group": "g", "test": 20, **changes}
    made = domain(settings(place, **given))
    made.splits()
    return made


def classes(made) -> list[str]:
    return made.vocabularies()["classes"].strings()


def size(made) -> int:
    splits = made.splits()
    return len(splits.test) + len(splits.pool) + len(splits.holdout)


def refused(place, path, **changes) -> str:
    with pytest.raises(InvalidInput) as error:
        read(place, path, **changes)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["own[1].csv", "runs_*.csv", "own?.csv", "dir [v2]/own.csv", "~.csv", "g=1/p.csv"])
def test_the_file_named_is_the_file_read(tmp_path, name):
    for other in ("own1.csv", "runs_x.csv", "dir v/own.csv"):
        (tmp_path / other).parent.mkdir(exist_ok=True)
        (tmp_path / other).write_text("y,g,x\nWRONG_a,f,0\nWRONG_b,m,1\n")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("y,g,x\n" + ROWS.replace("\n", "\r\n"))
    for form in ("csv", "jsonl"):
        made = read(tmp_path, tmp_path / name, format=form)
        assert (classes(made), size(made)) == (["a", "b"], 80)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_tsv_has_no_quoting(tmp_path, form):
    rows = ["y\tg\tx", *(f"{'ab'[n % 2]}\tf\t{chr(34) * (n in (10, 39))}t{n}" for n in range(80))]
    (tmp_path / "t.tsv").write_text("\n".join(rows))
    assert size(read(tmp_path, tmp_path / "t.tsv", format=form)) == 80


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("x,g,y\n0,f\n1,m,a\n2,f,b\n", "line 2: 2 values in 3 columns"),
        ("x,g,y\n1,m,a\n2,f,b\n3,f,b,\n", "line 4: 4 values in 3 columns"),
        ('x,g,y\n1,m,a\n"2"x,f,b\n', "line 3: not valid CSV (text after the quotes"),
        ('x,g,y\n1,m,a\n2,f,"b\n', "line 3: not valid CSV (quotes that are never closed"),
        ("x,g,y\n1,m,a\n,,\n2,f,b\n", "line 3: not one value in this row; leave it out"),
        ("x,g,y\n1,m,a\n2,f,b\0\n", "line 3: a NUL byte"),
        ("x,g,y\r1,m,a\r2,f,b\r", "line 1: a carriage return alone"),
        ("x,g,y\n1,m,a\n2,,b\n3,NA,b\n", "has no value in row 2 of column 'g' (domain.group), and in 2 rows in all"),
        (
            "x,g,y\n1,m,Yes\n2,m,yes\n3,m,no\n",
            "has 'Yes' and 'yes' in column 'y', which look like one value written in two",
        ),
        ("x,g,y\n1,1,a\n2,1.0,b\n3,0,b\n", "has '1' and '1.0' in column 'g', which look like one value written in two"),
    ],
)
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_what_is_no_table_is_refused_with_its_line(tmp_path, content, words, form):
    (tmp_path / "t.csv").write_bytes(content.encode())
    assert words in refused(tmp_path, tmp_path / "t.csv", test=1, format=form)


def test_what_is_missing_is_missing_in_the_loop_as_in_evaluate(tmp_path):
    words = ["", "nan", "NaN", "NA", "N/A", "null", "None", " "]
    rows = [f"{word},f,{n}\n" for n, word in enumerate(words)]
    (tmp_path / "t.csv").write_text("y,g,x\n" + ROWS + "".join(rows))
    made = read(tmp_path, tmp_path / "t.csv")
    assert classes(made) == ["a", "b"]
    assert made.splits().unlabelled.tolist() == list(range(80, 88))
    # A word is a class where it is named as one.
    made = read(tmp_path, tmp_path / "t.csv", classes=["a", "b", "NA", "None"])
    assert made.splits().unlabelled.tolist() == [80, 81, 82, 84, 85, 87]
    assert made.human_labels(np.array([83, 86]))["target"].tolist() == [2, 3]


def test_classes_that_differ_in_case_can_be_named(tmp_path):
    (tmp_path / "t.csv").write_text("y,g,x\na,f,1\nA,f,2\nb,m,3\n")
    assert "domain.classes" in refused(tmp_path, tmp_path / "t.csv", test=1)
    assert classes(read(tmp_path, tmp_path / "t.csv", test=1, classes=["a", "A", "b"])) == ["a", "A", "b"]


@pytest.mark.parametrize("values", [["1.00", "0.00"], [1.0, -0.0], [1, 0]])
def test_a_whole_number_is_one_class_however_it_is_stored(tmp_path, values):
    column = pl.Series(values * 20) if not isinstance(values[0], str) else pl.Series([Decimal(v) for v in values * 20])
    pl.DataFrame({"y": column, "g": "f", "x": range(40)}).write_parquet(tmp_path / "t[1].parquet")
    assert classes(read(tmp_path, tmp_path / "t[1].parquet")) == ["0", "1"]


@pytest.mark.parametrize("name", ["t.csv.gz", "t.jsonl", "t.json", "t.jsonl.gz", "t.ndjson"])
def test_tables_of_other_makes_are_the_same_table(tmp_path, name):
    rows = [dict(zip("ygx", line.split(","), strict=True)) for line in ROWS.splitlines()]
    text = "y,g,x\n" + ROWS
    if ".json" in name or ".ndjson" in name:
        text = json.dumps(rows) if name == "t.json" else "".join(f"{json.dumps(row)}\n" for row in rows)
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    (tmp_path / "plain.csv").write_text("y,g,x\n" + ROWS)
    made, plain = (read(tmp_path, tmp_path / path) for path in (name, "plain.csv"))
    assert size(made) == 80
    for part in ("test", "pool"):
        assert getattr(made.splits(), part).tolist() == getattr(plain.splits(), part).tolist()


def test_features_of_json_keep_their_types_and_no_value_is_lost(tmp_path):
    rows = [{"y": "ab"[n % 2], "g": "f", "x": n if n % 2 else n + 0.5, "z": [n]} for n in range(40)]
    rows[30]["late"] = True
    (tmp_path / "t.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    features = read(tmp_path, tmp_path / "t.jsonl", format="jsonl")._table.features  # what programs get
    assert features["x"].to_list() == [row["x"] for row in rows]
    assert features["z"].to_list() == [row["z"] for row in rows]
    assert features["late"].to_list() == [row.get("late") for row in rows]


def test_stray_quotes_are_text(tmp_path):
    (tmp_path / "t.csv").write_text("y,g,x\n" + ROWS + 'a,f,5" disk\nb,m,he said "hi"\n')
    for form in ("csv", "jsonl"):
        made = read(tmp_path, tmp_path / "t.csv", format=form)
        assert size(made) == 82
        assert made._table.features["x"].to_list()[-2:] == ['5" disk', 'he said "hi"']  # as above
