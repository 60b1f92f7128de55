"""Runs over biased data as the published code's file of results."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest

from biasloop.contract.data import Column, Evaluation, Frame
from biasloop.errors import InvalidInput
from biasloop.records.record import Record
from biasloop_images.biased.released import COLUMNS, FILE, export
from biasloop_images.config import Config

GOLDEN = json.loads((Path(__file__).parent / "images_biased_golden.json").read_text())["bias_amp_from_samples"]
BIAS = {"epsilon": 30, "assignment": 3}


def evaluation(prediction, confidence):
    columns = {"prediction": Column(np.array(prediction)), "confidence": Column(np.array(confidence, np.float32))}
    return Evaluation({}, {"test": Frame(columns)})


def kept(target, group, classes=2, groups=2):
    table = Frame({"target": Column(np.array(target)), "group": Column(np.array(group))})
    names = {"classes": classes, "groups": groups}
    frames = {f"vocabulary.{kind}": Frame({"name": Column.text(["x"] * n)}) for kind, n in names.items()}
    frames["vocabulary.sources"] = Frame({"name": Column.text([f"class {n}" for n in range(10)])})
    return Record(evaluations={"test": Evaluation({}, {"test": table})}, frames=frames)


def step(test, epochs=3, snapshots=()):
    curve = Frame({"epoch": Column(np.arange(1.0, epochs + 1))})
    evaluations = {"test": test} | {f"epoch-{epoch:04}": found for epoch, found in snapshots}
    return Record(evaluations=evaluations, frames={"fit.curve": curve})


def rows(config, setup, later):
    header, *found = export(config, "run_0", setup, later)[FILE]
    return [dict(zip(header, row, strict=True)) for row in found]


@pytest.mark.parametrize(
    ("swap", "task", "attribute", "predicted", "golden"),
    [
        (False, "class", "inverted", "pred_class", "standard_attr_inverted_task_class"),
        (True, "inverted", "class", "pred_inverted", "swapped_attr_class_task_inverted"),
    ],
)
def test_golden_samples(swap, task, attribute, predicted, golden):
    target, group, prediction = (np.array(GOLDEN[name]) for name in (task, attribute, predicted))
    found = step(evaluation(prediction, np.full(len(target), 0.75)), epochs=10)
    config = Config.model_validate({"bias": {**BIAS, "swap": swap}, "network": "cifar-resnet", "depth": 14})
    (row,) = rows(config, kept(target, group), [found])
    assert tuple(row) == COLUMNS
    assert row["biasamp"] == pytest.approx(GOLDEN[golden]["bias_amp"], abs=1e-12)
    names = (0, 1) if swap else ("a", "b")
    cells = [[row["biasamp_breakdown"][str((a, t))] for t in (0, 1)] for a in names]
    assert np.allclose(cells, GOLDEN[golden]["cells"], atol=1e-12)
    right = prediction == target
    for a, name in enumerate(names):
        for t in (0, 1):
            own = (group == a) & (target == t)
            assert row["accuracy_breakdown"][str((name, t))] == pytest.approx(right[own].mean(), abs=1e-12)
    assert row["acc@1"] == right.mean()
    assert row["ece"] == row["mce"] == pytest.approx(abs(right.mean() - 0.75), abs=1e-12)
    assert row["count_bins"] == [0] * 11 + [400] + [0] * 3
    assert (row["epsilon"], row["train_seed"], row["test_seed"]) == (30, 500_000, 100_000)
    assert row["checkpoint_number"] == 18  # the 10th epoch's test phase, phases counted from 0
    assert row["json_templates"] == "cifar-resnet_depth14_width16_wd0.0005"


def test_every_checkpoint_and_round_is_a_row():
    target = [0, 1, 0, 1]
    ends = evaluation(target, [0.9] * 4)
    early = evaluation([1, 0, 1, 0], [0.6] * 4)
    settings = {"bias": {**BIAS, "attribute": "overlay", "eta": 12.5}}
    later = [step(ends, 500, [(10, early), (20, early), (500, ends)]), step(ends, 500)]
    found = rows(Config.model_validate(settings), kept(target, [0, 0, 1, 1]), later)
    assert [row["checkpoint_number"] for row in found] == [18, 38, 998, 998]
    assert [row["name"] for row in found] == ["run_0_round0"] * 3 + ["run_0_round1"]
    assert [row["acc@1"] for row in found] == [0, 0, 1, 1]
    assert {row["eta"] for row in found} == {12.5}
    # The fourth published overlay blends classes 9 and 6 in; rows are by the number of that class and by task.
    assert list(found[0]["biasamp_breakdown"]) == ["(9, 0)", "(9, 1)", "(6, 0)", "(6, 1)"]
    assert list(found[0]["accuracy_breakdown"]) == ["(9, 0)", "(9, 1)", "(6, 0)", "(6, 1)"]


def test_groups_of_named_classes_have_the_number_of_their_first_class():
    bias = {"attribute": "overlay", "eta": 50, "epsilon": 30, "tasks": [["class 4"], ["class 0"]],
            "groups": [["class 7", "class 2"], ["class 3"]]}  # fmt: skip
    (row,) = rows(Config.model_validate({"bias": bias}), kept([0, 1], [0, 1]), [step(evaluation([0, 1], [0.9] * 2))])
    assert list(row["biasamp_breakdown"]) == ["(7, 0)", "(7, 1)", "(3, 0)", "(3, 1)"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bias-amp-cifar100-depth_0", 14),
        ("bias-amp-cifar100-depth-domain.bias.epsilon=10_0", 14),
        ("bias-amp-cifar100-width-domain.width=4_3", 4),
        ("bias-amp-cifar100-weight-decay-domain.weight_decay=0.0001_0", 1e-4),
        ("mine-domain.depth=14_0", 14),
        ("bias-amp-cifar100-train-size_0", "cifar-resnet_depth14_width4_wd0.0001"),
    ],
)
def test_the_template_of_a_study_of_a_number_is_that_number(name, expected):
    settings = {"bias": BIAS, "network": "cifar-resnet", "depth": 14, "width": 4, "weight_decay": 1e-4}
    files = export(Config.model_validate(settings), name, kept([0, 1], [0, 1]), [step(evaluation([0, 1], [0.9] * 2))])
    header, row = files[FILE]
    assert dict(zip(header, row, strict=True))["json_templates"] == expected


def test_sizes_are_a_column_and_empty_cells_are_nan():
    config = Config.model_validate({"bias": {**BIAS, "fraction": 0.1}})
    (row,) = rows(config, kept([0, 0, 1, 1], [0, 0, 1, 1]), [step(evaluation([0, 0, 1, 1], [1.0] * 4))])
    assert row["dataset_size"] == 0.1
    assert np.isnan(row["accuracy_breakdown"]["('a', 1)"])


def test_what_the_file_cannot_hold_is_refused():
    with pytest.raises(InvalidInput, match=r"this run has none \(domain\.bias\)"):
        export(Config.model_validate({}), "run_0", kept([0], [0]), [])
    with pytest.raises(InvalidInput, match="two tasks and two groups, and this run has 3 and 2"):
        export(Config.model_validate({"bias": BIAS}), "run_0", kept([0], [0], classes=3), [])


def test_the_text_of_a_file_reads_back(tmp_path):
    """Through the engine and the command line: two runs in one file, lists and tables as Python text."""
    import csv
    from contextlib import chdir

    from typer.testing import CliRunner

    from biasloop.cli.main import app

    preset = tmp_path / "tiny.toml"
    preset.write_text(
        'extends = "bias-amp-fashion-epsilon"\n[domain]\ndata = "fashion-mnist-t10k"\ntest = 9600\nwidth = 1\n'
        'epochs = 2\nbatch_size = 100\n[loop]\nsnapshots = 1\n[grid]\n"domain.bias.epsilon" = [20, 50]\n'
        '"domain.bias.assignment" = [0]\n'
    )
    with chdir(tmp_path):
        for arguments in (["loop", "--preset", str(preset), "--threads", "1"], ["export", "runs/tiny", "--format"]):
            more = ["bias-amp"] if arguments[0] == "export" else []
            result = CliRunner().invoke(app, [*arguments, *more])
            assert result.exit_code == 0, result.output
        with Path("exports", FILE).open(newline="") as file:
            found = list(csv.DictReader(file))
    assert [(row["epsilon"], row["checkpoint_number"]) for row in found] == [
        (epsilon, number) for epsilon in ("20", "50") for number in ("0", "2")
    ]
    for row in found:
        assert sum(ast.literal_eval(row["count_bins"])) == 9600
        assert row["bins"] == "15"
        assert set(ast.literal_eval(row["biasamp_breakdown"])) == {str((a, t)) for a in "ab" for t in (0, 1)}
        assert float(row["biasamp"]) <= 0.5
    assert float(found[3]["biasamp"]) <= 1e-12  # nothing above full dependence
