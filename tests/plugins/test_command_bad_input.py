"""Tables and outputs that are not as they should be: one sentence, with file, column and row."""

import numpy as np
import pytest
from support.commands import domain, settings, table

from biasloop.contract.context import Work
from biasloop.contract.data import Samples
from biasloop.contract.domains import Demands
from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput
from biasloop_command.programs import ProgramFailed

WORK = Work(Streams((0,)))
GOOD = "name,class,x,sex\na,u,1,f\nb,v,2,m\nc,u,3,f\nd,v,4,m\n"


def refused(place, content, suffix=".csv", **changes) -> str:
    path = place / f"data{suffix}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidInput) as error:
        domain(settings(place, **{"data": str(path), "test": 1, **changes})).splits()
    assert "\n" not in str(error.value)
    assert str(error.value).startswith((str(path), "domain."))
    return str(error.value)


@pytest.mark.parametrize(
    ("content", "changes", "words"),
    [
        (GOOD, {"target": "klass"}, "has no column 'klass' (found: name, class, x, sex)"),
        (GOOD, {"id": "ident"}, "has no column 'ident'"),
        (GOOD, {"group": "age"}, "has no column 'age'"),
        (GOOD, {"split": "part", "test": None}, "has no column 'part'"),
        (GOOD, {"split": "sex", "test": None}, "has 'f' in row 1 of column 'sex' (domain.split), expected one"),
        (GOOD + "a,u,5,f\n", {}, "has the id 'a' twice, in rows 1 and 5 of column 'name'"),
        (GOOD + ",u,5,f\n", {}, "has no id in row 5, column 'name'"),
        (GOOD + "e,u,5,\n", {"group": "sex"}, "has no value in row 5 of column 'sex'"),
        (GOOD, {"classes": ["u", "w"]}, "has the label 'v' in row 2, column 'class', and domain.classes"),
        (GOOD.replace("v", "u"), {}, "has labels of 1 class(es) in column 'class'"),
        (GOOD.replace("u", "").replace("v", ""), {}, "has labels of 0 class(es)"),
        (GOOD, {"follow": "w"}, "domain.follow = 'w' is no class"),
        (GOOD, {"test": 4}, "domain.test 4 leaves nothing to train on: "),
        (GOOD, {"test": 400}, "has 4 rows with a label; set it below 4"),
        (GOOD, {"test": 2, "holdout": 2}, "set them together below 4"),
        ("name,class,part\na,u,test\nb,v,holdout\n", {"group": None, "split": "part", "test": None},
         'has 2 rows with a label; write "train" for some of them there'),
        (GOOD + "e,u,5,f,g\n", {}, "does not read as CSV with a header (line 6: 5 values in 4 columns"),
        ("name,class,x,x\n1,2,3,4\n", {}, "has two columns 'x'"),
        ("name,class,x\n", {}, "has no rows"),
        ("", {}, "does not read as CSV"),
        (b"name,class,x\na,u,\xff\n", {}, "does not read as CSV"),
        (b"na\xffme,class,x\na,u,1\n", {}, "does not read as CSV"),
        (GOOD.replace("x", "label"), {}, "has a feature called 'label'"),
        (GOOD.replace("x", "made"), {}, "has a feature called 'made'"),
        (GOOD.replace("name", "id"), {"id": None}, "has a feature called 'id', which is a column of the exchanged"),
    ],
)  # fmt: skip
def test_tables(tmp_path, content, changes, words):
    assert words in refused(tmp_path, content, **changes)


@pytest.mark.parametrize(
    ("content", "suffix", "words"),
    [
        ('{"name": 1', ".jsonl", "does not read as JSONL"),
        ("[1]\n", ".jsonl", "does not read as JSONL"),
        ("", ".jsonl", "does not read as JSONL"),
        ('{"name": 1, "class": [1]}\n', ".jsonl", "has values of type List(Int64) in column 'class'"),
        ('{"name": 1, "class": "a", "z": [1]}\n{"name": 2, "class": "b"}\n', ".jsonl", "which CSV cannot hold"),
        ("no parquet", ".parquet", "does not read as PARQUET"),
        (GOOD, ".txt", "expected a file that ends in .csv, .tsv, .parquet, .jsonl"),
    ],
)
def test_other_formats(tmp_path, content, suffix, words):
    assert words in refused(tmp_path, content, suffix)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InvalidInput, match="there is no file"):
        domain(settings(tmp_path)).check(Demands())


