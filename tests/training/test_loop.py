import math

import numpy as np
import pytest
import torch
from support.fits import Listed, Recording, fit_rows, sgd
from torch import nn

from biasloop.contract.context import Work
from biasloop.contract.randomness import Streams
from biasloop.errors import Diverged, Interrupted, InvalidInput
from biasloop.training.augment import Preparation
from biasloop.training.device import seeded
from biasloop.training.loop import fit
from biasloop.training.objectives import CrossEntropy
from biasloop.training.precision import Precision
from biasloop.training.sources import Batch, TrainingSet

torch.set_num_threads(1)
CPU = torch.device("cpu")
PREPARE = Preparation(torch.tensor([0.5]), torch.tensor([0.25]), padding=2, flip=True)
RECIPE = sgd(4, 8, 0.05, schedule="cosine")


def data(count=27, classes=3):
    draws = torch.Generator().manual_seed(5)
    labels = torch.arange(count) % classes
    noise = torch.randint(0, 60, (count, 1, 8, 8), generator=draws)
    return TrainingSet((noise + labels[:, None, None, None] * 80).to(torch.uint8), labels)


def network():
    with seeded(Streams((1, "init")), CPU):
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(256, 3),
        )


def trained(work, recipe=RECIPE, train=None):
    return fit_rows(network(), data() if train is None else train, recipe, work, PREPARE)


def bits(model):
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


def test_learns_what_can_be_learnt():
    work = Recording(Streams((1, "fit")))
    model = trained(work, sgd(30, 8, 0.05))
    assert not model.training
    first, last = work.rows[0][1], work.rows[-1][1]
    assert last["accuracy"] > 0.9 > first["accuracy"]
    assert last["loss"] < first["loss"]


def test_ticks_every_step_with_a_state_to_go_on_from():
    work = Recording(Streams((1, "fit")))
    trained(work)
    assert work.ticks == [(done, 16, True) for done in range(1, 17)]
    assert work.epochs == [1, 2, 3, 4]


def test_curve_has_a_row_an_epoch():
    work = Recording(Streams((1, "fit")))
    trained(work)
    assert [table for table, _ in work.rows] == ["curve"] * 4
    assert [row["epoch"] for _, row in work.rows] == [1, 2, 3, 4]
    assert [row["lr"] for _, row in work.rows] == [RECIPE.rate(step, 16) for step in (4, 8, 12, 16)]


def test_loss_and_accuracy_of_the_curve_are_means_over_samples():
    """One epoch with a learning rate of almost nothing leaves the network as it was."""
    train = data(20)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    prepare = Preparation(torch.tensor([0.5]), torch.tensor([0.25]))
    with torch.no_grad():
        logits = model(prepare(train.inputs)).double().numpy()
    work = Recording(Streams((1, "fit")))
    fit_rows(model, train, sgd(1, 8, 1e-12), work, prepare)
    labels = train.labels.numpy()
    exact = np.log(np.exp(logits).sum(1)) - logits[np.arange(20), labels]
    assert work.rows[0][1]["loss"] == pytest.approx(exact.mean(), rel=1e-5)
    assert work.rows[0][1]["accuracy"] == pytest.approx((logits.argmax(1) == labels).mean())


