"""The presets of text classification against the table of what was published (Bankes et al. 2024)."""

import numpy as np
import pytest

from biasloop.config import presets
from biasloop.config.validation import arms_of, validate
from biasloop.contract.data import Samples
from biasloop.contract.domains import Demands
from biasloop.errors import SomethingToFetch
from biasloop.running.engine import Options, build_domain, prepare

PUBLISHED = {  # weight decay, epochs and weight decay of class-irreducible models
    "mnli": (0.0, 10, 0.0),
    "qqp": (0.01, 30, 0.0),
}
NAMES = [*PUBLISHED, *(f"{name}-released" for name in PUBLISHED)]


def experiments(name):
    return [experiment for _, experiment in arms_of(presets.read(name))]


@pytest.mark.parametrize("name", PUBLISHED)
def test_presets_are_the_published_rows(name):
    decay, epochs, irreducible_decay = PUBLISHED[name]
    experiment = validate(presets.read(f"reducr-{name}"))
    domain, selection = experiment.domain.settings, experiment.selection
    assert (domain["data"], domain["test"], domain["network"]) == (name, "published", "bert-base-uncased")
    assert (domain["epochs"], domain["batch_size"], domain["length"]) == (30, 32, 128)
    assert (domain["learning_rate"], domain["weight_decay"], domain["schedule"]) == (1e-6, decay, "constant")
    assert int(32 * selection.share + 1e-9) == 3
    assert selection.options["reducr"]["eta"] == 1e-4
    assert (selection.irreducible.gamma, selection.irreducible.models) == (4, "each")
    changes = selection.irreducible.domain
    assert (changes["epochs"], changes.get("weight_decay", decay)) == (epochs, irreducible_decay)
    assert (experiment.seeds, experiment.loop.start, experiment.loop.rounds) == ("0-4", "all", 1)
    made = experiments(f"reducr-{name}")
    assert [arm.selection.name for arm in made] == ["uniform", "train-loss", "rho", "reducr"]
    assert {arm.selection.best for arm in made} == {"worst_class"}
    assert len({str({**arm.domain.settings}) for arm in made}) == 1


def test_as_released_methods_differ_in_what_the_released_settings_differ_in():
    rates = {arm.arm: arm.domain.settings["learning_rate"] for arm in experiments("reducr-mnli-released")}
    assert rates == {"uniform": 2e-5, "train loss": 2e-5, "RHO-Loss": 2e-5, "REDUCR": 1e-6}
    sizes = {arm.arm: arm.domain.settings["batch_size"] for arm in experiments("reducr-qqp-released")}
    assert sizes == {"uniform": 320, "train loss": 320, "RHO-Loss": 320, "REDUCR": 32}
    for name in PUBLISHED:
        made = experiments(f"reducr-{name}-released")
        assert {(arm.selection.scoring, arm.selection.irreducible.gamma) for arm in made} == {("train", 9)}


@pytest.mark.parametrize("name", NAMES)
def test_minis_are_of_embedded_data_and_pass_every_check(name, tmp_path):
    for experiment in experiments(f"reducr-{name}-mini"):
        settings = experiment.domain.model_dump(exclude_none=True)
        assert (settings["data"], settings["network"]) == ("sotu-halves", "small")
    domain = build_domain(settings, 0, Options(tmp_path))
    domain.check(Demands())
    holdout = domain.splits().holdout
    human = Samples(holdout, np.zeros(len(holdout), np.bool_), domain.human_labels(holdout))
    assert len(np.unique(domain.categories(human))) == len(domain.category_names()) == 2


@pytest.mark.parametrize("name", NAMES)
def test_what_has_to_be_fetched_is_said_first(name, tmp_path):
    with pytest.raises(SomethingToFetch, match=rf"(?s){name.partition('-')[0]}.*bert-base-uncased|fetch"):
        prepare(validate(presets.read(f"reducr-{name}")), 0, Options(tmp_path))


def test_the_quickstart_buys_a_fifth_a_half_or_all_of_its_labels():
    made = experiments("quickstart-textclass")
    assert [(arm.loop.human, arm.loop.model) for arm in made] == [(20, 80), (50, 50), (100, 0)]
    assert {arm.domain.settings["data"] for arm in made} == {"sotu-halves"}
