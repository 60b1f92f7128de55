"""The domain "command": what programs are given, and what is made of what they write."""

import csv
import json

import numpy as np
import polars as pl
import pytest
from support.commands import PREDICT, TRAIN, domain, script, settings, table

from biasloop.contract import labels
from biasloop.contract.context import Work
from biasloop.contract.data import Column, Frame, Samples
from biasloop.contract.domains import (
    Domain,
    Executing,
    Labelling,
    Probabilistic,
    Sampled,
    Storing,
    missing_methods,
    names_in,
)
from biasloop.contract.randomness import Streams
from biasloop.errors import DamagedStore, InvalidInput
from biasloop.metrics.amplification import MOST_CELLS
from biasloop_command import CommandDomain, folders
from biasloop_command.programs import ProgramFailed

WORK = Work(Streams((0, 0, "fit")))


@pytest.fixture
def place(tmp_path):
    table(tmp_path)
    return tmp_path


def samples(made, ids, labels=None, weights=None):
    ids = np.asarray(ids)
    truth = made.human_labels(ids) if labels is None else Frame({"target": Column(np.asarray(labels))})
    return Samples(ids, ids % 2 == 1, truth, weights=weights)


def cells(content):
    return list(csv.reader(content.tobytes().decode().splitlines()))


def test_it_has_what_the_rule_needs():
    assert not [
        name
        for protocol in (Domain, Executing, Sampled, Labelling, Storing, Probabilistic)
        for name in missing_methods(CommandDomain, protocol)
    ]


def test_splits_are_drawn_and_rows_without_a_label_are_in_the_pool(place):
    made = domain(settings(place, holdout=5))
    splits = made.splits()
    assert (len(splits.test), len(splits.holdout), len(splits.pool)) == (6, 5, 29)
    assert sorted([*splits.test, *splits.holdout, *splits.pool]) == list(range(40))
    assert splits.unlabelled.tolist() == [36, 37, 38, 39]
    assert set(splits.unlabelled) < set(splits.pool)
    rows = list(csv.DictReader((place / "data.csv").open()))
    labelled = [row for row in rows if row["class"]]
    assert [made.vocabularies()["classes"].strings()[one] for one in made.human_labels(np.arange(36))["target"]] == [
        row["class"] for row in labelled
    ]


def test_a_column_can_say_what_each_row_is_for(place):
    parts = ["test", "train", "holdout", "unlabelled"] * 10
    frame = pl.read_csv(place / "data.csv", infer_schema=False).with_columns(pl.Series("part", parts))
    frame = frame.filter(pl.col("class").is_not_null() | pl.col("part").is_in(["train", "unlabelled"]))
    frame.write_csv(place / "data.csv")
    made = domain(settings(place, split="part", test=None))
    kept = frame["part"].to_list()
    splits, labelled = made.splits(), frame["class"].is_not_null().to_list()
    assert splits.test.tolist() == [row for row, part in enumerate(kept) if part == "test"]
    assert splits.holdout.tolist() == [row for row, part in enumerate(kept) if part == "holdout"]
    assert splits.unlabelled.tolist() == [
        row for row, part in enumerate(kept) if part == "unlabelled" or (part == "train" and not labelled[row])
    ]
    model = made.fit(samples(made, np.setdiff1d(splits.pool, splits.unlabelled)), WORK)
    assert cells(model["rows"])[0] == ["id", "label", "made", "x", "sex", "note"]


def test_the_training_program_gets_rows_in_the_order_of_the_data_and_features_as_they_are(place):
    made = domain(settings(place, group="sex"))
    ids = [9, 3, 30, 4]
    model = made.fit(samples(made, ids, [0, 1, 0, 1]), WORK)
    source = list(csv.DictReader((place / "data.csv").open()))
    assert cells(model["rows"]) == [
        ["id", "label", "made", "x", "note"],
        *([f"n{row:02}", label, str(row % 2), source[row]["x"], source[row]["note"]]
          for row, label in ((3, "b"), (4, "b"), (9, "a"), (30, "a"))),
    ]  # fmt: skip
    assert source[3]["x"].startswith("0")  # text that a number would lose
    seed = int(model["deeper/seed"].tobytes())
    assert 0 <= seed < 2**31
    again = made.fit(samples(made, ids, [0, 1, 0, 1]), WORK)
    assert {name: content.tobytes() for name, content in again.items()} == {
        name: content.tobytes() for name, content in model.items()
    }
    assert int(made.fit(samples(made, ids), Work(Streams((0, 1, "fit"))))["deeper/seed"].tobytes()) != seed