@pytest.mark.parametrize("stop", [4, 6, 7, 12, 15])
def test_resumed_fit_has_the_bits_of_an_uninterrupted_one(stop):
    streams = Streams((3, 0, "fit"))
    whole = Recording(streams)
    expected = bits(trained(whole))
    broken = Recording(streams, stop=stop)
    with pytest.raises(Interrupted):
        trained(broken)
    torch.manual_seed(stop)  # the global state of another process
    resumed = Recording(streams, state=broken.state)
    assert bits(trained(resumed)) == expected
    assert resumed.ticks == whole.ticks[stop:]
    assert resumed.rows == whole.rows[stop // 4 :]


def test_resumed_after_the_last_epoch_trains_no_more():
    streams = Streams((3, 0, "fit"))
    whole = Recording(streams)
    expected = bits(trained(whole))
    again = Recording(streams, state=whole.state)
    assert bits(trained(again)) == expected
    assert again.ticks == []


def test_state_is_named_arrays():
    work = Recording(Streams((1, "fit")))
    trained(work)
    assert all(isinstance(array, np.ndarray) for state in work.states for array in state.values())
    ended, middle = work.states[3], work.states[5]
    assert ended["epoch"] == middle["epoch"] == 1
    assert {name.split(".")[0] for name in ended} == {"network", "optimizer", "epoch", "last"}
    assert middle["step"].tolist() == [2, 2, 16]
    parts = {"network", "optimizer", "epoch", "last", "step", "sums", "counts", "source", "random"}
    assert {name.split(".")[0] for name in middle} == parts


def test_streams_alone_decide():
    torch.manual_seed(1)
    first = bits(trained(Work(Streams((1, "fit")))))
    torch.manual_seed(2)
    assert bits(trained(Work(Streams((1, "fit"))))) == first
    assert bits(trained(Work(Streams((2, "fit"))))) != first


def test_global_generators_are_left_alone():
    torch.manual_seed(9)
    np.random.seed(9)
    before, theirs = torch.get_rng_state(), np.random.get_state()[1].copy()
    trained(Work(Streams((1, "fit"))))
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(np.random.get_state()[1], theirs)


def test_epochs_have_different_orders_that_visit_everything():
    train, seen = data(27), []

    def watch(inputs, generator):
        seen.extend(inputs[:, 0, 0, 0].tolist())
        return PREPARE(inputs, generator)

    marked = train.inputs.clone()
    marked[:, 0, 0, 0] = torch.arange(27, dtype=torch.uint8)
    fit_rows(network(), TrainingSet(marked, train.labels), RECIPE, Work(Streams((1, "fit"))), watch)
    epochs = [seen[i : i + 27] for i in range(0, 4 * 27, 27)]
    assert all(sorted(epoch) == list(range(27)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_noise_is_drawn_from_the_streams_of_each_epoch():
    drawn, expected = [], []

    class Noisy(CrossEntropy):
        """Draws as dropout does."""

        def value(self, network, batch):
            drawn.append(float(torch.rand(())))
            return super().value(network, batch)

    batches = Listed(lambda epoch: [Batch(torch.ones(2, 4), torch.tensor([0, 1]))] * 2, 2)
    streams = Streams((1, "fit"))
    fit(nn.Linear(4, 2), batches, Noisy(Precision(torch.float32, CPU)), sgd(3, 2, 0.01), Work(streams))
    for epoch in range(3):
        with seeded(streams.at("epoch", epoch, "noise"), CPU):
            expected += [float(torch.rand(())), float(torch.rand(()))]
    assert drawn == expected
    assert len({*drawn}) == 6


def test_drop_last_leaves_out_the_rest():
    work = Recording(Streams((1, "fit")))
    trained(work, sgd(2, 8, 0.01, drop_last=True))
    assert len(work.ticks) == 2 * 3


@pytest.mark.parametrize(("count", "drop_last"), [(5, True), (0, False)])
def test_nothing_to_train_on_is_refused(count, drop_last):
    with pytest.raises(InvalidInput, match=f"{count} samples, batch_size 8"):
        trained(Work(Streams((1, "fit"))), sgd(2, 8, 0.01, drop_last=drop_last), data(count))


def test_divergence_is_an_error_that_names_epoch_and_loss():
    with pytest.raises(Diverged, match=r"epoch \d+ of 4 .*(nan|inf).*learning_rate below 1e\+30"):
        trained(Work(Streams((1, "fit"))), sgd(4, 8, 1e30, schedule="constant"))


def test_diverged_epoch_is_neither_logged_nor_kept():
    work = Recording(Streams((1, "fit")))
    with pytest.raises(Diverged):
        trained(work, sgd(4, 8, 1e30, schedule="constant"))
    assert len(work.rows) == len(work.epochs)
    assert all(math.isfinite(row["loss"]) for _, row in work.rows)


def test_a_sample_of_weight_zero_does_not_count():
    train = data(24)
    weights = torch.ones(24)
    weights[::2] = 0
    wrong = train.labels.clone()
    wrong[::2] = (wrong[::2] + 1) % 3
    plain = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))  # no batch statistics, which would see every image
    first, second = nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), plain
    first.load_state_dict(plain.state_dict())
    work = Work(Streams((1, "fit")))
    fit_rows(first, TrainingSet(train.inputs, train.labels, weights), RECIPE, work, PREPARE)
    fit_rows(second, TrainingSet(train.inputs, wrong, weights), RECIPE, work, PREPARE)
    assert bits(first) == bits(second)


def test_rows_of_a_larger_store_train_like_the_inputs_themselves():
    train, rows = data(27), torch.randperm(60, generator=torch.Generator().manual_seed(1))[:27]
    store = torch.zeros(60, 1, 8, 8, dtype=torch.uint8)
    store[rows] = train.inputs
    weights = torch.rand(27)
    expected = trained(Work(Streams((1, "fit"))), train=TrainingSet(train.inputs, train.labels, weights))
    found = trained(Work(Streams((1, "fit"))), train=TrainingSet(store, train.labels, weights, rows))
    assert bits(found) == bits(expected)
