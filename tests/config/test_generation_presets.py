"""The presets of generations against the table of what was published (Wyllie et al. 2024)."""

import json

import numpy as np
import pytest

from biasloop.config import presets
from biasloop.config.validation import arms_of, validate
from biasloop.errors import InvalidInput, SomethingToFetch
from biasloop.report.arms import Measured, open_runs
from biasloop.report.figures import layouts, of_runs
from biasloop.running.engine import Options, about, prepare, run
from biasloop_generators.config import Config
from biasloop_generators.recipes import classifier_recipe, generator_recipe

# Data set: (name, training images, generator, classifier, generator's batch, classifier's batch), budgets of STAR for
# classifiers and for generators, generations.
DATA = {
    "cmnist": ("colored-mnist", 50_001, "vae", "SimpleCNN", 256, 256, 64, 64, 40),
    "svhn": ("colored-svhn", 52_327, "svhnvae", "resnet20", 128, 32, 8, 32, 40),
    "celeba": ("celeba", 162_770, "testvae", "resnet20", 64, 128, 32, 16, 8),
    "fairface": ("fairface", 75_790, "testvae", "resnet20", 256, 256, 64, 64, 8),
}
SETTINGS = {
    "mc": {},
    "mc-nonseq": {"labels": "annotator"},
    "mc-clastar": {"star": "classifier"},
    "mc-genstar": {"star": "generator"},
    "seqclass": {"generator": "frozen"},
    "seqclass-star": {"generator": "frozen", "star": "classifier"},
}
SEEDS = {
    "cmnist": dict.fromkeys(SETTINGS, "0-24"),
    "svhn": dict.fromkeys(SETTINGS, "0-9"),
    "celeba": {"mc": "0-9", "mc-clastar": "0-5", "mc-genstar": "0-7", "seqclass": "0-4", "seqclass-star": "0-4"},
    "fairface": dict.fromkeys(("mc", "mc-clastar", "mc-genstar"), "0-4"),
}
RELEASED = {
    "mc": "MC", "mc-nonseq": "NOSEQ_MC", "mc-clastar": "ARCLA", "mc-genstar": "ARGEN", "seqclass": "NOMC25",
    "seqclass-star": "ARNOMC25",
}  # fmt: skip
KEYS = {"cmnist": "ColoredMNIST", "svhn": "SVHN", "celeba": "celeba"}
ROWS = [(data, setting) for data in SEEDS for setting in SEEDS[data]]
SHARES = {f"ffl-cmnist-syn{share}": share for share in range(0, 101, 10)}
GREENS = {f"ffl-cmnist-grp{share}": share for share in range(50, 96, 5)}
DIGITS = {f"ffl-cmnist-lab{digit}": digit for digit in range(10)}
HALVES = {
    "ffl-cmnist-half-none": {"synthetic": 0.5},
    "ffl-cmnist-half-clastar": {"synthetic": 0.5, "star": "classifier"},
    "ffl-cmnist-half-genstar": {"synthetic": 0.5, "star": "generator"},
    "ffl-cmnist-seqclass-half-none": {"generator": "frozen", "classifier_synthetic": 0.5},
    "ffl-cmnist-seqclass-half-clastar": {"generator": "frozen", "classifier_synthetic": 0.5, "star": "classifier"},
}
NAMES = [*(f"ffl-{data}-{setting}" for data, setting in ROWS), *SHARES, *GREENS, *DIGITS, *HALVES, "ffl-smoke"]
LOOP = {
    "rule": "generations", "generator": "sequential", "labels": "sequential", "synthetic": 1.0,
    "classifier_synthetic": 1.0, "star": "none", "star_refill": "single", "star_ideal": [],
}  # fmt: skip


def read(name):
    ((_, experiment),) = arms_of(presets.read(name))
    return experiment


def loop_of(experiment, expected):
    found = experiment.loop.model_dump()
    return {key: found[key] for key in expected}


def test_every_row_of_the_table_is_there_and_nothing_else():
    assert {name for name in presets.files() if name.startswith("ffl-")} == set(NAMES)
    assert len(NAMES) == 6 + 6 + 5 + 3 + 11 + 10 + 10 + 5 + 1