def test_weights_are_handed_on(place):
    made = domain(settings(place))
    model = made.fit(samples(made, [2, 1], weights=np.array([0.5, 2.0])), WORK)
    assert [row[:4] for row in cells(model["rows"])] == [
        ["id", "label", "made", "weight"], ["n01", "a", "1", "2.0"], ["n02", "b", "0", "0.5"],
    ]  # fmt: skip


def test_predictions_labels_and_what_they_say_of_themselves(place):
    made = domain(settings(place, group="sex", follow="b"))
    train = samples(made, np.setdiff1d(made.splits().pool, made.splits().unlabelled))
    model = made.load("model", made.save("model", made.fit(train, WORK)))
    found, references = made.predict(model, WORK)["test"], made.references(WORK)["test"]
    data = list(csv.DictReader((place / "data.csv").open()))
    xs = {row: int(data[row]["x"]) for row in train.ids}

    def nearest(row):
        return data[min(xs, key=lambda other: (abs(xs[other] - int(data[row]["x"])), other))]["class"]

    names = made.vocabularies()["classes"].strings()
    assert [names[one] for one in found["prediction"]] == [nearest(row) for row in made.splits().test]
    assert found["confidence"].dtype == np.float32
    assert found["confidence"].tolist() == [0.75] * 6
    assert {name: column.role for name, column in references.columns.items()} == {
        "ids": "ids", "target": "target", "group": "group",
    }  # fmt: skip
    assert made.vocabularies()["group"].strings() == ["f", "m"]
    assert references["group"].tolist() == [row % 2 for row in references["ids"]]
    ids = np.array([38, 7, 36])
    given, truth = made.label(model, ids, "argmax", WORK), made.human_labels(np.arange(3))
    assert [names[one] for one in given["target"]] == [nearest(row) for row in ids]
    assert {name: (column.values.dtype, column.role) for name, column in given.columns.items()} == {
        name: (column.values.dtype, column.role) for name, column in truth.columns.items()
    }
    metrics = made.measure({"test": references.plus(found)}, train, names_in(made))
    wrong = found["prediction"] != references["target"]
    assert metrics["accuracy"].value == pytest.approx(1 - wrong.mean())
    assert metrics["share_predicted"].value == pytest.approx(found["prediction"].mean())
    assert metrics["share_train"].value == pytest.approx(train.labels["target"].mean())
    selected = [found["prediction"][references["group"] == group].mean() for group in (0, 1)]
    assert metrics["demographic_parity_difference"].value == pytest.approx(abs(selected[0] - selected[1]))
    assert metrics["ece"].value == pytest.approx(abs(1 - wrong.mean() - 0.75))
    assert {"bias_amp", "equalized_odds_difference", "worst_class_recall", "recall.a", "bias"} <= metrics.keys()
    assert set(made.measure({"test": references}, train, names_in(made))) == {"share_target", "share_train"}


def test_several_groups_have_names_of_their_own(place):
    made = domain(settings(place, group=["sex", "note"], follow="b"))
    model = made.fit(samples(made, [0, 1, 2]), WORK)
    references = made.references(WORK)["test"]
    assert {"group.sex", "group.note"} < set(references.columns)
    assert {"group.sex", "group.note"} < set(made.vocabularies())
    metrics = made.measure(
        {"test": references.plus(made.predict(model, WORK)["test"])}, samples(made, [0]), names_in(made)
    )
    assert {"bias_amp.sex", "bias_amp.note", "equalized_odds_difference.sex"} < set(metrics)
    assert cells(model["rows"])[0] == ["id", "label", "made", "x"]


