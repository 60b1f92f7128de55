"""Images with models beside the one of a fit: proxies, and models of irreducible losses that go on learning."""

import numpy as np
import pytest
import torch
from support.drawn_toys import make, replaced, toy
from support.fits import Recording

from biasloop.contract.context import Work
from biasloop.contract.data import Samples
from biasloop.contract.randomness import Streams
from biasloop.contract.selection import Judged, Selection, Strata, Taught, Updating
from biasloop.errors import InvalidInput
from biasloop.training.selectors import FixedWeights, Rho, TrainLoss

torch.set_num_threads(1)
SMALL = {"network": "small-cnn", "width": 2, "augment": False, "holdout": 20}


@pytest.fixture
def domain(monkeypatch, tmp_path):
    replaced(monkeypatch, toy())
    return make(tmp_path, **SMALL)


def human(domain, ids):
    return Samples(ids, np.zeros(len(ids), np.bool_), domain.human_labels(ids))


def fitted(domain, selector, *, other=None, **settings):
    """The bits of a model of half of each batch, and its work."""
    work, train = Recording(Streams((0, "fit"))), human(domain, domain.splits().pool)
    if selector is not None:
        strata = Strata(train.labels["target"] * 3, 12)
        described = Selection(selector, 0.5, 4, strata, **settings)
        train = Samples(train.ids, train.synthetic, train.labels, selection=described)
    model = (other or domain).fit(train, work)
    return {name: array.tobytes() for name, array in domain.save("model", model).items()}, work


def judged(domain, held):
    return Judged(held, domain.categories(held))


def correlations(work):
    return [values["proxy_correlation"] for table, values in work.rows if table == "selecting"]


def test_a_proxy_of_the_runs_own_settings_is_the_model_itself(domain):
    alone, _ = fitted(domain, TrainLoss(by="top"))
    same, work = fitted(domain, TrainLoss(by="top"), proxy={})
    assert same == alone
    assert correlations(work) == pytest.approx([1, 1])


def test_a_smaller_proxy_scores_in_the_models_place(domain):
    alone, _ = fitted(domain, TrainLoss(by="top"))
    smaller, work = fitted(domain, TrainLoss(by="top"), proxy={"width": 1, "learning_rate": 0.01})
    assert smaller != alone
    assert all(-1 <= value < 1 for value in correlations(work))
    assert {name.split(".")[0] for name in work.state} >= {"network", "beside", "selection"}


@pytest.mark.parametrize("heads", [False, True])
def test_models_of_irreducible_losses_go_on_learning(domain, heads):
    held, work = human(domain, domain.splits().holdout), Work(Streams((0, "irreducible")))
    other, changes = domain.variant({"width": 3, "epochs": 1}, "inputs"), {"width": 3, "epochs": 1}
    if heads:
        weights = 1 + 9 * (held.labels["target"] == np.arange(4)[:, None])
        labels = domain.human_labels(domain.splits().pool)["target"]
        factors = 1.0 + 9 * (labels == np.arange(4)[:, None])
        taught = Taught(domain.save_heads(other.fit_heads(held, weights, work)), factors)
    else:
        taught = Taught(domain.save("model", other.fit(held, work)))
    selector = FixedWeights(weights=[1.0, 1, 1, 1]) if heads else Rho()
    more = {"holdout": judged(domain, held)} if heads else {}
    slow, quick = (
        fitted(domain, selector, updating=Updating([taught], factor, changes), **more)[1] for factor in (0.01, 10.0)
    )
    stored = taught.arrays
    assert all("beside.0.network." + name in slow.states[-1] for name in stored if ":" not in name)
    assert any(
        not np.array_equal(slow.states[-1]["beside.0.network." + name], quick.states[-1]["beside.0.network." + name])
        for name in stored
        if ":" not in name
    )


@pytest.mark.parametrize(
    ("changes", "shared", "message"),
    [
        ({"epochs": 3}, "batches", "^epochs cannot be set .*since it learns from the batches of the run's own model"),
        ({"augment": True, "batch_size": 4}, "batches", "^augment, batch_size cannot be set"),
        ({"shape": [4, 4]}, "inputs", "^shape cannot be set .*since it is given the inputs of the run's own model"),
        ({"test": 3}, "inputs", "^test cannot be set"),
    ],
)
def test_what_models_beside_share_cannot_be_set_for_them(domain, changes, shared, message):
    with pytest.raises(InvalidInput, match=message):
        domain.variant(changes, shared)
