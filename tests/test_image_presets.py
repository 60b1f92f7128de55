"""The presets of image classification against the table of what was published."""

import pytest

from biasloop import datasets, presets
from biasloop.report import plots
from biasloop.validation import validate

CHANGES = {
    "fig3-top": {},
    "fig3-bottom": {"keep": "subsample"},
    "fig9": {"network": "resnet18", "batch_size": 128, "epochs": "by-size-doubled", "learning_rate": 0.1,
             "nesterov": False, "schedule": "cosine", "warm_up": 0.0},
    "fig10": {"data": "cinic10", "start": 20_000, "factor": 2, "rounds": 16},
    "fig11": {"factor": 2},
    "fig12": {"class": "ship"},
    "fig13": {"epochs": 5, "learning_rate": 0.1, "schedule": "plateau", "warm_up": 0.0},
    "fig14": {"start": 20_000},
}  # fmt: skip
DEFAULT = {
    "data": "cifar5m", "test": 50_000, "class": "dog", "factor": 9, "network": "baidunet9", "width": 64,
    "batch_size": 512, "epochs": "by-size", "learning_rate": 0.4, "momentum": 0.9, "nesterov": True,
    "weight_decay": 5e-4, "schedule": "triangle", "warm_up": 0.2, "warm_up_whole_epochs": True, "drop_last": True,
    "augment": {"padding": 4, "flip": True, "resized": False}, "start": 50_000, "rounds": 90, "keep": "all",
}  # fmt: skip
SIDES = {"left": (1_000, 4_000), "right": (2_500, 2_500)}
NAMES = [f"{figure}-{side}" for figure in CHANGES for side in SIDES]
FIGURES = ["fig3", "fig7", "fig9", "fig10", "fig11", "fig12", "fig13", "fig14"]


def flat(experiment):
    settings = experiment.domain.settings
    return settings | settings["imbalance"] | experiment.loop.model_dump()


@pytest.mark.parametrize("figure", CHANGES)
@pytest.mark.parametrize("side", SIDES)
def test_preset_is_the_published_row(figure, side):
    experiment = validate(presets.read(f"{figure}-{side}"))
    human, model = SIDES[side]
    expected = DEFAULT | {"human": human, "model": model} | CHANGES[figure]
    found = flat(experiment)
    assert {name: found[name] for name in expected} == expected
    assert experiment.seeds == "0-2"
    place = {"fig3-top": "3, top", "fig3-bottom": "3, bottom"}.get(figure, f"{figure.removeprefix('fig')},")
    assert experiment.source == f"Taori & Hashimoto 2022, figure {place} {side}"
    assert f"{experiment.loop.human / 50:.0f} % human-labelled" in experiment.summary
    assert experiment.bound is not None
    assert experiment.plot.labels["share_predicted"] == f"Share predicted as {found['class']}"


@pytest.mark.parametrize("name", NAMES)
def test_mini_needs_no_download_and_changes_sizes_alone(name, tmp_path):
    full, mini = validate(presets.read(name)), validate(presets.read(f"{name}-mini"))
    large, small = flat(full), flat(mini)
    assert datasets.get(small["data"]).present(tmp_path)
    assert (small["data"], small["shape"], small["width"]) == ("fashion-mnist-t10k", [32, 32, 3], 8)
    assert small["class"] in datasets.get(small["data"]).classes
    for setting in ("network", "factor", "keep", "schedule", "learning_rate", "nesterov", "drop_last"):
        assert small[setting] == large[setting]
    assert small["human"] / small["model"] == large["human"] / large["model"]
    assert mini.plot.labels["share_predicted"] == f"Share predicted as {small['class']}"
    pool = (1_998 if small["factor"] == 9 else 5_500) - small["test"]
    assert small["start"] + (small["rounds"] - 1) * (small["human"] + small["model"]) <= pool
    sizes = [mini.loop.trained(number) for number in range(small["rounds"])]
    assert sum(sizes) * small["epochs"] < 75_000  # images through the network: under three minutes


@pytest.mark.parametrize("figure", FIGURES)
def test_figure_is_laid_out_as_published(figure, tmp_path):
    drawn = plots.published(figure, plots.find_layout(figure), tmp_path)
    rows = drawn.layout.rows
    assert [len(row) for row in rows] == ([2, 2] if figure == "fig3" else [2])
    names = [name for row in rows for name in row]
    assert set(names) <= set(NAMES)
    assert drawn.missing == [f"biasloop loop --preset {name} --seeds 0-2" for name in names]
    assert drawn.layout.metric == ("accuracy" if figure == "fig7" else "share_predicted")
    assert "inferred" in drawn.layout.certainty


def test_figure_of_minis(tmp_path):
    name = "fig3-mini"
    drawn = plots.published(name, plots.find_layout(name), tmp_path)
    assert drawn.layout.rows[1] == ["fig3-bottom-left-mini", "fig3-bottom-right-mini"]
    assert drawn.missing[0] == "biasloop loop --preset fig3-top-left-mini --seeds 0-2"
    assert drawn.layout.source.startswith("after Taori & Hashimoto 2022, figure 3")
    assert plots.find_layout("fig2-mini") is None