def test_test_rows_need_labels(tmp_path):
    rows = "name,class,x,part\na,u,1,train\nb,v,2,train\nc,,3,{}\nd,v,4,test\n"
    for part in ("test", "holdout"):
        text = refused(tmp_path, rows.format(part), split="part", test=None)
        assert f"has no label in row 3, column 'class', which column 'part' puts into the {part} set" in text
    text = refused(tmp_path, rows.format("train").replace("test", "train"), split="part", test=None)
    assert "has no row whose column 'part' (domain.split) is 'test'" in text


def test_blank_lines_and_line_ends_are_no_rows(tmp_path):
    (tmp_path / "data.csv").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode() + b"\r\n\r\n")
    made = domain(settings(tmp_path, test=1))
    assert len(made.splits().pool) == 3
    assert made.vocabularies()["classes"].strings() == ["u", "v"]


# --- what the predicting program writes


def answered(place, output) -> str:
    """What is said of an output for the rows r1, r2 and r3."""
    table(place)
    rows = "name,class,x\nr1,a,1\nr2,b,2\nr3,a,3\nr4,a,1\nr5,b,2\n"
    parts = rows.replace("\n", ",test\n").replace("class,x,test", "class,x,part")
    for name in ("r4", "r5"):
        parts = "".join(
            line.replace("test", "train") if line.startswith(name) else line for line in parts.splitlines(keepends=True)
        )
    (place / "data.csv").write_text(parts)
    if output is not None:
        (place / "output").write_bytes(output if isinstance(output, bytes) else output.encode())
    predict = ":\n" if output is None else f'cp "{place}/output" "$3"\n'
    made = domain(settings(place, predict=predict, split="part", test=None))
    ids = np.array([3, 4])
    model = made.fit(Samples(ids, np.zeros(2, np.bool_), made.human_labels(ids)), WORK)
    with pytest.raises(ProgramFailed) as error:
        made.predict(model, WORK)
    text = str(error.value)
    assert "\n" not in text
    assert "domain.predict (sh " in text
    return text


ROWS = "id,prediction\nr1,a\nr2,b\n"


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (None, "wrote no file {output}"),
        ("", "does not read as CSV"),
        (b"id,prediction\n\xff,a\n", "does not read as CSV"),
        ("id,prediction\n", "has no rows"),
        ("name,prediction\nr1,a\n", "has no column 'id' (found: name, prediction)"),
        ("id,label\nr1,a\nr2,a\nr3,a\n", "has no column 'prediction'"),
        (ROWS, "has 2 rows for 3 ids; the first that is missing is 'r3'"),
        (ROWS + "r2,a\n", "has the id 'r2' twice, in rows 2 and 3 of column 'id'"),
        (ROWS + "r3,a\nr4,a\n", "has the id 'r4', which was not asked for, in row 4, column 'id'"),
        (ROWS + ",a\n", "has no id in row 3, column 'id'"),
        (ROWS + "r3,c\n", "has 'c' in row 3 of column 'prediction', expected one of a, b"),
        (ROWS + "r3,\n", "has nothing in row 3 of column 'prediction'"),
        ("id,prediction,confidence\nr1,a,0.5\nr2,a,1.5\nr3,a,0\n", "has '1.5' in row 2 of column 'confidence'"),
        ("id,prediction,confidence\nr1,a,0.5\nr2,a,0\nr3,a,-0.1\n", "has '-0.1' in row 3 of column 'confidence'"),
        ("id,prediction,confidence\nr1,a,high\nr2,a,0\nr3,a,1\n", "has 'high' in row 1 of column 'confidence'"),
        ("id,prediction,confidence\nr1,a,nan\nr2,a,0\nr3,a,1\n", "has 'nan' in row 1 of column 'confidence'"),
        ("id,prediction,confidence\nr1,a,\nr2,a,0\nr3,a,1\n", "has nothing in row 1 of column 'confidence'"),
        ("id,prediction,probability.c\nr1,a,1\nr2,a,1\nr3,a,1\n", "a column 'probability.c', and there is no class"),
        ("id,prediction,probability.a\nr1,a,1\nr2,a,0.9\nr3,a,1\n", "probabilities that sum to 0.9 in row 2"),
        ("id,prediction,probability.a\nr1,a,1\nr2,a,1\nr3,a,inf\n", "has 'inf' in row 3 of column 'probability.a'"),
    ],
)  # fmt: skip
def test_outputs(tmp_path, output, words):
    assert words in answered(tmp_path, output)
