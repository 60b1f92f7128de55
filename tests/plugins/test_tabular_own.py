"""A person's own table: formats, what columns are taken for, and what is refused."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError
from support import tabular

from biasloop.contract.domains import Demands
from biasloop.errors import InvalidInput
from biasloop_tabular import own_table
from biasloop_tabular.config import Config
from biasloop_tabular.rows import Categorical, Numeric

ROWS = [
    {"age": 30, "pay": 1.5, "zip": 1010, "job": " cook", "ok": "1", "sex": "f"},
    {"age": 40, "pay": None, "zip": 2020, "job": None, "ok": "0", "sex": "m"},
    {"age": 50, "pay": -2.0, "zip": 1010, "job": "guard", "ok": None, "sex": "f"},
    {"age": 60, "pay": 0.25, "zip": 3030, "job": "cook", "ok": "1", "sex": "m"},
]
COLUMNS = {"outcome": "ok", "sensitive": "sex", "categorical": "zip"}


def put(path, rows=ROWS):
    frame = pl.DataFrame(rows)
    if path.suffix == ".csv":
        frame.write_csv(path)
    elif path.suffix == ".tsv":
        frame.write_csv(path, separator="\t", quote_style="never")
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        frame.with_columns(pl.col("ok").cast(pl.Int32), pl.col("age").cast(pl.Int8)).write_parquet(path)
    return path


def read(path, notes=None, **columns):
    config = Config.model_validate({"data": "file", "path": str(path), **columns})
    return own_table.read(Path(path), config, (notes if notes is not None else []).append)


def text(folder, content, **columns):
    (folder / "own.csv").write_text(content)
    return read(folder / "own.csv", **{"outcome": "ok", **columns})


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_every_format_reads_as_the_same_rows(tmp_path, ending):
    rows = read(put(tmp_path / f"own.{ending}"), **COLUMNS)
    age, pay, code, job = rows.features
    assert (age.name, age.values.tolist()) == ("age", [30, 40, 50, 60])
    assert np.array_equal(pay.values, [1.5, np.nan, -2.0, 0.25], equal_nan=True)
    assert (code.words, code.values.tolist()) == (("1010", "2020", "3030"), [0, 1, 0, 2])
    assert (job.words, job.values.tolist()) == (("cook", "guard"), [0, -1, 1, 0])
    assert (rows.classes, rows.labels.tolist()) == (("0", "1"), [1, 0, -1, 1])
    assert (rows.groups["sex"].words, rows.groups["sex"].values.tolist()) == (("f", "m"), [0, 1, 0, 1])
    assert rows.fingerprint == read(put(tmp_path / "again.csv"), **COLUMNS).fingerprint


def test_columns_are_features_unless_they_are_named(tmp_path):
    def features(**more):
        return [feature.name for feature in read(put(tmp_path / "own.csv"), **COLUMNS | more).features]

    assert features() == ["age", "pay", "zip", "job"]
    assert features(use_sensitive=True) == ["age", "pay", "zip", "job", "sex"]
    assert features(ignore=["job", "age"], categorical=[]) == ["pay", "zip"]
    assert features(sensitive=["sex", "zip"], categorical=[], id="age") == ["pay", "job"]


def test_words_that_stand_for_nothing_can_be_named(tmp_path):
    content = "a,b,ok\n1,x,yes\n?,?,no\n3,y,yes\n"
    with pytest.raises(InvalidInput, match="has 3 different words in column 'a'"):
        text(tmp_path, content, most_categories=2)
    number, word = text(tmp_path, content, missing=["?"]).features
    assert np.array_equal(number.values, [1, np.nan, 3], equal_nan=True)
    assert (word.words, word.values.tolist()) == (("x", "y"), [0, -1, 1])


def test_edges_make_groups_and_classes_of_numbers(tmp_path):
    rows = read(
        put(tmp_path / "own.csv"), outcome="pay", sensitive="age", bins={"age": [40, 59.5], "pay": [0.25]},
        categorical="zip",
    )  # fmt: skip
    assert rows.groups["age"].words == ("under-40", "40-to-59.5", "59.5-and-over")
    assert rows.groups["age"].values.tolist() == [0, 1, 1, 2]  # an edge is in the bin above it
    assert (rows.classes, rows.labels.tolist()) == (("under-0.25", "0.25-and-over"), [1, -1, 0, 1])


def test_a_word_for_nothing_is_a_class_where_somebody_names_it(tmp_path):
    assert text(tmp_path, "a,ok\n1,NA\n2,EU\n3,\n", classes=["EU", "NA"]).labels.tolist() == [1, 0, -1]


def test_ids_of_the_table_are_kept(tmp_path):
    assert read(put(tmp_path / "own.csv"), **COLUMNS, id="age").names == ["30", "40", "50", "60"]


def test_what_features_are_and_lack_is_said(tmp_path):
    notes = []
    (tmp_path / "own.csv").write_text(
        "n,a,b,ok\n" + "".join(f"{i},{i % 3 or ''},{'Xx'[i % 2]},{i % 2}\n" for i in range(6))
    )
    read(tmp_path / "own.csv", notes, outcome="ok")
    assert notes[0].startswith("own.csv: features of numbers: 2, of categories: 1; missing: a 33.3% (")
    assert "'n' numbers the rows" in notes[1]
    assert "'X' and 'x' in column 'b' are taken for two categories" in notes[2]
    assert len(notes) == 3


@pytest.mark.parametrize(
    ("content", "columns", "message"),
    [
        ("a,ok\n1,x\n2,y\n", {"outcome": "good"}, r"own\.csv: no column 'good' \(there are a, ok\); columns are named"),
        ("a,ok\n1,x\n2,y\n", {"sensitive": "sex"}, "no column 'sex'"),
        ("a,ok\n1,x\n2,y\n", {"ignore": "b"}, "no column 'b'"),
        ("a,ok\n1,x\n2,y\n", {"categorical": "b"}, "no column 'b'"),
        ("a,a,ok\n1,2,x\n2,3,y\n", {}, "2 columns 'a'"),
        (",a,ok\n0,1,x\n1,2,y\n", {}, "column 1 has no name, as the row numbers that a data frame writes"),
        ("ok\nx\ny\n", {}, "has no feature"),
        ("a,ok\n1,x\n2,x\n", {}, "has only 'x' in column 'ok'"),
        ("a,ok\n1,\n2,\n", {}, "has nothing in column 'ok'"),
        ("a,ok\n1,yes\n2,Yes\n", {}, "'Yes' and 'yes' in column 'ok' look like one value"),
        ("a,ok\n1,yes\n2,no\n", {"classes": ["yes", "so"]}, r"'no' in column 'ok' \(row 2\) is none of domain.classes"),
        ("a,ok,s\n1,x,f\n2,y,\n3,y,NA\n", {"sensitive": "s"}, "nothing in row 2 of column 's' .*, as in 2 rows of it"),
        ("a,ok,s\n1,x,F\n2,y,f\n", {"sensitive": "s"}, "'F' and 'f' in column 's' look like one value"),
        ("a,ok\n1,x,3\n2,y\n", {}, r"own\.csv, line 2"),
        ("a,ok\n", {}, "has no rows"),
        ("", {}, "has no rows|is empty"),
        ("a,ok,n\n1,x,7\n2,y,7\n", {"id": "n"}, "has the id '7' in rows 1 and 2 of column 'n'"),
        ("a,ok,n\n1,x,7\n2,y,\n", {"id": "n"}, "has no id in row 2"),
        ("a,ok,s\n1,x,train\n2,y,train\n", {"split": "s"}, "has no row whose column 's' .* is 'test'"),
        ("a,ok,s\n1,x,train\n2,,test\n3,y,test\n", {"split": "s"}, "nothing in row 2 of column 'ok', which .* test"),
        ("a,ok,s\n1,x,train\n2,y,dev\n", {"split": "s"}, "has 'dev' in row 2 of column 's' .*train, test, holdout"),
        ("a,ok\nx,1\n2,0\n", {"sensitive": "a", "bins": {"a": [3]}}, "'x' in row 1 of column 'a', which domain.bins"),
    ],
)  # fmt: skip
def test_a_table_that_is_not_as_it_has_to_be_is_named_with_its_row(tmp_path, content, columns, message):
    with pytest.raises(InvalidInput, match=message):
        text(tmp_path, content, **columns)


def test_a_word_among_numbers_is_taken_for_a_mistake(tmp_path):
    numbers = "".join(f"{n},{n % 2}\n" for n in range(20))
    with pytest.raises(InvalidInput, match=r"has 'n/k' in row 21 of column 'a', which has numbers in 20 of 21 rows"):
        text(tmp_path, f"a,ok\n{numbers}n/k,1\n")
    with pytest.raises(InvalidInput, match="has 'inf' in row 21"):
        text(tmp_path, f"a,ok\n{numbers}inf,1\n")
    assert isinstance(text(tmp_path, f"a,ok\n{numbers}n/k,1\n", missing=["n/k"]).features[0], Numeric)
    assert isinstance(text(tmp_path, f"a,ok\n{numbers}n/k,1\n", categorical=["a"]).features[0], Categorical)


@pytest.mark.parametrize("cells", [("1,5", "2,5"), ("1 500", "20 000"), ("10%", "7.5%"), ("$3", "$4"), ("3", "4,5")])
def test_numbers_as_people_write_them_are_no_categories(tmp_path, cells):
    content = "a;b;ok\n" + "".join(f"{cells[n % 2]};{n};{n % 2}\n" for n in range(6))
    with pytest.raises(InvalidInput, match=r"has numbers such as '.+' in column 'a'; write them with a decimal point"):
        text(tmp_path, content)
    assert text(tmp_path, content, categorical=["a"]).features[0].words == cells


@pytest.mark.parametrize("cells", [("1.2.3", "1.2.4"), ("10-20", "20-30"), ("2020-01-01", "2020-01-02"), ("7a", "8")])
def test_codes_are_categories(tmp_path, cells):
    content = "a;b;ok\n" + "".join(f"{cells[n % 2]};{n};{n % 2}\n" for n in range(6))
    assert {*text(tmp_path, content).features[0].words} == {*cells}


def test_a_column_of_lists_is_named(tmp_path):
    pl.DataFrame({"a": [[1], [2]], "b": [1, 2], "ok": [0, 1]}).write_parquet(tmp_path / "own.parquet")
    with pytest.raises(InvalidInput, match=r"own\.parquet: column 'a' holds List\(Int64\); expected .* domain\.ignore"):
        read(tmp_path / "own.parquet", outcome="ok")
    assert [feature.name for feature in read(tmp_path / "own.parquet", outcome="ok", ignore="a").features] == ["b"]


def test_a_column_of_ids_or_texts_is_refused(tmp_path):
    content = "a,who,ok\n" + "".join(f"{n % 3},name {n},{n % 2}\n" for n in range(300))
    with pytest.raises(InvalidInput, match=r"has 300 different words in column 'who', such as 'name 0': an id, or a"):
        text(tmp_path, content)
    with pytest.raises(InvalidInput, match=r"has 300 different values in column 'who' \(domain.outcome\)"):
        text(tmp_path, content, outcome="who")
    with pytest.raises(InvalidInput, match=r"has 300 different values in column 'who' \(domain.sensitive\)"):
        text(tmp_path, content, sensitive="who")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data": "file"}, "needs path and outcome"),
        ({"data": "file", "path": "a.csv"}, "needs outcome"),
        ({"path": "a.csv"}, '`path` is of data = "file"'),
        ({"outcome": "sex"}, '`outcome` is of data = "file"'),
        ({"sensitive": ["income"]}, "'income' is named twice"),
        ({"bins": {"age": [30]}}, "'age', which is neither `outcome` nor in `sensitive`"),
        ({"sensitive": "age", "bins": {"age": [30, 30]}}, "finite and ascending"),
        ({"data": "file", "path": "a.csv", "outcome": "b", "test": "published"}, "is of \"adult\""),
        ({"data": "file", "path": "a.csv", "outcome": "b", "split": "c", "holdout": 3}, "`split` says what each row"),
        ({"data": "file", "path": "a.csv", "outcome": "b", "sensitive": "c/d"}, "cannot have a '/'"),
        ({"random-forest": {"max_features": 1.5}}, "max_features"),
        ({"estimator": "xgboost"}, "estimator"),
    ],
)  # fmt: skip
def test_settings_that_do_not_go_together_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        Config.model_validate(settings)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gone.csv", r"there is no file .*gone\.csv \(domain.path\)"),
        ("own.xlsx", "save the sheet as CSV"),
        ("own", "expected a file"),
    ],
)
def test_a_file_that_is_none_is_refused_before_it_is_read(tmp_path, path, message):
    domain = tabular.domain(tmp_path, path=str(tmp_path / path), **tabular.OWN)
    assert domain.requirements() == []
    with pytest.raises(InvalidInput, match=message):
        domain.check(Demands())