@pytest.mark.parametrize(("data", "setting"), ROWS)
def test_preset_is_the_published_row(data, setting):
    experiment = read(f"ffl-{data}-{setting}")
    name, _, generator, classifier, batch, own, classifier_budget, generator_budget, generations = DATA[data]
    star = SETTINGS[setting].get("star")
    budget = {"classifier": classifier_budget, "generator": generator_budget}.get(star, experiment.loop.star_budget)
    expected = LOOP | SETTINGS[setting] | {"rounds": generations, "star_budget": budget}
    assert loop_of(experiment, expected) == expected
    settings = experiment.domain.settings
    assert (settings["data"], settings["generator"], settings["classifier"]) == (name, generator, classifier)
    assert (settings["generator_batch"], settings["classifier_batch"]) == (batch, own)
    assert (settings["generator_epochs"], settings["classifier_epochs"]) == (30, 30)
    assert experiment.seeds == SEEDS[data][setting]
    assert experiment.compat == settings["compat"] == "fixed"
    if data in ("cmnist", "svhn"):
        assert (settings["green"], settings["threshold"], settings["test_bias"]) == ([0.3, 0.7], 5, "as-released")
    identifier = "AR" if (data, setting) == ("cmnist", "mc-clastar") else RELEASED[setting]
    assert experiment.plot.published == (f"{KEYS[data]}|{identifier}" if data in KEYS else None)
    assert experiment.parameters == (None if data in KEYS else "ours")
    if data in KEYS:
        assert experiment.source.startswith(f"Wyllie et al. 2024, released settings {identifier}")
    assert ("classifier depth and learning rate are ours" in experiment.source) == (data in ("svhn", "celeba"))