def test_bias_amplification_of_a_biased_program(tmp_path):
    """Truth: P(b|f) = 2/3, P(b|m) = 1/3; the program predicts b for f and a for m: every cell moves by 1/3."""
    rows = [(sex, label) for sex, labels in (("f", "bba"), ("m", "aab")) for label in labels] * 2
    lines = [f"{sex},{label},{sex},test" for sex, label in rows] + ["f,a,f,train", "m,b,m,train"]
    (tmp_path / "data.csv").write_text("".join(f"{line}\n" for line in ["sex,class,seen,part", *lines]))
    predict = (
        """awk -F, 'NR == 1 { print "id,prediction"; next } { print $1 "," ($2 == "f" ? "b" : "a") }' "$2" > "$3"\n"""
    )
    made = domain(settings(tmp_path, predict=predict, id=None, test=None, split="part", group="sex", follow="b"))
    references, train = made.references(WORK)["test"], samples(made, [12, 13])
    metrics = made.measure(
        {"test": references.plus(made.predict(made.fit(train, WORK), WORK)["test"])}, train, names_in(made)
    )
    assert metrics["bias_amp"].value == pytest.approx(1 / 3, abs=1e-12)
    assert metrics["demographic_parity_difference"].value == 1.0
    assert "ece" not in metrics


def test_labels_are_drawn_by_id_with_the_probabilities(place):
    made = domain(settings(place))
    model = made.fit(samples(made, [0, 1, 2, 3]), WORK)
    ids = made.splits().pool
    drawn = made.label(model, ids, "sample", WORK)
    best = made.label(model, ids, "argmax", WORK)["target"]
    part = made.label(model, ids[::-3], "sample", WORK)
    assert part["target"].tolist() == drawn["target"][::-3].tolist()
    assert drawn["confidence"].tolist() == [
        0.75 if a == b else 0.25 for a, b in zip(drawn["target"], best, strict=True)
    ]
    uniform = WORK.streams.uniform(ids)[:, 0]
    first = np.where(best == 0, 0.75, 0.25)
    assert drawn["target"].tolist() == (uniform >= first).astype(int).tolist()
    with pytest.raises(InvalidInput, match="argmax and sample"):
        made.label(model, ids, "beam", WORK)


def test_probabilities_are_those_that_the_program_writes_of_each_row(place):
    made = domain(settings(place))
    model = made.fit(samples(made, [0, 1, 2, 3]), WORK)
    ids = made.splits().pool
    probabilities = made.probabilities(model, ids, WORK)
    best = made.label(model, ids, "argmax", WORK)["target"]
    assert probabilities.tolist() == [[0.75, 0.25] if label == 0 else [0.25, 0.75] for label in best]
    np.testing.assert_array_equal(made.probabilities(model, ids[::-3], WORK), probabilities[::-3])
    drawn = made.label(model, ids, "sample", WORK)["target"]
    np.testing.assert_array_equal(drawn, labels.draw(probabilities, WORK.streams.uniform(ids)[:, 0]))


def test_probabilities_of_few_digits_sum_to_1(place):
    predict = PREDICT.replace('"0.75,0.25"', '"0.6667,0.3334"').replace('"0.25,0.75"', '"0.3333,0.6666"')
    made = domain(settings(place, predict=predict))
    probabilities = made.probabilities(made.fit(samples(made, [0, 1, 2, 3]), WORK), np.arange(40), WORK)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-15)
    assert set(probabilities[:, 0].tolist()) <= {0.6667 / (0.6667 + 0.3334), 0.3333 / (0.3333 + 0.6666)}


