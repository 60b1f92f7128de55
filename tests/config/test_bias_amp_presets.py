"""The presets of the bias amplification study against its table of experiments (Hall et al. 2022, released code)."""

from pathlib import Path

import numpy as np
import pytest

from biasloop.config import presets
from biasloop.config.validation import arms_of, validate
from biasloop.errors import SomethingToFetch
from biasloop.report.arms import arms, open_runs
from biasloop.report.figures import metric_by_setting, of_runs
from biasloop.running.engine import Options, prepare, run

RECIPE = {
    "epochs": 500, "batch_size": 128, "learning_rate": 0.1, "momentum": 0.9, "nesterov": False, "weight_decay": 1e-4,
    "decay_norms": False, "schedule": "steps", "warm_up_whole_epochs": True, "test": "published",
    "precision": "float32",
}  # fmt: skip
TENS = [0, 10, 20, 30, 40, 50]
EXPERIMENTS = {  # name: (data, trainings, what is varied, its values, epsilons, assignments)
    "fashion-epsilon": ("fashion-mnist", 220, None, None, [*range(0, 51, 5)], 20),
    "cifar100-depth": (
        "cifar100", 1440, "depth", [8, 14, 20, 26, 32, 38, 44, 50, 56, 74, 92, 110], TENS, 20,
    ),
    "cifar100-width": ("cifar100", 600, "width", [4, 8, 16, 32, 64], TENS, 20),
    "cifar100-weight-decay": ("cifar100", 960, "weight_decay", np.logspace(-5, -2, 8).tolist(), TENS, 20),
    "cifar100-train-size": ("cifar100", 1200, "bias.fraction", [n / 10 for n in range(1, 11)], TENS, 20),
    "cifar100-swapped": ("cifar100", 300, None, None, TENS, 50),
    "cifar100-training-curve": ("cifar100", 120, None, None, TENS, 20),
    "cifar10-overlay": ("cifar10", 660, "bias.eta", [*range(0, 101, 10)], [20, 30, 40], 20),
}  # fmt: skip
NAMES = [f"bias-amp-{name}" for name in EXPERIMENTS]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_presets_are_the_published_experiments(name):
    data, trainings, varied, values, epsilons, assignments = EXPERIMENTS[name]
    preset = presets.read(f"bias-amp-{name}")
    grid = preset.values["grid"]
    assert np.prod([len(own) for own in grid.values()]) == trainings
    assert grid["domain.bias.epsilon"] == epsilons
    assert grid["domain.bias.assignment"] == [*range(assignments)]
    if varied is not None:
        assert np.allclose(grid[f"domain.{varied}"], values, rtol=1e-12)
    domain = validate(preset).domain.model_dump()
    assert {key: domain[key] for key in RECIPE} == RECIPE
    assert domain["data"] == data
    grey = data == "fashion-mnist"
    assert domain["network"] == ("fashion-resnet" if grey else "cifar-resnet")
    assert domain["width"] == (64 if grey else 16)
    assert domain["depth"] == (None if grey else 110)
    assert domain["augment"] == {"padding": 0 if grey else 4, "flip": True, "resized": True}
    assert domain["bias"]["swap"] == (name == "cifar100-swapped")
    assert domain["epochs_for"] == (50_000 if name == "cifar100-train-size" else None)


def test_checkpoints_are_measured_where_they_were():
    measured = {name: validate(presets.read(f"bias-amp-{name}")).loop.snapshots for name in EXPERIMENTS}
    every_ten = {"cifar100-depth", "cifar100-swapped", "cifar100-training-curve"}
    assert measured == {name: 10 if name in every_ten else None for name in EXPERIMENTS}


@pytest.mark.parametrize("name", NAMES)
def test_each_experiment_has_a_loop_and_minis(name):
    loop = validate(presets.read(f"{name}-loop"))
    assert loop.domain.settings["precision"] == "float32"
    assert loop.parameters == "ours"
    assert loop.loop.rounds > 1
    assert loop.loop.model > loop.loop.human > 0
    for mini in (f"{name}-mini", f"{name}-loop-mini"):
        found = arms_of(presets.read(mini))
        assert 2 <= len(found) <= 12
        assert {experiment.domain.settings["data"] for _, experiment in found} == {"fashion-mnist-t10k"}


@pytest.mark.parametrize("name", ["bias-amp-cifar100-depth", "bias-amp-cifar10-overlay-loop"])
def test_what_has_to_be_fetched_is_said_first(name, tmp_path):
    with pytest.raises(SomethingToFetch, match="biasloop fetch cifar10"):
        prepare(validate(presets.read(name)), 0, Options(tmp_path))


SMALL = {("domain", "test"): 9_700, ("domain", "width"): 1, ("domain", "epochs"): 1, ("domain", "epochs_for"): 100}


def made(name, place, count=2, **loop):
    """The first runs of a mini, made still smaller."""
    changes = SMALL | {("loop", key): value for key, value in loop.items()}
    found = arms_of(presets.read(name).override(changes, "test"))
    for number, (_, experiment) in enumerate(found[:count]):
        run(prepare(experiment, 0, Options(Path("unused"), threads=1)), place / f"{number}", Options(Path("unused")))
    return open_runs([place])


@pytest.mark.parametrize("name", ["cifar100-train-size", "cifar10-overlay"])
def test_minis_run_and_are_drawn_against_their_setting(name, tmp_path):
    runs = made(f"bias-amp-{name}-mini", tmp_path)
    against = of_runs.against_setting(runs, None, None, [])
    assert len(against.panels) == 3
    found = metric_by_setting.responses(runs, runs[0].manifest.about["plot"]["x"], ["domain.bias.assignment"])
    for one in found:
        for metric in ("bias_amp", "accuracy", "ece"):
            assert np.isfinite(one.values[metric]).any()


def test_loops_are_drawn_over_rounds_with_assignments_as_replicates(tmp_path):
    runs = made("bias-amp-fashion-epsilon-loop-mini", tmp_path, 2, start=100, human=10, model=40, rounds=2)
    (arm,) = arms(runs)
    assert len(arm.runs) == 2
    panel = of_runs.panel("", [arm], None)
    assert panel.series[0].values.shape == (2, 2)
    path = next(place / "figures" / "bias-amp-loop.toml" for place in presets.search_path())
    figure = of_runs.single(path, [tmp_path])
    assert [panel.y_label for row in figure.rows for panel in row] == [
        "Bias amplification", "Test accuracy", "Dependence in predictions", "Calibration error (ECE)",
    ]  # fmt: skip
