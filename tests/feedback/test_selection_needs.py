"""What [selection] needs of selectors and domains is compared before anything is trained."""

import numpy as np
import pytest
from pydantic import ValidationError
from support.selecting_toy import CLASSES, LineDomain, line_experiment, line_prepared, walk

from biasloop.errors import InvalidInput, Mismatch
from biasloop.feedback.selecting import COLUMN


def prepared(selection):
    made = line_prepared(line_experiment(selection, {"rounds": 1}))
    made.rule.prepare()
    return made


@pytest.mark.parametrize("name", ["uniform", "irreducible"])
def test_a_proxy_of_a_selector_that_scores_by_no_model_is_refused(name):
    with pytest.raises(Mismatch, match=f"selection.proxy scores candidates .* selection.name = '{name}' scores by no"):
        prepared({"name": name, "proxy": {"shift": 1.0}})
    without = {"reducr": {"model_loss": False, "clip": False}}
    with pytest.raises(Mismatch, match="scores by no model that is being trained"):
        prepared({"name": "reducr", "options": without, "proxy": {"shift": 1.0}})


@pytest.mark.parametrize("name", ["train-loss", "gradient-norm", "rho", "reducr", "bald"])
def test_a_proxy_of_any_other_selector_is_taken(name):
    prepared({"name": name, "proxy": {"shift": 1.0}})


@pytest.mark.parametrize("name", ["reducr", "payoff", "irreducible", "boltzmann-rho"])
def test_models_go_on_learning_for_the_published_selectors_alone(name):
    with pytest.raises(
        Mismatch, match=f"known of the selectors 'rho' and 'fixed-weights', and selection.name = '{name}'"
    ):
        prepared({"name": name, "irreducible": {"updating": 0.01}})


def test_twins_do_not_go_on_learning():
    with pytest.raises(ValidationError, match="`twins` have losses of their own part alone"):
        line_experiment({"name": "rho", "irreducible": {"updating": 0.01, "twins": 2}})


@pytest.mark.parametrize(
    ("selection", "key"),
    [
        ({"name": "train-loss", "proxy": {"shift": 1.0}}, "selection.proxy"),
        ({"name": "rho", "irreducible": {"updating": 0.01}}, "selection.irreducible.updating"),
        ({"name": "rho", "irreducible": {"domain": {"shift": 1.0}}}, "selection.irreducible.domain"),
    ],
)
def test_domains_without_variants_are_refused(selection, key, monkeypatch):
    monkeypatch.delattr(LineDomain, "variant")
    with pytest.raises(Mismatch, match=f"the domain 'line' cannot have {key}: it has no variant"):
        prepared(selection)


@pytest.mark.parametrize(
    ("selection", "shared"),
    [
        ({"name": "train-loss", "proxy": {"pool": 1}}, "batches"),
        ({"name": "rho", "irreducible": {"domain": {"pool": 1}}}, "data"),
        ({"name": "rho", "irreducible": {"domain": {"pool": 1}, "updating": 0.01}}, "inputs"),
    ],
)
def test_settings_of_other_models_are_refused_by_their_key_before_any_fit(selection, shared, monkeypatch):
    asked, variant = [], LineDomain.variant

    def spying(self, changes, shared="data"):
        asked.append(shared)
        return variant(self, changes, shared)

    monkeypatch.setattr(LineDomain, "variant", spying)
    key = "selection.proxy" if "proxy" in selection else "selection.irreducible.domain"
    with pytest.raises(InvalidInput, match=f"^{key}: only shift and epochs can be others"):
        prepared(selection)
    assert asked == [shared]


@pytest.mark.parametrize(("name", "models"), [("rho", "each"), ("fixed-weights", "each"), ("fixed-weights", "heads")])
def test_fits_are_told_the_models_that_go_on_learning_and_no_losses(name, models):
    own = {"updating": 0.01, "models": models, "gamma": 4, "domain": {"shift": 0.5}}
    options = {"fixed-weights": {"weights": [1.0, 1.0, 2.0]}}
    made = line_prepared(line_experiment({"name": name, "irreducible": own, "options": options}))
    setup, *rounds = walk(made)
    assert all(COLUMN not in record.added.payload for record in (setup, *rounds) if record.added is not None)
    stored = {name.removeprefix("irreducible-"): m.arrays for name, m in setup.models.items()}
    for fit in made.domain.seen.fits[-3:]:
        told = fit.samples.selection
        assert told.irreducible is None
        assert (told.updating.factor, told.updating.settings) == (0.01, {"shift": 0.5})
        assert [m.arrays["values"].tobytes() for m in told.updating.models] == [
            arrays["values"].tobytes() for arrays in stored.values()
        ]
        if name == "rho":
            assert [m.weights for m in told.updating.models] == [None]
            continue
        weights = np.concatenate([m.weights for m in told.updating.models])
        assert np.array_equal(weights, np.where(fit.target == np.arange(len(CLASSES))[:, None], 5.0, 1.0))
        assert len(told.updating.models) == (1 if models == "heads" else len(CLASSES))


def test_models_that_go_on_learning_are_those_of_runs_where_they_do_not():
    values = []
    for more in ({}, {"updating": 0.01}):
        setup, *_ = walk(line_prepared(line_experiment({"name": "rho", "irreducible": more}, {"rounds": 1})))
        values.append(setup.models["irreducible-all"].arrays["values"].tobytes())
    assert values[0] == values[1]


class Dropout(LineDomain):
    """With dropout where lines are shifted."""

    def has_dropout(self):
        return self.config.shift > 0


@pytest.mark.parametrize(
    ("shift", "proxy", "refused"), [(0.0, None, True), (0.5, None, False), (0.0, 0.5, False), (0.5, 0.0, True)]
)
def test_passes_of_a_network_without_dropout_are_refused_before_any_fit(shift, proxy, refused):
    selection = {"name": "bald"} if proxy is None else {"name": "bald", "proxy": {"shift": proxy}}
    made = line_prepared(line_experiment(selection, {"rounds": 1}, shift=shift), kind=Dropout)
    if not refused:
        made.rule.prepare()
        return
    with pytest.raises(InvalidInput, match="passes with dropout, and the network has none"):
        made.rule.prepare()


def test_a_proxy_is_asked_for_its_dropout_as_the_one_that_is_trained(monkeypatch):
    asked, variant = [], LineDomain.variant

    def spying(self, changes, shared="data"):
        asked.append(shared)
        return variant(self, changes, shared)

    monkeypatch.setattr(LineDomain, "variant", spying)
    experiment = line_experiment({"name": "bald", "proxy": {"shift": 0.5}}, {"rounds": 1})
    line_prepared(experiment, kind=Dropout).rule.prepare()
    assert set(asked) == {"batches"}


def test_dropout_is_asked_for_by_selectors_of_passes_alone():
    line_prepared(line_experiment({"name": "train-loss"}, {"rounds": 1}, shift=0.0), kind=Dropout).rule.prepare()
