import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.fits import Listed, Recording
from support.generators import filled, golden, pictures
from torch import nn

from biasloop.contract.randomness import Streams
from biasloop.errors import Diverged, Interrupted, InvalidInput
from biasloop.training.loop import Ended, fit
from biasloop.training.optimizers import build
from biasloop.training.precision import Precision, precision
from biasloop.training.recipe import Recipe
from biasloop.training.sources import Batch
from biasloop_generators.networks import VAE, LastEpoch, build_classifier, build_generator
from biasloop_generators.objectives import BatchCrossEntropy, Evidence

torch.set_num_threads(1)
GOLDEN = golden()["train_steps"]
ADAM = Recipe(4, 8, 1e-3, "adam", weight_decay=1e-5)
SGD = Recipe(4, 8, 0.1)
FLOAT32 = Precision(torch.float32, torch.device("cpu"))


def fit_vae(network, make, recipe, work, *, loss="bce-sum", steps=3):
    """What the last epoch was like."""
    numbers = precision(recipe.precision, torch.device("cpu"))
    return fit(
        network, Listed(lambda epoch: ((batch,) for batch in make(epoch)), steps), Evidence(loss, numbers), recipe, work
    )


def fit_classifier(network, make, recipe, work, *, steps=3):
    """The network."""
    fit(network, Listed(make, steps), BatchCrossEntropy(FLOAT32), recipe, work)
    return network


def taken(objective, network, batch, optimizer):
    """One update by hand; what is told of it."""
    loss, told = objective.value(network, batch)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return told


class TinyVAE(VAE):
    side, latent = 4, 2

    def __init__(self):
        super().__init__()
        self.heads, self.grow = nn.Linear(48, 4), nn.Linear(2, 48)

    def encode(self, images):
        mu, logvar = self.heads(images.flatten(1)).chunk(2, 1)
        return mu, logvar

    def decode(self, latents):
        return torch.sigmoid(self.grow(latents)).view(-1, 3, 4, 4)


def recording(**given):
    return Recording(Streams((1, "fit")), **given)


def images(epoch):
    draws = torch.Generator().manual_seed(epoch)
    for _ in range(3):
        yield torch.rand(8, 3, 4, 4, generator=draws)


def labelled(epoch):
    for batch in images(epoch):
        yield batch, (batch.mean((1, 2, 3)) > 0.5).long()


def classifier():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(16, 2)
    )


def train_vae(work, epochs=4):
    torch.manual_seed(5)
    network = TinyVAE()
    network.ended = fit_vae(network, images, replace(ADAM, epochs=epochs), work)
    return network


def train_classifier(work, epochs=4, **settings):
    torch.manual_seed(5)
    network = classifier()
    return fit_classifier(network, labelled, replace(SGD, epochs=epochs, **settings), work)


FITS = {"vae": train_vae, "classifier": train_classifier}


def bits(network):
    return {name: tensor.numpy().tobytes() for name, tensor in network.state_dict().items()}


def test_steps_of_a_classifier():
    network = filled(build_classifier("SimpleCNN", 2)).train()
    optimizer = build(SGD, network)
    batch = Batch(pictures(28, 8), torch.tensor([0, 1, 1, 0, 1, 0, 0, 1]))
    losses = [float(taken(BatchCrossEntropy(FLOAT32), network, batch, optimizer)[0]) for _ in range(4)]
    assert losses == pytest.approx(GOLDEN["SimpleCNN_sgd0.1_ce_losses"], rel=1e-5)


def test_steps_of_a_generator():
    network = filled(build_generator("vae")).train()
    optimizer, batch = build(ADAM, network), Batch(pictures(28, 8))
    torch.manual_seed(123)
    losses = [float(taken(Evidence("bce-sum", FLOAT32), network, batch, optimizer)) for _ in range(2)]
    assert losses == pytest.approx(GOLDEN["vae_adam1e-3_vae_losses_manual_seed123"], rel=1e-4)


def test_a_share_of_right_answers():
    network = nn.Linear(2, 2)
    with torch.no_grad():
        network.weight.copy_(torch.eye(2))
        network.bias.zero_()
    inputs = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1], [2, 2]])  # a tie is class 0
    loss, right = BatchCrossEntropy(FLOAT32).value(network, Batch(inputs, torch.tensor([0, 1, 1, 1, 0])))[1]
    assert float(right) == pytest.approx(4 / 5)
    assert float(loss) == pytest.approx((4 * math.log1p(math.e) - 3 + math.log(2)) / 5, rel=1e-6)


@pytest.mark.parametrize("kind", FITS)
def test_same_streams_same_bits_whatever_the_global_state(kind):
    found = []
    for threads in range(2):
        network = FITS[kind](recording())
        torch.rand(threads + 1)
        found.append(bits(network))
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", FITS)
def test_the_global_generator_is_left_alone(kind):
    work = recording()
    torch.manual_seed(5)
    {"vae": TinyVAE, "classifier": classifier}[kind]()
    expected = torch.rand(3)
    FITS[kind](work)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("kind", FITS)
