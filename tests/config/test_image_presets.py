"""The presets of image classification against the table of what was published."""

import pytest

from biasloop import datasets
from biasloop.config import presets
from biasloop.config.flatten import flatten
from biasloop.config.validation import arms_of, validate
from biasloop.errors import InvalidInput
from biasloop.report.figures import of_runs
from biasloop.running import engine

CHANGES = {
    "fig3-top": {},
    "fig3-bottom": {"keep": "subsample"},
    "fig9": {"network": "resnet18", "batch_size": 128, "epochs": "by-size-doubled", "learning_rate": 0.1,
             "nesterov": False, "schedule": "cosine", "warm_up": 0.0},
    "fig10": {"data": "cinic10", "start": 20_000, "factor": 2},
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


UNDERFITTED = {"epochs": 5, "learning_rate": 0.1, "schedule": "plateau", "warm_up": 0.0}


@pytest.mark.parametrize("side", SIDES)
def test_underfit_is_one_switch(side):
    """Over any preset of the study it gives the very run that the published variant is."""
    switched = presets.read(f"fig3-top-{side}").override({("domain", "underfit"): True}, "--set")
    assert validate(switched).identity(3) == validate(presets.read(f"fig13-{side}")).identity(3)
    settings = validate(switched).domain.settings
    assert {name: settings[name] for name in UNDERFITTED} == UNDERFITTED
    assert "underfit" not in settings  # a run made with the four settings goes on


def test_underfit_of_resnet18_is_5_epochs_of_its_own_schedule():
    plain = flat(validate(presets.read("fig9-left")))
    changed = flat(validate(presets.read("fig9-left").override({("domain", "underfit"): True}, "--set")))
    assert {name: value for name, value in changed.items() if value != plain[name]} == {"epochs": 5}


@pytest.mark.parametrize("order", [1, -1])
def test_underfit_beside_another_value_of_what_it_sets_is_refused(order, tmp_path):
    changes = [(("domain", "underfit"), True), (("domain", "epochs"), 7)][::order]
    with pytest.raises(InvalidInput, match=r"underfit = true stands for epochs = 5, and epochs = 7 is set beside it"):
        validate(presets.read("fig3-top-left").override(dict(changes), "--set"))
    lines = ["underfit = true", "schedule = 'cosine'"][::order]
    path = tmp_path / "mine.toml"
    path.write_text('extends = "fig3-top-left"\n[domain]\n' + "\n".join(lines))
    with pytest.raises(InvalidInput, match="stands for schedule = plateau"):
        validate(presets.read(str(path)))
    path.write_text('extends = "fig3-top-left"\n[domain]\nunderfit = true\n')
    with pytest.raises(InvalidInput, match="stands for learning_rate = 0.1"):
        validate(presets.read(str(path)).override({("domain", "learning_rate"): 0.2}, "--set"))
    assert validate(presets.read(str(path)).override({("domain", "epochs"): 5}, "--set"))


def test_underfit_of_another_network_is_refused_and_false_changes_nothing():
    with pytest.raises(InvalidInput, match="known of baidunet9 and resnet18"):
        validate(presets.read("quickstart").override({("domain", "underfit"): True}, "--set"))
    plain = presets.read("fig3-top-left")
    assert validate(plain.override({("domain", "underfit"): False}, "--set")) == validate(plain)


def test_a_grid_may_vary_underfit():
    arms = arms_of(presets.read("fig3-top-left-mini").vary({"domain.underfit": [False, True]}, "--grid"))
    assert [experiment.domain.settings["epochs"] for _, experiment in arms] == [15, 5]


@pytest.mark.parametrize("missing", [[], ["precision", "shape"], ["evaluation_batch", "compile", "decay_norms"]])
def test_a_run_goes_on_also_if_it_was_made_before_a_setting_was_there(missing, tmp_path):
    """With `augment` as a table, whose default is one value; of settings that the run lacks, the default counts."""
    changes = {("loop", "start"): 30, ("loop", "rounds"): 1, ("domain", "width"): 1, ("domain", "epochs"): 1}
    changes |= {("domain", "test"): 20}
    experiment = validate(presets.read("fig3-top-left-mini").override(changes, "test"))
    options = engine.Options(tmp_path / "data", device="cpu", threads=1)
    domain = engine.prepare(experiment, 0, options).domain
    identity = experiment.identity(0)
    older = {**identity, "domain": {name: value for name, value in identity["domain"].items() if name not in missing}}
    kept = {**engine.defaults(type(domain), experiment), **flatten(older)}
    differing = {
        name for name in kept.keys() | flatten(identity).keys() if kept.get(name) != flatten(identity).get(name)
    }
    assert differing == {f"domain.{name}" for name in missing} & {"domain.shape", "domain.evaluation_batch"}
    if not missing:
        for _ in range(2):
            outcome = engine.run(engine.prepare(experiment, 0, options), tmp_path / "run", options)
            assert outcome.rounds == 1


def test_the_reserve_decides_the_rounds_of_figure_10():
    experiment = validate(presets.read("fig10-left"))
    assert experiment.loop.rounds == 90
    pool = 148_500 - 50_000  # 27,000 of one class and 13,500 of each other
    left = pool - experiment.loop.start
    assert left // (experiment.loop.human + experiment.loop.model) + 1 == 16


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
    drawn = of_runs.published(figure, of_runs.find_layout(figure), tmp_path)
    rows = drawn.layout.rows
    assert [len(row) for row in rows] == ([2, 2] if figure == "fig3" else [2])
    names = [name for row in rows for name in row]
    assert set(names) <= set(NAMES)
    assert drawn.missing == [f"biasloop loop --preset {name} --seeds 0-2" for name in names]
    assert drawn.layout.metric == ("accuracy" if figure == "fig7" else "share_predicted")
    assert "inferred" in drawn.layout.certainty


def test_figure_of_minis(tmp_path):
    name = "fig3-mini"
    drawn = of_runs.published(name, of_runs.find_layout(name), tmp_path)
    assert drawn.layout.rows[1] == ["fig3-bottom-left-mini", "fig3-bottom-right-mini"]
    assert drawn.missing[0] == "biasloop loop --preset fig3-top-left-mini --seeds 0-2"
    assert drawn.layout.source.startswith("after Taori & Hashimoto 2022, figure 3")
    assert of_runs.find_layout("fig2-mini") is None
