"""Options of selectors: what they need, what they start with, what they refuse; and that the project declares them."""

import subprocess
import sys
from importlib import import_module

import pytest
import tomli
from pydantic import ValidationError
from support import toy

from biasloop.contract.selection import (
    CLASS_IRREDUCIBLE,
    HOLDOUT,
    IRREDUCIBLE,
    LOGITS,
    LOSSES,
    PASSES,
)
from biasloop.discovery import checked_selector
from biasloop.errors import InvalidInput
from biasloop.training import selectors

DECLARED = tomli.loads((toy.PROJECT / "pyproject.toml").read_text())["project"]["entry-points"]["biasloop.selectors"]
NEEDED = {"fixed-weights": {"weights": [1.0]}}


def declared(name):
    module, _, attribute = DECLARED[name].partition(":")
    return getattr(import_module(module), attribute)


@pytest.mark.parametrize("name", DECLARED)
def test_every_selector_is_declared_and_looks_like_one(name):
    assert checked_selector(name, declared(name)) is declared(name)
    assert declared(name)(**NEEDED.get(name, {})).needs <= {
        LOSSES, LOGITS, PASSES, IRREDUCIBLE, CLASS_IRREDUCIBLE, HOLDOUT,
    }  # fmt: skip


def test_the_module_of_selectors_imports_no_torch():
    code = """
import sys
from biasloop.training.selectors import Reducr
Reducr().start(2)
print([name for name in ("torch", "numpy") if name in sys.modules])
"""
    process = [sys.executable, "-c", code]
    told = subprocess.run(process, env=toy.environment([toy.PROJECT]), capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"


@pytest.mark.parametrize("name", DECLARED)
def test_every_selector_and_every_option_says_what_it_does(name):
    assert declared(name).__doc__
    assert all(field.description for field in declared(name).model_fields.values())


@pytest.mark.parametrize(
    ("selector", "needs", "passes"),
    [
        (selectors.Uniform(), set(), 0),
        (selectors.TrainLoss(), {LOSSES}, 0),
        (selectors.GradientNorm(), {LOSSES, LOGITS}, 0),
        (selectors.GradientNormSampling(), {LOSSES, LOGITS}, 0),
        (selectors.Irreducible(), {IRREDUCIBLE}, 0),
        (selectors.Rho(), {LOSSES, IRREDUCIBLE}, 0),
        (selectors.BoltzmannRho(), {LOSSES, IRREDUCIBLE}, 0),
        (selectors.Reducr(), {LOSSES, CLASS_IRREDUCIBLE, HOLDOUT}, 0),
        (selectors.Reducr(model_loss=False), {CLASS_IRREDUCIBLE, HOLDOUT}, 0),
        (selectors.Reducr(irreducible=False), {LOSSES, HOLDOUT}, 0),
        (selectors.Reducr(holdout=False), {LOSSES, CLASS_IRREDUCIBLE}, 0),
        (selectors.Payoff(), {LOSSES, CLASS_IRREDUCIBLE, HOLDOUT}, 0),
        (selectors.FixedWeights(weights=[1]), {LOSSES, CLASS_IRREDUCIBLE, HOLDOUT}, 0),
        (selectors.Entropy(), {PASSES}, 10),
        (selectors.ConditionalEntropy(passes=3), {PASSES}, 3),
        (selectors.Bald(), {PASSES}, 10),
        (selectors.LossMinusConditionalEntropy(), {PASSES}, 10),
    ],
)
def test_a_selector_says_what_it_needs(selector, needs, passes):
    assert (selector.needs, selector.passes) == (needs, passes)


def test_a_fit_begins_with_equal_weights_of_categories_or_with_those_that_are_given():
    assert selectors.Reducr().start(4) == [0.0] * 4
    assert selectors.FixedWeights(weights=[0, 3, 1]).start(3) == [0, 0.75, 0.25]
    assert selectors.Rho().start(4) == []


def test_weights_of_other_categories_are_refused():
    with pytest.raises(InvalidInput, match="weights of the selector 'fixed-weights' are 2, for 3 categories; set"):
        selectors.FixedWeights(weights=[1, 1]).start(3)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("uniform", {"eta": 1.0}, "eta"),
        ("train-loss", {"by": "loss"}, "'rank' or 'top'"),
        ("train-loss", {"pressure": 0.5}, "greater than or equal to 1"),
        ("reducr", {"eta": -1.0}, "greater than or equal to 0"),
        ("reducr", {"eta": float("nan")}, "finite"),
        ("reducr", {"eta": "0.1"}, "valid number"),
        ("reducr", {"weight_floor": 1.0}, "less than 1"),
        ("reducr", {"holdout_term": "twice"}, "'per_selected' or 'once'"),
        ("reducr", {"model_loss": False, "irreducible": False}, "nothing is left to score by"),
        ("fixed-weights", {}, "weights"),
        ("fixed-weights", {"weights": []}, "at least 1"),
        ("fixed-weights", {"weights": [0.0, 0.0]}, "all weights are 0"),
        ("fixed-weights", {"weights": [1.0, -1.0]}, "greater than or equal to 0"),
        ("fixed-weights", {"weights": [1.0], "beta": 0.0}, "greater than 0"),
        ("bald", {"passes": 0}, "greater than or equal to 1"),
        ("boltzmann-rho", {"temperature": 0.0}, "greater than 0"),
        ("boltzmann-rho", {"schedule": "linear", "last": 1.0}, "a linear schedule needs `last` and `over`"),
    ],
)
def test_options_that_are_none_are_refused(name, options, words):
    with pytest.raises(ValidationError, match=words):
        declared(name)(**options)


def test_a_temperature_goes_to_its_last_and_stays_there():
    def temperatures(**options):
        return [selectors.BoltzmannRho(**options).temperature_at(epoch) for epoch in (0, 1, 2, 4, 9)]

    assert temperatures() == [0.25] * 5
    assert temperatures(temperature=1, schedule="linear", last=0.2, over=4) == pytest.approx([1, 0.8, 0.6, 0.2, 0.2])
    geometric = temperatures(temperature=1.6, schedule="geometric", last=0.1, over=4)
    assert geometric == pytest.approx([1.6, 0.8, 0.4, 0.1, 0.1])
