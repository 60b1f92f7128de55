"""What is said before the numbers are believed: each caution where it belongs, and nowhere else."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from biasloop.contract.data import Column, Evaluation, Frame, Metric
from biasloop.errors import InvalidInput, StoreError
from biasloop.records.record import Record, vocabulary_frames
from biasloop.report.arms import Arm
from biasloop.report.html.cautions import cautions
from biasloop.report.html.content import Asked, gather
from biasloop.report.html.labels import Entered, Labels
from biasloop.report.html.made_with import RunLine
from biasloop.report.html.page import page
from biasloop.report.html.predicted import Predicted
from biasloop.running.engine import Options
from biasloop.store.files import sha256
from biasloop.store.finding import find_runs
from biasloop.store.manifest import NAME

pytestmark = pytest.mark.usefixtures("undrawn")


def kinds(folder: Path) -> dict[str, str]:
    """Cautions of the only study below a folder, by kind."""
    (study,) = gather([folder], Asked(Options(Path("data")), samples=0)).studies
    return {caution.kind: caution.text for caution in study.cautions}


def setup(target: list[int], group: list[int]) -> Record:
    columns = {
        "target": Column(np.array(target, np.int64), role="target", vocabulary="classes"),
        "group.skin": Column(np.array(group, np.int64), role="group", vocabulary="skin"),
    }
    frames = vocabulary_frames({"classes": Column.text(["cat", "dog"]), "skin": Column.text(["light", "dark"])})
    return Record(None, {"test": Evaluation({}, {"test": Frame(columns)})}, frames)


def last(prediction: list[int]) -> Record:
    column = Column(np.array(prediction, np.int64), role="prediction", vocabulary="classes")
    return Record(None, {"test": Evaluation({}, {"test": Frame({"prediction": column})})})


def looked_at(*records: Record) -> Predicted:
    predicted = Predicted()
    for record in records:
        predicted.add(record)
    return predicted


@pytest.mark.parametrize(
    ("truth", "said", "collapsed"),
    [
        ([0, 1] * 100, [1] * 200, [("dog", 1.0)]),
        ([0, 1] * 100, [1] * 199 + [0], [("dog", 0.995)]),
        ([0, 1] * 100, [1] * 195 + [0] * 5, []),
        ([1] * 200, [1] * 200, []),  # as it is in truth
        ([0, 1] * 3, [1] * 6, []),  # too few to tell
    ],
)
def test_a_model_that_says_one_class_of_nearly_all_has_collapsed(truth, said, collapsed):
    predicted = looked_at(setup(truth, [0] * len(truth)), last(said))
    assert [(each.answer, each.share) for each in predicted.collapses] == collapsed


@pytest.mark.parametrize(
    ("texts", "share"), [(["the same"] * 12 + [f"{i}" for i in range(8)], 0.6), (["a", "b"] * 9, 0.5)]
)
def test_a_model_that_mostly_writes_one_text_has_collapsed(texts, share):
    written = Record(None, {"test": Evaluation({}, {"test": Frame({"text": Column.text(texts)})})})
    for begun in (setup([0] * 20, [0] * 20), Record(None, {"test": Evaluation({}, {"test": Frame()})})):
        (collapse,) = looked_at(begun, written).collapses
        assert (collapse.text, collapse.answer, collapse.share) == (True, texts[0], share)


def test_texts_of_which_none_is_most_have_not():
    written = Record(
        None, {"test": Evaluation({}, {"test": Frame({"text": Column.text([f"{i}" for i in range(20)])})})}
    )
    assert looked_at(setup([0] * 20, [0] * 20), written).collapses == []


def test_samples_of_classes_and_groups_are_counted_and_those_of_no_group_are_not():
    predicted = looked_at(setup([0, 1, 1, 1], [0, 0, 1, -1]), last([0, 1, 1, 1]))
    assert predicted.groups == {"cat": 1, "dog": 3, "skin light": 2, "skin dark": 1}


def arm(label: str, seeds: list[int], rounds: int = 2, n: int = 100) -> Arm:
    runs = [SimpleNamespace(seed=seed, metrics=[{"recall.a": Metric(0.5, n)}] * rounds) for seed in seeds]
    return Arm(label, runs)


def told(
    *arms: Arm, lines: list[RunLine] | None = None, predicted: list[Predicted] | None = None,
    labels: list[Labels] | None = None,
) -> dict[str, str]:  # fmt: skip
    said, given = predicted or [Predicted() for _ in labels or []], labels or [Labels() for _ in predicted or []]
    runs = [
        SimpleNamespace(
            directory=Path(f"run-{i}"), predicted=each, labels=of_run, manifest=SimpleNamespace(about={}), identity={}
        )
        for i, (each, of_run) in enumerate(zip(said, given, strict=True))
    ]
    return {caution.kind: caution.text for caution in cautions(runs, arms, lines or [], [])}


def line(state: str, reason: str = "", rounds: int = 3, segments: int = 1) -> RunLine:
    return RunLine("runs/a", "", 0, rounds, 3, state, reason, 1.0, segments)


def test_nothing_is_said_where_there_is_nothing_to_say():
    assert told(arm("a", [0, 1, 2, 3]), arm("b", [0, 1, 2, 3], n=30), lines=[line("finished")]) == {}


@pytest.mark.parametrize(
    ("arms", "kind", "words"),
    [
        ([arm("", [0])], "one-seed", "One seed alone (1 of 1 arm)"),
        ([arm("a", [0, 1, 2]), arm("b", [0, 1, 2, 3])], "few-seeds", "Fewer than 4 seeds (1 of 2 arms)"),
        ([arm("a", [0, 1, 2, 3]), arm("b", [0, 1, 2, 4])], "unpaired", "Arms have other seeds"),
        (
            [arm("a", [0, 1, 2, 3], n=29)],
            "small-samples",
            "metrics rest on fewer than 30 samples: recall.a (29)",
        ),
    ],
)
def test_seeds_and_samples_that_are_few_are_told(arms, kind, words):
    assert words in told(*arms)[kind]


@pytest.mark.parametrize(
    ("lines", "kind", "words"),
    [
        (
            [line("failed", "the loss is not finite"), line("finished")],
            "failed",
            "1 run failed: the loss is not finite.",
        ),
        ([line("stopped"), line("stopped")], "stopped", "2 runs stopped before the end"),
        ([line("running")], "running", "still running"),
        ([line("finished", segments=2)], "segments", "1 run made in several segments"),
        ([line("stopped", rounds=0)], "empty", "1 run without a finished round"),
    ],
)
def test_runs_that_did_not_end_or_not_in_one_are_told(lines, kind, words):
    assert words in told(lines=lines)[kind]


def test_groups_that_are_few_in_any_run_are_told_once():
    many, few = Predicted(groups={"cat": 40, "skin dark": 30}), Predicted(groups={"cat": 45, "skin dark": 7})
    assert "in 1 of 2 classes and groups: skin dark (7)" in told(predicted=[many, few, many])["small-groups"]
    assert "small-groups" not in told(predicted=[many, many])


def test_model_labels_whose_truth_nobody_knows_are_told():
    none, some = Labels({1: Entered(5, 20, 0)}), Labels({1: Entered(5, 20, 12, 3)})
    texts, full = Labels({1: Entered(5, 20, 0, judged=False)}), Labels({0: Entered(9), 1: Entered(5, 20, 20, 3)})
    assert "No model label could be checked: all 40 went to rows" in told(labels=[none, none])["unchecked"]
    assert told(labels=[some, none])["unchecked"].startswith("28 of 40 model labels could not be checked")
    assert "unchecked" not in told(labels=[texts, full])


def test_a_run_that_was_stopped_in_its_middle_is_reported_as_far_as_it_is(before):
    said = kinds(before / "images" / "stopped")
    assert {"stopped", "one-seed"} <= said.keys()
    assert "finished" not in said


def test_damaged_runs_are_told_apart_and_the_others_reported(study, tmp_path):
    shutil.copytree(study, tmp_path / "toy")
    first, *_ = find_runs(tmp_path / "toy")
    (first / "round-0001.h5").write_bytes(b"no store")
    made = gather([tmp_path / "toy"], Asked(Options(Path("data")), samples=0))
    assert list(made.unread) == [str(first)]
    assert len(made.studies[0].runs) == 5
    assert "round-0001.h5 has 8 bytes instead of" in page(made).decode()


def test_where_no_run_can_be_read_nothing_is_written(study, tmp_path):
    shutil.copytree(find_runs(study)[0], tmp_path / "seed-0")
    (tmp_path / "seed-0" / "round-0000.h5").unlink()
    with pytest.raises(StoreError, match=r"round-0000\.h5 is missing; type: biasloop runs repair"):
        gather([tmp_path], Asked(Options(Path("data"))))
    with pytest.raises(InvalidInput, match="there is no run at"):
        gather([tmp_path / "nowhere"], Asked(Options(Path("data"))))


def test_a_run_with_what_no_biasloop_writes_is_told_apart(before, tmp_path):
    """Numbers of classes beyond the names, in a round whose digest was made to fit."""
    shutil.copytree(before / "images" / "unbroken" / "seed-0", tmp_path / "seed-0")
    path = tmp_path / "seed-0" / "round-0002.h5"
    record = path.read_bytes()
    path.write_bytes(record[: len(record) // 2])
    manifest = json.loads((tmp_path / "seed-0" / NAME).read_text())
    del manifest["sha256"]
    for file in manifest["files"]:
        if file["name"] == path.name:
            file |= {"bytes": path.stat().st_size, "sha256": sha256(path.read_bytes())}
    (tmp_path / "seed-0" / NAME).write_text(json.dumps(manifest))
    made = gather([tmp_path, before / "images" / "unbroken"], Asked(Options(Path("data")), samples=0))
    assert list(made.unread) == [str(tmp_path / "seed-0")]


def test_a_run_without_a_finished_round_is_reported_as_one(place, tmp_path, study):
    shutil.copytree(find_runs(study)[0], tmp_path / "seed-0")
    manifest = json.loads((tmp_path / "seed-0" / NAME).read_text())
    del manifest["sha256"], manifest["about"]["finished"]
    manifest["files"] = [file for file in manifest["files"] if file["name"] == "setup.h5"]
    (tmp_path / "seed-0" / NAME).write_text(json.dumps(manifest))
    made = gather([tmp_path], Asked(Options(Path("data"))))
    assert made.studies[0].results is None
    assert {caution.kind for caution in made.studies[0].cautions} == {"stopped", "empty"}
    assert "What was run" in page(made).decode()