@pytest.mark.parametrize("stop", [1, 3, 4, 6, 11, 12])
def test_resuming_gives_the_bits_of_an_uninterrupted_fit(kind, stop):
    whole = recording()
    expected = bits(FITS[kind](whole))
    interrupted = recording(stop=stop)
    with pytest.raises(Interrupted):
        FITS[kind](interrupted)
    resumed = recording(state=interrupted.state)
    assert bits(FITS[kind](resumed)) == expected
    epochs_done = stop // 3
    assert interrupted.rows[:epochs_done] + resumed.rows == whole.rows
    assert resumed.ticks == whole.ticks[stop:]


def test_ticks_come_after_every_step_with_a_state():
    work = recording()
    train_vae(work, 2)
    assert work.ticks == [(done, 6, True) for done in range(1, 7)]


def test_curves():
    work = recording()
    network = train_vae(work, 2)
    assert not network.training
    assert [(table, row["epoch"], set(row)) for table, row in work.rows] == [
        ("curve", 1, {"epoch", "loss"}),
        ("curve", 2, {"epoch", "loss"}),
    ]
    work = recording()
    train_classifier(work, 30)
    first, last = work.rows[0][1], work.rows[-1][1]
    assert set(last) == {"epoch", "loss", "accuracy"}
    assert last["loss"] < first["loss"]
    assert 0 < last["accuracy"] <= 1


@pytest.mark.parametrize("stop", [1, 3, 5, 6, 12])
def test_a_fit_knows_its_last_epoch(stop):
    whole = recording()
    expected = train_vae(whole).ended
    assert expected == Ended(whole.rows[-1][1]["loss"], 3, 24)
    interrupted = recording(stop=stop)
    with pytest.raises(Interrupted):
        train_vae(interrupted)
    assert train_vae(recording(state=interrupted.state)).ended == expected
    last = LastEpoch(expected.loss, expected.batches, expected.samples)
    assert LastEpoch.of(last.array()) == last


def test_the_logged_loss_is_the_mean_of_batch_losses():
    """As published: a smaller last batch counts as much as the others."""
    network = nn.Linear(1, 2)
    sizes, losses = (5, 2), []

    def batches(epoch):
        for size in sizes:
            inputs, labels = torch.arange(size * 1.0)[:, None], torch.arange(size) % 2
            losses.append(float(nn.functional.cross_entropy(network(inputs), labels).detach()))
            yield inputs, labels

    work = recording()
    fit_classifier(network, batches, replace(SGD, epochs=1), work, steps=2)
    assert work.rows[0][1]["loss"] == pytest.approx(np.mean(losses), rel=1e-6)


def test_frozen_statistics_of_batches():
    def means(epochs, **settings):
        network = train_classifier(recording(), epochs, **settings)
        return network[1].running_mean.clone()

    assert torch.equal(means(1, freeze_norm=True), means(1))
    assert torch.equal(means(3, freeze_norm=True), means(1))
    assert not torch.equal(means(3), means(1))


def test_weights_are_trained_when_statistics_are_frozen():
    one, three = (train_classifier(recording(), epochs, freeze_norm=True) for epochs in (1, 3))
    assert not torch.equal(one[0].weight, three[0].weight)


@pytest.mark.parametrize("kind", FITS)
def test_diverging(kind):
    def spoilt(epoch):
        for batch in images(epoch):
            yield batch if epoch == 0 else batch * math.nan

    recipe = replace(SGD, epochs=3)
    with pytest.raises(Diverged, match=r"epoch 2 of 3 \(mean loss nan\); set a learning_rate below 0\.1"):
        if kind == "vae":
            fit_vae(TinyVAE(), spoilt, recipe, recording(), loss="squared-sum")
        else:
            zeros = torch.zeros(8).long()
            fit_classifier(classifier(), lambda e: ((b, zeros) for b in spoilt(e)), recipe, recording())


def test_a_generator_that_makes_nan_is_told_not_stopped():
    network = TinyVAE()
    with torch.no_grad():
        network.grow.bias[0] = math.nan
    with pytest.raises(Diverged, match="epoch 1 of 2"):
        fit_vae(network, images, replace(ADAM, epochs=2), recording())


def test_nothing_to_train_on():
    with pytest.raises(InvalidInput, match="no batch to train on"):
        fit_vae(TinyVAE(), lambda _: iter(()), SGD, recording(), steps=0)


def test_fewer_bits():
    whole = recording()
    train_vae(whole)
    torch.manual_seed(5)
    fewer = recording()
    network = TinyVAE()
    fit_vae(network, images, replace(ADAM, precision="bfloat16"), fewer)
    assert all(parameter.dtype == torch.float32 for parameter in network.parameters())
    losses = [[row["loss"] for _, row in work.rows] for work in (whole, fewer)]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert losses[0] != losses[1]