def test_without_confidences_there_is_none(place):
    plain = PREDICT.replace("id,prediction,confidence,probability.a,probability.b", "id,prediction").replace(
        """ ",0.75," (given == "a" ? "0.75,0.25" : "0.25,0.75")""", ""
    )
    made = domain(settings(place, predict=plain))
    model = made.fit(samples(made, [0, 1, 2, 3]), WORK)
    assert set(made.predict(model, WORK)["test"].columns) == {"prediction"}
    assert np.isnan(made.label(model, np.array([5]), "argmax", WORK)["confidence"]).all()
    with pytest.raises(ProgramFailed, match=r"has no columns probability.CLASS.*argmax"):
        made.label(model, np.array([5]), "sample", WORK)
    with pytest.raises(ProgramFailed, match=r"^the \{output\} of domain.predict has no columns probability.CLASS"):
        made.probabilities(model, np.array([5]), WORK)


def test_a_slip_of_rounding_is_forgiven(place):
    header, row = "id,prediction,confidence,probability.a,probability.b", ",a,1.0000001,1.0000000000000002,-1e-17"
    predict = f"""sed '1s/.*/{header}/; 2,$s/,.*/{row}/' "$2" > "$3"\n"""
    made = domain(settings(place, predict=predict))
    model = made.fit(samples(made, [0, 1]), WORK)
    assert made.predict(model, WORK)["test"]["confidence"].tolist() == [1.0] * 6
    assert set(made.label(model, np.arange(40), "sample", WORK)["target"]) == {0}


PYTHON = """
import csv, json, sys
model, rows, output = sys.argv[1:]
with open(rows) as file:
    found = [json.loads(line) for line in file]
with open(output, "w") as file:
    for row in reversed(found):
        assert row["tags"] == [0, int(row["id"])], row
        file.write(json.dumps({"id": row["id"], "prediction": 1, "probability.1": 1, "more": None}) + "\\n")
"""


def test_jsonl_both_ways_with_lists_numbers_as_classes_and_any_order(tmp_path):
    rows = [{"n": row, "y": row % 2 if row < 9 else None, "tags": [0, row]} for row in range(10)]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    predict = ["python3", script(tmp_path, "predict.py", PYTHON), "{model}", "{input}", "{output}"]
    made = domain({
        **settings(tmp_path), "data": str(tmp_path / "data.jsonl"), "id": "n", "target": "y", "format": "jsonl",
        "test": 3, "predict": predict,
    })  # fmt: skip
    model = made.fit(samples(made, [4, 1]), WORK)
    assert [json.loads(line) for line in model["rows"].tobytes().splitlines()] == [
        {"id": "1", "label": "1", "made": 1, "tags": [0, 1]}, {"id": "4", "label": "0", "made": 0, "tags": [0, 4]},
    ]  # fmt: skip
    found = made.predict(model, WORK)["test"]
    assert found["prediction"].tolist() == [1, 1, 1]
    assert found["confidence"].tolist() == [1, 1, 1]
    assert made.splits().unlabelled.tolist() == [9]


def test_parquet_both_ways(tmp_path):
    frame = pl.DataFrame({"x": [0.1, 0.2, 0.7, 0.8, 0.9], "y": ["a", "a", "b", "b", None]})
    frame.write_parquet(tmp_path / "data.parquet")
    made = domain({
        **settings(tmp_path, predict='cp "$2" "$3"\n'), "data": str(tmp_path / "data.parquet"), "id": None,
        "target": "y", "format": "parquet", "test": 1,
    })  # fmt: skip
    model = made.fit(samples(made, made.splits().pool[:3]), WORK)
    (tmp_path / "given.parquet").write_bytes(model["rows"].tobytes())
    given = pl.read_parquet(tmp_path / "given.parquet")
    assert dict(given.schema) == {"id": pl.String, "label": pl.String, "made": pl.Int8, "x": pl.Float64}
    assert given["x"].to_list() == [frame["x"][row] for row in made.splits().pool[:3].tolist()]
    with pytest.raises(ProgramFailed, match="has no column 'prediction' .found: id, x"):
        made.predict(model, WORK)


