"""Selection inside a fit: who is learnt from, what scoring leaves alone, what is counted, which epoch is given."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from support.fits import Recording, sgd
from torch import nn

from biasloop.contract.data import Column, Frame, Samples
from biasloop.contract.randomness import Streams
from biasloop.contract.selection import HOLDOUT, IRREDUCIBLE, LOSSES, PASSES, Judged, Selection, Strata
from biasloop.errors import Diverged, Interrupted, InvalidInput
from biasloop.training.augment import Preparation
from biasloop.training.counting import AGO
from biasloop.training.device import seeded
from biasloop.training.loop import fit
from biasloop.training.objectives import CrossEntropy
from biasloop.training.precision import Precision
from biasloop.training.selecting import Selecting
from biasloop.training.selection import Selected
from biasloop.training.selectors import (
    Bald,
    BoltzmannRho,
    GradientNormSampling,
    LossMinusConditionalEntropy,
    Reducr,
    Rho,
    Uniform,
)
from biasloop.training.sources import Batch, Rows, TrainingSet

CPU = torch.device("cpu")
STREAMS = Streams((7, 2, "fit"))
ROWS, CLASSES = 27, 3
LABELS = torch.arange(ROWS) % CLASSES
STORED = torch.randint(0, 255, (60, 1, 8, 8), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
IRREDUCIBLE_LOSSES = np.random.default_rng(0).random((CLASSES, ROWS)).astype(np.float32)
PREPARE = Preparation(torch.tensor([0.5]), torch.tensor([0.25]), padding=2, flip=True)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@dataclass
class Chosen:
    """Selects with a function of the candidates, and remembers what it was told."""

    rows: object
    needs: frozenset = frozenset({LOSSES})
    passes: int = 0
    told: list = field(default_factory=list)

    def start(self, categories):
        return [0.0]

    def select(self, candidates, k, state, generator):
        self.told.append(candidates)
        return Selected(self.rows(candidates, k, generator), state + 1)


def at_random(candidates, k, generator):
    return Uniform().select(candidates, k, torch.zeros(1), generator).rows


def network():
    with seeded(Streams((3,)), CPU):
        layers = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2)
        return nn.Sequential(*layers, nn.Linear(256, 3))


def samples(ids, labels):
    return Samples(np.array(ids), np.zeros(len(ids), bool), Frame({"target": Column(np.array(labels))}))


def judged(ids=range(30, 48)):
    return Judged(samples(ids, np.arange(len(ids)) % CLASSES), np.arange(len(ids)) % CLASSES)


def selection(selector, **settings):
    strata = Strata(LABELS.numpy() * 3, 3 * CLASSES)
    usual = {"share": 0.5, "categories": CLASSES, "strata": strata}
    return Selection(selector, **{**usual, **settings})


def batches(given):
    rows = torch.from_numpy(given.ids)
    for start in range(0, len(rows), 7):
        part = slice(start, start + 7)
        yield Batch(PREPARE(STORED[rows[part]], None), torch.from_numpy(given.labels["target"][part]))


def fitted(described, work=None, recipe=None, objective=None, build=network):
    made, work, recipe = build(), work or Recording(STREAMS), recipe or sgd(3, 8, 0.05)
    objective = objective or CrossEntropy(Precision(torch.float32, CPU))
    chooses = None if described is None else Selecting(described, ROWS, objective, work.streams, CPU, batches)
    source = Rows(TrainingSet(STORED, LABELS), recipe, work.streams, PREPARE)
    fit(made, source, objective, recipe, work, selecting=chooses)
    return made, work


def bits(made):
    return {name: tensor.numpy().tobytes() for name, tensor in made.state_dict().items()}


def test_all_of_every_batch_selected_is_a_plain_fit_to_the_bit():
    plain, _ = fitted(None)
    selecting, _ = fitted(selection(Uniform(), share=1.0))
    assert bits(selecting) == bits(plain)


@pytest.mark.parametrize("needs", [{LOSSES}, {LOSSES, HOLDOUT}, {LOSSES, PASSES}])
def test_scoring_changes_no_batch_statistics_and_no_random_state(needs):
    unscored, _ = fitted(selection(Chosen(at_random, frozenset())))

    scored, _ = fitted(selection(Chosen(at_random, frozenset(needs - {PASSES})), holdout=judged()))
    assert bits(scored) == bits(unscored)
    if PASSES in needs:  # their seed is drawn from the selection's generator, so rows differ; dropout's are not
        seen = Chosen(lambda c, k, g: torch.arange(k), frozenset({PASSES}), passes=3)
        unseen = Chosen(lambda c, k, g: torch.arange(k), frozenset())
        assert bits(fitted(selection(seen))[0]) == bits(fitted(selection(unseen))[0])
        (n, passes, classes) = seen.told[0].passes.shape
        assert (n, passes, classes) == (8, 3, 3)
        assert not torch.equal(seen.told[0].passes[:, 0], seen.told[0].passes[:, 1])


def test_scoring_as_released_takes_and_leaves_batch_statistics():
    def first(candidates, k, generator):
        return torch.arange(k)

    scored, _ = fitted(selection(Chosen(first), scoring="train"))
    unscored, _ = fitted(selection(Chosen(first)))
    assert not torch.equal(scored[1].running_mean, unscored[1].running_mean)


def test_only_selected_samples_are_learnt_from():
    learnt = []

    class Seen(CrossEntropy):
        def value(self, network, batch):
            learnt.append(batch.rows.tolist())
            return super().value(network, batch)

    selector = Chosen(lambda c, k, g: c.losses.topk(k).indices)
    recipe = sgd(1, 8, 0.05)
    objective = Seen(Precision(torch.float32, CPU))
    _, work = fitted(selection(selector), recipe=recipe, objective=objective)
    assert [len(rows) for rows in learnt] == [4, 4, 4, 1]
    order = STREAMS.at("epoch", 0, "order").generator().permutation(ROWS)
    assert learnt[0] == [order[row] for row in selector.told[0].losses.topk(4).indices.tolist()]
    (curve,) = [values for table, values in work.rows if table == "curve"]
    (counted,) = [values for table, values in work.rows if table == "selecting"]
    assert sum(counted[f"offered.{s}"] for s in (0, 3, 6)) == 27
    taken = [row for rows in learnt for row in rows]
    assert [counted[f"taken.{s}"] for s in (0, 3, 6)] == np.bincount(LABELS[taken], minlength=3).tolist()
    (_, chosen) = work.tables[-1]
    assert chosen["times"] == np.bincount(taken, minlength=ROWS).tolist()
    assert np.isfinite(curve["loss"])


def test_weights_of_a_selector_multiply_those_of_samples():
    batch = Batch(torch.zeros(4, 1), torch.arange(4), torch.arange(4), torch.tensor([1.0, 2.0, 3.0, 4.0]))
    taken = batch.take(torch.tensor([2, 0]), torch.tensor([0.5, 10.0]))
    assert (taken.targets.tolist(), taken.rows.tolist(), taken.weights.tolist()) == ([2, 0], [2, 0], [1.5, 10.0])
    assert batch.take(torch.tensor([3])).weights.tolist() == [4.0]


def test_repeats_are_counted_by_epochs_since_a_sample_was_last_selected():
    turns = iter([[0, 1], [0, 1], [1, 2]])  # of the one batch of an epoch, in stored rows

    def select(candidates, k, generator):
        wanted, order = next(turns), orders.pop(0)
        return torch.tensor([order.index(row) for row in wanted])

    orders = [STREAMS.at("epoch", e, "order").generator().permutation(ROWS).tolist() for e in range(3)]
    _, work = fitted(selection(Chosen(select), share=2 / 27), recipe=sgd(3, ROWS, 0.01))
    rows = [values for table, values in work.rows if table == "selecting"]
    assert [row["repeats_1"] for row in rows] == [0, 1, 0.5]
    assert [f"repeats_{ago}" in rows[0] for ago in AGO] == [True] * 3
    assert work.tables[-1][1]["times"][:4] == [2, 3, 1, 0]


def test_the_holdout_is_looked_at_when_it_is_due():
    selector = Chosen(lambda c, k, g: torch.arange(k), frozenset({LOSSES, HOLDOUT}))
    _, work = fitted(selection(selector, holdout=judged(), refresh=2), recipe=sgd(5, 8, 0.05))
    told = [candidates.holdout.tolist() for candidates in selector.told[::4]]  # one an epoch
    assert told[0] == told[1] != told[2] == told[3] != told[4]
    with torch.no_grad():
        fresh = network().eval()
        losses = torch.cat([nn.functional.cross_entropy(fresh(b.inputs), b.targets, reduction="none")
                            for b in batches(judged().samples)])  # fmt: skip
    assert told[0] == pytest.approx([float(losses[c::3].mean()) for c in range(3)], abs=1e-5)
    assert [values["holdout.1"] for table, values in work.rows if table == "selecting"][1] == told[2][1]


@pytest.mark.parametrize("best", ["accuracy", "worst_class"])
def test_a_fit_gives_the_network_of_the_best_epoch_of_the_judge(best):
    kept = []

    class Keeping(Recording):
        def tick(self, done, total, state=None, epoch=None):
            super().tick(done, total, state, epoch)
            if epoch is not None:
                kept.append(bits(epoch[1]))

    made, work = fitted(
        selection(Uniform(), best=best, holdout=judged(), judge=judged(range(48, 60))), Keeping(STREAMS), sgd(6, 8, 0.2)
    )
    rows = [values for table, values in work.rows if table == "selecting"]
    values = [row["judged_accuracy" if best == "accuracy" else "judged_worst"] for row in rows]
    chosen = int(np.argmax(values))
    assert bits(made) == kept[chosen]
    assert np.flatnonzero([row["best"] for row in rows])[-1] == chosen
    assert len({str(value) for value in values}) > 1


def test_what_cannot_be_selected_by_is_refused_in_words():
    with pytest.raises(InvalidInput, match="for 27 training samples, and there are none: they are of other data"):
        fitted(selection(Rho()))
    with pytest.raises(InvalidInput, match=r"there are \(1, 26\): they are of other data"):
        fitted(selection(Rho(), irreducible=IRREDUCIBLE_LOSSES[:1, :26]))
    with pytest.raises(InvalidInput, match="an irreducible loss is no number"):
        fitted(selection(Rho(), irreducible=np.full((1, ROWS), np.nan)))
    one = Judged(samples(range(4), [0, 1, 0, 1]), np.array([0, 1, 0, 1]))
    with pytest.raises(InvalidInput, match="category 2 has none; set a larger domain.holdout"):
        fitted(selection(Reducr(), irreducible=IRREDUCIBLE_LOSSES, holdout=one))
    with pytest.raises(InvalidInput, match="category 0 has none"):
        fitted(selection(Reducr(), irreducible=IRREDUCIBLE_LOSSES))
    with pytest.raises(InvalidInput, match=r"selection.share is 1.5; set a share"):
        selection(Rho(), share=1.5)


def test_a_loss_that_is_no_number_ends_the_fit_in_words():
    def broken():
        made = network()
        with torch.no_grad():
            made[-1].bias[0] = np.nan
        return made

    with pytest.raises(Diverged, match="training diverged in epoch 1"):
        fitted(selection(Rho(), irreducible=IRREDUCIBLE_LOSSES[:1]), build=broken)


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_score_that_is_no_number_ends_the_fit_though_nobody_learns_from_its_sample(epoch):
    class Broken(Chosen):
        def select(self, candidates, k, state, generator):
            scores = torch.zeros(len(candidates))
            scores[-1] = torch.nan if candidates.epoch == epoch else 0
            return Selected(torch.arange(k), state, scores=scores)

    with pytest.raises(Diverged, match=f"training diverged in epoch {epoch + 1}: a candidate's score is no number"):
        fitted(selection(Broken(at_random)))


def test_a_selector_of_irreducible_losses_alone_scores_nothing():
    selector = Chosen(lambda c, k, g: c.irreducible[0].topk(k).indices, frozenset({IRREDUCIBLE}))

    class Unasked(CrossEntropy):
        def outputs(self, network, batch):
            assert len(batch) <= 4
            return super().outputs(network, batch)

    fitted(selection(selector, irreducible=IRREDUCIBLE_LOSSES[:1]), objective=Unasked(Precision(torch.float32, CPU)))
    assert selector.told[0].irreducible.shape == (1, 8)


def test_reducr_without_the_models_loss_still_knows_what_the_holdout_loses():
    described = selection(
        Reducr(model_loss=False, clip=False, eta=0.1), irreducible=IRREDUCIBLE_LOSSES, holdout=judged()
    )
    _, work = fitted(described)
    rows = [values for table, values in work.rows if table == "selecting"]
    assert all(values[f"holdout.{category}"] > 0 for values in rows for category in range(CLASSES))


def test_several_passes_are_those_of_bald():
    _, work = fitted(selection(Bald(), share=0.25))
    assert np.isfinite([values["loss"] for table, values in work.rows if table == "curve"]).all()


NEEDY = {
    "reducr": (Reducr(eta=0.5, per_point=True), IRREDUCIBLE_LOSSES),
    "reducr without the model's loss": (Reducr(model_loss=False, clip=False), IRREDUCIBLE_LOSSES),
    "boltzmann-rho": (BoltzmannRho(), IRREDUCIBLE_LOSSES[:1]),
    "gradient-norm-sampling": (GradientNormSampling(), None),
    "loss-minus-conditional-entropy": (LossMinusConditionalEntropy(passes=3), None),
}


@pytest.mark.parametrize("name", NEEDY)
def test_a_fit_that_is_stopped_goes_on_to_the_same_bits_and_counts(name):
    selector, irreducible = NEEDY[name]
    described = selection(selector, share=0.3, irreducible=irreducible, holdout=judged(), best="worst_class")
    through, told = fitted(described)
    for stop in (2, 4, 7):
        before = Recording(STREAMS, stop=stop)
        with pytest.raises(Interrupted):
            fitted(described, before)
        after = Recording(STREAMS, state=before.state)
        assert bits(fitted(described, after)[0]) == bits(through)
        rows = [values for table, values in before.rows + after.rows if table == "selecting"]
        assert rows == [values for table, values in told.rows if table == "selecting"]
        assert after.tables[-1] == told.tables[-1]


def test_passes_without_dropout_are_refused_in_words():
    def without():
        made = network()
        return nn.Sequential(*[module for module in made if not isinstance(module, nn.Dropout)])

    with pytest.raises(InvalidInput, match="passes with dropout, and the network has none"):
        fitted(selection(Bald(), share=0.25), build=without)


def test_the_best_epoch_is_judged_on_the_judge_where_selectors_look_at_the_holdout_too():
    judged_on = []
    for needs in ({LOSSES}, {LOSSES, HOLDOUT}):
        selector = Chosen(lambda c, k, g: torch.arange(k), frozenset(needs))
        described = selection(selector, best="accuracy", holdout=judged(), judge=judged(range(48, 60)))
        _, work = fitted(described, recipe=sgd(4, 8, 0.2))
        rows = [values for table, values in work.rows if table == "selecting"]
        judged_on.append([(row["judged_accuracy"], row["judged_worst"], row["best"]) for row in rows])
    assert judged_on[0] == judged_on[1]
