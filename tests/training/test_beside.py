"""Models beside the one of a fit: they learn from the same samples, change nothing of it, and score where asked to."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.fits import Recording, sgd
from torch import nn
from training.test_selecting import (
    CPU,
    IRREDUCIBLE_LOSSES,
    LABELS,
    PREPARE,
    ROWS,
    STORED,
    STREAMS,
    Chosen,
    batches,
    bits,
    judged,
    network,
    selection,
)

from biasloop.contract.randomness import Streams
from biasloop.contract.selection import CLASS_IRREDUCIBLE, HOLDOUT, IRREDUCIBLE, LOSSES, PASSES, Taught, Updating
from biasloop.errors import Interrupted
from biasloop.training.beside import Irreducible, Proxy, mode
from biasloop.training.choosing import Beside
from biasloop.training.classifiers import fit as fit_classifier
from biasloop.training.device import seeded
from biasloop.training.heads import Headed
from biasloop.training.loop import fit
from biasloop.training.objectives import CrossEntropy, HeadedCrossEntropy
from biasloop.training.precision import Precision
from biasloop.training.selecting import Selecting
from biasloop.training.selectors import FixedWeights, Rho, TrainLoss
from biasloop.training.sources import Rows, TrainingSet
from biasloop.training.weights import load_network, save_network

FLOAT32 = Precision(torch.float32, CPU)
RECIPE = sgd(3, 8, 0.05)
FACTORS = np.where(LABELS.numpy() == np.arange(3)[:, None], 10.0, 1.0)  # (3, ROWS)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def plain(seed=3, heads=1):
    """A network without dropout."""
    with seeded(Streams((seed,)), CPU):
        layers = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()
        return nn.Sequential(*layers, nn.Linear(256, 3 * heads))


def source():
    return Rows(TrainingSet(STORED, LABELS), RECIPE, STREAMS, PREPARE)


def fitted(described, work=None, *, proxy=None, updated=(), made=None):
    made, work, objective = made or plain(), work or Recording(STREAMS), CrossEntropy(FLOAT32)
    chooses = Selecting(described, ROWS, objective, STREAMS, CPU, batches, proxy, updated)
    beside = [*([] if proxy is None else [proxy]), *updated]
    fit(made, source(), objective, RECIPE, work, selecting=chooses, beside=beside)
    return made, work


def proxy_of(made, recipe=RECIPE):
    return Proxy(made, CrossEntropy(FLOAT32), recipe)


def correlations(work):
    return [values["proxy_correlation"] for table, values in work.rows if table == "selecting"]


def first(candidates, k, generator):
    return torch.arange(k)


class Seen(CrossEntropy):
    """Remembers the rows that it is trained on."""

    def value(self, network, batch):
        self.__dict__.setdefault("rows", []).append(batch.rows.tolist())
        return super().value(network, batch)


def test_models_beside_change_nothing_of_the_one_that_is_fitted():
    objective, alone, watched = CrossEntropy(FLOAT32), network(), network()
    fit(alone, source(), objective, RECIPE, Recording(STREAMS))
    others = [Beside(network(), objective, sgd(3, 8, 0.2)), Beside(plain(5), objective, RECIPE)]
    fit(watched, source(), objective, RECIPE, Recording(STREAMS), beside=others)
    assert bits(watched) == bits(alone)
    assert bits(others[1].network) != bits(plain(5))


def test_a_model_beside_of_the_same_settings_learns_the_same():
    made, beside = plain(), plain()
    objective = CrossEntropy(FLOAT32)
    fit(made, source(), objective, RECIPE, Recording(STREAMS), beside=[Beside(beside, objective, RECIPE)])
    assert bits(beside) == bits(made)


def test_a_model_beside_follows_its_own_learning_rate():
    made, objective = plain(), CrossEntropy(FLOAT32)
    resting = sgd(3, 8, 1e-30, momentum=0.0, nesterov=False, weight_decay=0.0)
    beside = Beside(plain(), objective, resting)
    fit(made, source(), objective, RECIPE, Recording(STREAMS), beside=[beside])
    assert torch.equal(beside.network[0].weight, plain()[0].weight)
    assert not torch.equal(made[0].weight, plain()[0].weight)


def test_a_proxy_of_the_same_settings_scores_as_the_model_does():
    alone, _ = fitted(selection(TrainLoss(by="top")))
    scored, work = fitted(selection(TrainLoss(by="top")), proxy=proxy_of(plain()))
    assert bits(scored) == bits(alone)
    assert correlations(work) == pytest.approx([1, 1, 1])


def test_the_proxy_scores_and_learns_from_what_is_selected():
    selector, objective = Chosen(lambda c, k, g: c.losses.topk(k).indices), Seen(FLOAT32)
    other = plain(5)
    proxy = Proxy(other, objective, RECIPE)
    order = STREAMS.at("epoch", 0, "order").generator().permutation(ROWS)
    _, work = fitted(selection(selector), proxy=proxy)
    rows = [[order[8 * step + i] for i in selector.told[step].losses.topk(len(taken)).indices.tolist()]
            for step, taken in enumerate(objective.rows[:3])]  # fmt: skip
    assert objective.rows[:3] == rows
    assert bits(other) != bits(plain(5))
    assert all(-1 <= value < 1 for value in correlations(work))
    alone = Chosen(selector.rows)
    fitted(selection(alone))
    assert not torch.equal(alone.told[0].losses, selector.told[0].losses)
    same = Chosen(selector.rows)
    fitted(selection(same), made=plain(5))
    assert torch.equal(same.told[0].losses, selector.told[0].losses)


def test_the_holdout_is_looked_at_with_the_model_and_passes_are_the_proxys():
    described = {"holdout": judged()}
    resting = sgd(3, 8, 1e-30, momentum=0.0, nesterov=False, weight_decay=0.0)
    told = []
    for proxy in (None, proxy_of(network(), resting)):
        needs = {LOSSES, HOLDOUT} if proxy is None else {LOSSES, HOLDOUT, PASSES}  # the model has no dropout
        selector = Chosen(first, frozenset(needs), passes=4)
        fitted(selection(selector, **described), proxy=proxy)
        told.append(selector.told)
    assert [c.holdout.tolist() for c in told[0]] == [c.holdout.tolist() for c in told[1]]
    assert not torch.equal(told[1][0].passes[:, 0], told[1][0].passes[:, 1])


def updated_of(arrays, rate=0.05):
    made = plain(7)
    load_network(made, arrays)
    return Irreducible(made.eval(), CrossEntropy(FLOAT32), replace(RECIPE, learning_rate=rate))


def test_irreducible_losses_of_models_that_learn_are_theirs_of_the_candidates():
    stored, told = save_network(plain(7)), []
    updating = Updating([Taught(stored)], 1.0, {})
    for rate in (1e-30, 0.05):
        selector = Chosen(first, frozenset({LOSSES, IRREDUCIBLE}))
        fitted(selection(selector, updating=updating), updated=[updated_of(stored, rate)])
        told.append(selector.told)
    scored = Chosen(first)
    fitted(selection(scored), made=plain(7))
    assert told[0][0].irreducible.shape == (1, 8)
    assert torch.equal(told[0][0].irreducible[0], scored.told[0].losses)
    assert torch.equal(told[0][0].irreducible, told[1][0].irreducible)  # before anything is learnt
    assert not torch.equal(told[0][-1].irreducible, told[1][-1].irreducible)


class Learner:
    """Makes networks for `classifiers.fit`; settings say which."""

    def __init__(self, seed=3):
        self.seed = seed

    def initial(self, work, heads=1):
        return plain(self.seed, heads)

    def load(self, arrays, heads=1):
        made = plain(0, heads)
        load_network(made, arrays)
        return made.eval()

    def load_heads(self, arrays):
        return Headed(self.load(arrays, 3), 3)

    def recipe(self, samples):
        return RECIPE if self.seed == 3 else sgd(9, 4, 0.01)

    def objective(self, network, how, work):
        assert (how.epochs, how.batch_size) == (3, 8)  # whatever it has when it is alone
        return CrossEntropy(FLOAT32)

    def headed_objective(self, factors):
        return HeadedCrossEntropy(FLOAT32, torch.from_numpy(factors).float())

    def varied(self, changes):
        return Learner(**changes)


def classified(described, work=None):
    from training.test_selecting import samples

    train = replace(samples(range(ROWS), LABELS.numpy()), selection=described)
    work = work or Recording(STREAMS)
    return fit_classifier(Learner(), train, source(), work, batches), work


@pytest.mark.parametrize("heads", [False, True])
def test_models_of_all_categories_go_on_from_what_is_stored(heads):
    stored = save_network(plain(8, 3 if heads else 1))
    before = {name: array.tobytes() for name, array in stored.items()}
    models = [Taught(stored, FACTORS)] if heads else [Taught(stored)] * 3
    selector = Chosen(first, frozenset({LOSSES, CLASS_IRREDUCIBLE}))
    described = selection(selector, updating=Updating(models, 0.01, {"seed": 8}))
    classified(described)
    told = selector.told
    assert told[0].irreducible.shape == (3, 8)
    assert torch.equal(told[0].irreducible[0], told[0].irreducible[1]) != heads
    assert {name: array.tobytes() for name, array in stored.items()} == before


BESIDE = {
    "a proxy": {"proxy": {"seed": 4}},
    "a proxy that scores in training mode": {"proxy": {"seed": 4}, "scoring": "train"},
    "models that go on": {"updating": Updating([Taught(save_network(plain(8, 3)), FACTORS)], 0.5, {"seed": 8})},
    "both": {"proxy": {"seed": 4}, "updating": Updating([Taught(save_network(plain(8)))], 0.5, {"seed": 8})},
}


@pytest.mark.parametrize("name", BESIDE)
def test_a_fit_that_is_stopped_goes_on_to_the_same_bits_with_what_is_beside(name):
    settings = BESIDE[name]
    selector = {"models that go on": FixedWeights(weights=[1.0, 2.0, 0.0]), "both": Rho()}.get(name, TrainLoss())
    losses = None if "updating" in settings else IRREDUCIBLE_LOSSES
    described = selection(selector, irreducible=losses, holdout=judged(), **settings)
    through, told = classified(described)
    rows = [values for table, values in told.rows if table == "selecting"]
    assert ("proxy_correlation" in rows[0]) == ("proxy" in settings)
    for stop in (1, 4, 6):
        before = Recording(STREAMS, stop=stop)
        with pytest.raises(Interrupted):
            classified(described, before)
        torch.manual_seed(stop)  # the global state of another process
        after = Recording(STREAMS, state=before.state)
        assert bits(classified(described, after)[0]) == bits(through)
        assert before.rows + after.rows == told.rows
        last = {name: array.tobytes() for name, array in after.states[-1].items()}
        assert last == {name: array.tobytes() for name, array in told.states[-1].items()}
        assert any(name.startswith("beside.0.optimizer.") for name in last)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("dropout", [False, True])
def test_every_layer_is_in_its_mode_again_after_scoring(training, inside, dropout):
    made = network().train(training)
    with mode(made, training=inside, dropout=dropout):
        assert made.training == inside
        assert made[4].training == (inside or dropout)
    assert {layer.training for layer in made.modules()} == {training}


def test_models_that_go_on_learn_slower_by_the_factor():
    stored, moved = save_network(plain(8)), []
    for factor in (0.01, 1.0):
        described = selection(Rho(), updating=Updating([Taught(stored)], factor, {"seed": 8}))
        _, work = classified(described)
        learnt = {name: work.states[-1][f"beside.0.network.{name}"] for name in ("0.weight", "4.weight")}
        moved.append(sum(float(np.abs(array - stored[name]).sum()) for name, array in learnt.items()))
    assert 0 < moved[0] < 0.05 * moved[1]