def test_tsv_and_numbers_for_programs_that_take_types(place):
    text = (place / "data.csv").read_text().replace('"a, ""', "").replace('"""', "")
    (place / "data.tsv").write_text(text.replace(",", "\t"))
    made = domain(settings(place, data=str(place / "data.tsv"), format="jsonl"))
    row = json.loads(made.fit(samples(made, [1]), WORK)["rows"].tobytes())
    assert row == {"id": "n01", "label": "a", "made": 1, "x": 37, "sex": "m", "note": 1}


def test_the_fingerprint_is_that_of_the_content(place):
    first = domain(settings(place)).fingerprint()
    (place / "other.csv").write_bytes((place / "data.csv").read_bytes())
    assert domain(settings(place, data=str(place / "other.csv"))).fingerprint() == first
    table(place, rows=41)
    assert domain(settings(place)).fingerprint() != first


def test_a_model_is_its_files_whatever_they_are_called(place):
    odd = TRAIN + 'mkdir -p "$2/a/b" && printf 1 > "$2/a/b/c%2F d" && printf 2 > "$2/.hidden" && printf 3 > "$2/é"\n'
    made = domain(settings(place, train=odd))
    model = made.fit(samples(made, [0, 1]), WORK)
    saved = made.save("model", model)
    assert not [name for name in saved if "/" in name]
    assert all(content.dtype == np.uint8 for content in saved.values())
    loaded = made.load("model", saved)
    assert {name: content.tobytes() for name, content in loaded.items()} == {
        name: content.tobytes() for name, content in model.items()
    }
    assert {"rows", "deeper/seed", "empty", "a/b/c%2F d", ".hidden", "é"} == set(loaded)
    target = place / "again"
    target.mkdir()
    folders.restore(loaded, target)
    assert (target / "a/b/c%2F d").read_bytes() == b"1"
    assert (target / "empty").read_bytes() == b""


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "", ".", "a\0b"])
def test_a_stored_path_never_leads_out_of_the_folder(tmp_path, name):
    inside = tmp_path / "model"
    inside.mkdir()
    with pytest.raises(DamagedStore, match="would not lie in"):
        folders.restore({name: np.zeros(1, np.uint8)}, inside)
    assert list(tmp_path.iterdir()) == [inside]
    assert not list(inside.iterdir())


@pytest.mark.parametrize(
    ("train", "words"),
    [
        (":\n", "left no file in {model}"),
        ('mkdir "$2/only"\n', "left no file in {model}"),
        ('echo x > "$2/a"; ln -s a "$2/b"\n', "left b in {model}, which is a link"),
        ('ln -s / "$2/root"\n', "left root in {model}, which is a link"),
        ('mkfifo "$2/pipe"\n', "left pipe in {model}"),
        ('head -c 1000001 /dev/zero > "$2/large"\n', "1.0 MB, and domain.model_megabytes allows 1"),
    ],
)
def test_a_model_that_cannot_be_kept_is_refused(place, train, words):
    made = domain(settings(place, train=train, model_megabytes=1))
    with pytest.raises(ProgramFailed) as error:
        made.fit(samples(made, [0, 1]), WORK)
    assert words in str(error.value)
    assert "domain.train (sh " in str(error.value)


def test_groups_that_could_not_be_counted_are_refused_before_training(tmp_path):
    classes = 1 + int((MOST_CELLS / 3) ** 0.5)
    rows = [f"{row % 3},{row}" for row in range(classes)]
    (tmp_path / "data.csv").write_text("".join(f"{line}\n" for line in ["group,class", *rows]))
    with pytest.raises(InvalidInput, match="too many to count"):
        domain(settings(tmp_path, id=None, group="group")).splits()


def test_labels_are_described_by_the_ids_of_the_table(tmp_path):
    table(tmp_path)
    rows, known = np.array([3, 0]), settings(tmp_path)
    for more, ids in (({}, ["n03", "n00"]), ({"id": None}, [None, None])):
        made = domain({**known, **more})
        described = made.describe(rows, made.human_labels(rows))
        assert [row.get("id") for row in described] == ids
        assert [row["target"] for row in described] == [
            "b" if row % 5 == 0 or row * 37 % 100 >= 50 else "a" for row in rows
        ]