@pytest.mark.parametrize("data", DATA)
def test_fits_have_the_published_steps_and_batches(data):
    config = Config.model_validate({**read(f"ffl-{data}-mc").domain.settings, "path": None})
    images, batch, own = DATA[data][1], DATA[data][4], DATA[data][5]
    steps = -(-images // batch)
    assert steps == {"cmnist": 196, "svhn": 409, "celeba": 2544}.get(data, steps)
    plain, star = classifier_recipe(config, images), classifier_recipe(config, images, star=True)
    # Without STAR those of the generator.
    assert (plain.epoch_steps, plain.batch_size) == (star.epoch_steps, batch) == (steps, batch)
    assert (star.batch_size, star.last_size) == (own, own)
    last = images - (steps - 1) * batch
    assert plain.last_size == last == {"cmnist": 81, "svhn": 103, "celeba": 18}.get(data, last)
    generator = generator_recipe(config, images)
    assert (generator.epoch_steps, generator.batch_size, generator.last_size) == (steps, batch, last)
    rate = {"cmnist": ("adam", 1e-3, 1e-5), "svhn": ("adamw", 1e-3, 1e-2), "celeba": ("adam", 1e-4, 0.0)}.get(data)
    assert rate in (None, (generator.optimizer, generator.learning_rate, generator.weight_decay))
    assert (plain.optimizer, plain.learning_rate) == ("sgd", 0.1)


@pytest.mark.parametrize("name", [*SHARES, *GREENS, *DIGITS, *HALVES])
def test_ablation_changes_one_thing(name):
    base, found = read("ffl-cmnist-mc"), read(name)
    changed = {key: value for key, value in found.domain.settings.items() if value != base.domain.settings[key]}
    loop = {key: value for key, value in found.loop.model_dump().items() if value != getattr(base.loop, key)}
    if name in SHARES:
        share = SHARES[name]
        assert (changed, loop) == ({}, {} if share == 100 else {"synthetic": pytest.approx(share / 100)})
        assert found.plot.published == f"ColoredMNIST|syn{share}"
    elif name in HALVES:
        assert (changed, loop) == ({}, HALVES[name])
    else:
        # The released data of these are void, so nothing is reproduced and the test set is even, as was intended.
        assert changed.pop("test_bias", "kept") is None
        if name in GREENS:
            share = GREENS[name] / 100
            assert changed.pop("green", base.domain.settings["green"]) == pytest.approx([1 - share, share])
        else:
            assert changed.pop("threshold", base.domain.settings["threshold"]) == DIGITS[name]
        assert (changed, loop) == ({}, {})
        assert "void" in found.source
    assert found.seeds == ("0-9" if name in HALVES else "0-4")
    assert found.parameters == ("ours" if name in HALVES else None)
    assert (found.plot.published is None) == (name not in SHARES)
    assert ("unpublished" in found.source) == (name in HALVES)


def test_every_published_curve_goes_with_one_preset():
    named = [read(name).plot.published for name in NAMES]
    path = presets.packaged() / "published" / "wyllie2024.json"
    curves = {key.rpartition("|")[0] for key in json.loads(path.read_text())["curves"]}
    assert sorted(filter(None, named)) == sorted(curves)


@pytest.mark.parametrize("name", NAMES)
def test_mini_needs_no_download_and_is_small(name, tmp_path):
    full, mini = read(name), read(f"{name}-mini")
    large, small = full.domain.settings, mini.domain.settings
    assert (small["data"], small["path"]) == ("colored-fashion", None)
    prepared = prepare(mini, 0, Options(tmp_path, device="cpu", threads=1))  # refuses what has to be fetched
    assert prepared.rule.expected_rounds() == mini.loop.rounds <= 3
    if mini.loop.star != "none":
        quotas = mini.loop.reparation().quotas(small["classifier_batch"], 4)
        assert min(quotas) >= 1
        assert mini.loop.star_budget * 4 == small["classifier_batch"]
    assert mini.plot.published is None  # its curves are of other data
    for setting in ("threshold", "green"):
        assert small[setting] == large[setting]
    for setting in ("generator", "labels", "synthetic", "classifier_synthetic", "star", "star_refill"):
        assert getattr(mini.loop, setting) == getattr(full.loop, setting)
    passes = small["images"] * mini.loop.rounds * (small["generator_epochs"] + small["classifier_epochs"])
    assert passes <= 35_000


def test_what_has_to_be_fetched_or_is_a_persons_own_is_told_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = Options(tmp_path / "data", device="cpu", threads=1)
    with pytest.raises(SomethingToFetch, match="biasloop fetch mnist"):
        prepare(read("ffl-cmnist-mc"), 0, options)
    for data in ("celeba", "fairface"):
        with pytest.raises(InvalidInput, match=rf"domain\.path is 'data/{data}', and there is no such folder"):
            prepare(read(f"ffl-{data}-mc"), 0, options)


def test_parameters_that_are_ours_are_listed_and_kept_with_a_run(cli):
    listed = {one.name: one.parameters for one in presets.listing() if one.name.startswith("ffl-")}
    ours = {name for name, parameters in listed.items() if parameters == "ours"}
    assert ours == {*HALVES, *(f"ffl-fairface-{setting}" for setting in SEEDS["fairface"])}
    assert {parameters for name, parameters in listed.items() if name not in ours} == {""}
    shown = cli("presets").stdout.splitlines()
    assert all("parameters: ours" in line for line in shown if "ffl-fairface" in line)
    assert not any("parameters: ours" in line for line in shown if "ffl-celeba" in line)
    assert about(read("ffl-cmnist-half-none"))["parameters"] == "ours"
    assert "parameters" not in about(read("ffl-cmnist-mc"))
    with pytest.raises(InvalidInput, match=r"parameters = \"theirs\""):
        validate(presets.read("ffl-smoke").override({("parameters",): "theirs"}, "--set"))


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """The smallest run, with STAR for generators too."""
    place = tmp_path_factory.mktemp("smoke")
    changed = presets.read("ffl-smoke-mini").override({("loop", "star"): "both", ("domain", "images"): 64}, "--set")
    options = Options(place / "data", device="cpu", threads=1)
    return run(prepare(validate(changed), 0, options), place / "runs" / "seed-0", options).directory


def test_a_mini_runs_and_the_page_of_it_shows_everything(smoke):
    path = presets.packaged() / "figures" / "ffl-single.toml"
    figure = of_runs.single(path, [smoke])
    # A ratio of rates that are all 0 is no number, nor is the margin of no sample.
    assert set(figure.left_out) <= {"Demographic parity ratio", "Equalised odds ratio", "Group annotator's margin"}
    assert figure.layout.source.startswith("after Wyllie et al. 2024, Cla-STAR: settings ours, with small")
    panels = {panel.y_label or panel.title: panel for row in figure.rows for panel in row}
    assert [one.label for one in panels["Selection rate by group"].series] == ["green", "red"]
    resampled = {one.label: one.values[0] for one in panels["STAR: share of places resampled"].series}
    (stored,) = open_runs([smoke])
    for kind, label in (("classifier", "of classifiers"), ("generator", "of generators")):
        table = stored.read("round-0001").frames[f"{kind}.star"]
        assert resampled[label][1] == pytest.approx(table["shortfall"].mean() / 16)  # images a batch
    assert np.isnan(resampled["of generators"][0])  # the first generator sees natural images alone


def test_every_metric_of_the_presets_and_figures_is_measured(smoke):
    (stored,) = open_runs([smoke])
    known = {name for row in Measured.read(stored).metrics for name in row}
    for name in NAMES:
        assert set(read(f"{name}-mini").plot.series) <= known, name
    for path in (presets.packaged() / "figures").glob("ffl-*.toml"):
        for panel in (panel for row in layouts.read(path).panels for panel in row):
            for metric in panel.named.values():
                plain = metric.removesuffix(".*").removesuffix("[1]")
                assert metric.startswith("star.") or any(
                    name == plain or name.startswith(f"{plain}.") for name in known
                )
