"""Texts with models beside the one of a fit, which read the same tokens."""

import numpy as np
import pytest
import torch
from support import textclass
from support.fits import Recording

from biasloop.contract.context import Work
from biasloop.contract.data import Samples
from biasloop.contract.randomness import Streams
from biasloop.contract.selection import Selection, Strata, Taught, Updating
from biasloop.errors import InvalidInput
from biasloop.training.selectors import Rho, TrainLoss

torch.set_num_threads(1)
SMALL = {**textclass.SMALL, "small": {"vocabulary": 300, "width": 8, "dropout": 0.0}}


@pytest.fixture
def domain(tmp_path):
    return textclass.domain(tmp_path, **SMALL, path=str(textclass.write(tmp_path / "t.csv", textclass.rows())))


def human(domain, ids):
    return Samples(ids, np.zeros(len(ids), np.bool_), domain.human_labels(ids))


def fitted(domain, selector, **settings):
    splits, work = domain.splits(), Recording(Streams((0, "fit")))
    train = human(domain, np.setdiff1d(splits.pool, splits.unlabelled))
    described = Selection(selector, 0.5, 2, Strata(train.labels["target"] * 3, 6), **settings)
    model = domain.fit(Samples(train.ids, train.synthetic, train.labels, selection=described), work)
    return {name: array.tobytes() for name, array in domain.save("model", model).items()}, work


def correlations(work):
    return [values["proxy_correlation"] for table, values in work.rows if table == "selecting"]


def test_a_proxy_of_the_runs_own_settings_is_the_model_itself_and_a_smaller_one_is_not(domain):
    alone, _ = fitted(domain, TrainLoss(by="top"))
    same, work = fitted(domain, TrainLoss(by="top"), proxy={})
    assert same == alone
    assert correlations(work) == pytest.approx([1, 1])
    smaller = {"small": {"vocabulary": 300, "width": 4}, "learning_rate": 0.01}
    other, work = fitted(domain, TrainLoss(by="top"), proxy=smaller)
    assert other != alone
    assert all(-1 <= value < 1 for value in correlations(work))


def test_a_model_of_irreducible_losses_goes_on_learning(domain):
    held, changes = human(domain, domain.splits().holdout), {"small": {"vocabulary": 300, "width": 4}, "epochs": 1}
    other = domain.variant(changes, "inputs")
    taught = Taught(domain.save("model", other.fit(held, Work(Streams((0, "irreducible"))))))
    _, work = fitted(domain, Rho(), updating=Updating([taught], 1.0, changes))
    learnt = {name: work.states[-1][f"beside.0.network.{name}"] for name in taught.arrays}
    assert any(not np.array_equal(learnt[name], array) for name, array in taught.arrays.items())


def test_a_model_that_reads_other_tokens_is_refused(domain):
    with pytest.raises(InvalidInput, match="the tokenizer of .* with these settings is another than that of"):
        domain.variant({"small": {"vocabulary": 290}}, "batches")
    domain.variant({"small": {"vocabulary": 290}})
    with pytest.raises(InvalidInput, match="^length cannot be set .* since it is given the inputs"):
        domain.variant({"length": 7}, "inputs")
    with pytest.raises(InvalidInput, match="^epochs cannot be set .* since it learns from the batches"):
        domain.variant({"epochs": 7}, "batches")
