"""A person's own table of texts: formats, columns, and what is refused."""

import json

import numpy as np
import polars as pl
import pytest
from support import textclass
from support.textclass import SMALL

from biasloop.contract.domains import Demands
from biasloop.errors import InvalidInput
from biasloop_textclass import own_table
from biasloop_textclass.config import Columns

ROWS = [
    {"text": 'She said "no", twice', "label": "1", "sex": "f"},
    {"text": "a\nb", "label": "0", "sex": "m"},
    {"text": "NA", "label": None, "sex": "f"},
    {"text": " spaced ", "label": "1", "sex": "m"},
]


def put(path, rows=ROWS):
    frame = pl.DataFrame(rows)
    if path.suffix == ".csv":
        frame.write_csv(path)
    elif path.suffix == ".tsv":
        frame.with_columns(pl.col("text").str.replace_all("\n", " ")).write_csv(
            path, separator="\t", quote_style="never"
        )
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        frame.with_columns(pl.col("label").cast(pl.Int32)).write_parquet(path)
    return path


@pytest.mark.parametrize("ending", ["csv", "jsonl", "json", "parquet", "tsv"])
def test_every_format_reads_as_the_same_texts(tmp_path, ending):
    texts = own_table.read(put(tmp_path / f"own.{ending}"), Columns(group=["sex"]), None)
    second = "a b" if ending == "tsv" else "a\nb"
    assert texts.texts.strings() == ['She said "no", twice', second, "NA", " spaced "]
    assert (texts.classes, texts.labels.tolist()) == (("0", "1"), [1, 0, -1, 1])
    assert (texts.groups["sex"].names, texts.groups["sex"].values.tolist()) == (("f", "m"), [0, 1, 0, 1])


def test_columns_have_any_names_and_classes_an_order(tmp_path):
    rows = [{"q1": "a", "q2": "b", "same": "yes"}, {"q1": "c", "q2": "d", "same": "no"}]
    texts = own_table.read(put(tmp_path / "own.csv", rows), Columns(text="q1", text2="q2", label="same"), ["yes", "no"])
    assert (texts.texts.strings(), texts.seconds.strings()) == (["a", "c"], ["b", "d"])
    assert (texts.classes, texts.labels.tolist()) == (("yes", "no"), [0, 1])


def test_lines_without_anything_on_them_are_no_rows(tmp_path):
    (tmp_path / "own.csv").write_text("text,label\na,x\n\nb,y\n\n")
    assert own_table.read(tmp_path / "own.csv", Columns(), None).texts.strings() == ["a", "b"]


def test_other_content_is_another_fingerprint(tmp_path):
    def fingerprint(rows, name, **columns):
        return own_table.read(put(tmp_path / name, rows), Columns(**columns), None).fingerprint

    first = fingerprint(ROWS, "a.csv")
    assert first == fingerprint(ROWS, "b.jsonl")
    assert first != fingerprint(ROWS, "c.csv", group=["sex"])
    relabelled = [*ROWS[:3], ROWS[3] | {"label": "0"}]
    rewritten = [*ROWS[:3], ROWS[3] | {"text": "spaced"}]
    assert len({first, fingerprint(relabelled, "d.csv"), fingerprint(rewritten, "e.csv")}) == 3


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("text,label\na,x\n", {"text": "review"}, r"own\.csv: no column 'review' \(there are text, label\); columns"),
        ("text,label\na,x\n", {"group": ["sex"]}, "no column 'sex'"),
        ("text,label\na,x\n,y\n", {}, r"own\.csv, line 3: nothing in the column 'text'"),
        (
            "text,label,sex\na,x,f\nb,y,\nc,y,NA\n",
            {"group": ["sex"]},
            "line 3: nothing in the column 'sex', as in 2 rows",
        ),
        ("text,label\na,x\nb,x\n", {}, "has only the label 'x' in column 'label'"),
        ("text,label\na,\nb,\n", {}, "has no label in column 'label'"),
        ("text,label\na,yes\nb,Yes\n", {}, "'Yes' and 'yes' in column 'label' look like one value"),
        ("text,label\na,x,z\n", {}, r"own\.csv, line 2"),
        ("text,label\n", {}, "has no rows"),
        ("", {}, "has no rows|is empty"),
    ],
)
def test_a_table_that_is_not_as_it_has_to_be_is_named_with_its_line(tmp_path, text, columns, message):
    (tmp_path / "own.csv").write_text(text)
    with pytest.raises(InvalidInput, match=message):
        own_table.read(tmp_path / "own.csv", Columns(**columns), None)


def test_a_label_that_no_class_is_called_is_named_with_its_row(tmp_path):
    with pytest.raises(
        InvalidInput, match=r"the label '0' in column 'label' \(row 2\) is none of domain\.classes \(1, 2"
    ):
        own_table.read(put(tmp_path / "own.csv"), Columns(), ["1", "2"])


def test_a_word_for_nothing_is_a_class_where_somebody_names_it(tmp_path):
    rows = [{"text": "a", "label": "NA"}, {"text": "b", "label": "EU"}, {"text": "c", "label": None}]
    texts = own_table.read(put(tmp_path / "own.jsonl", rows), Columns(), ["EU", "NA"])
    assert texts.labels.tolist() == [1, 0, -1]


@pytest.mark.parametrize(
    ("path", "message"),
    [("gone.csv", "there is no such file"), ("own.xlsx", "save the sheet as CSV"), ("own", "expected a file")],
)
def test_a_file_that_is_none_is_refused_before_it_is_read(tmp_path, path, message):
    domain = textclass.domain(tmp_path, path=str(tmp_path / path), **SMALL)
    assert domain.requirements() == []
    with pytest.raises(InvalidInput, match=message):
        domain.check(Demands())


def test_a_second_text_is_another_input(tmp_path):
    path = str(textclass.write(tmp_path / "own.csv", textclass.rows()))
    one = textclass.domain(tmp_path, path=path, **SMALL)
    two = textclass.domain(tmp_path, path=path, columns={"text2": "more"}, **SMALL)
    assert one.fingerprint() != two.fingerprint()
    assert np.array_equal(one.splits().test, two.splits().test)
