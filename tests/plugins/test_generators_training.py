import math

import numpy as np
import pytest
import torch
from support.generators import filled, golden, pictures
from torch import nn

from biasloop.contract.domains import Work
from biasloop.contract.randomness import Streams
from biasloop.errors import Diverged, Interrupted, InvalidInput
from biasloop_generators.losses import bce_sum
from biasloop_generators.networks import VAE, LastEpoch, build_classifier, build_generator
from biasloop_generators.optimizers import Optimizer
from biasloop_generators.recipes import Recipe
from biasloop_generators.training import classifier_step, fit_classifier, fit_vae, vae_step

torch.set_num_threads(1)
GOLDEN = golden()["train_steps"]
ADAM, SGD = Optimizer("adam", 1e-3, 1e-5), Optimizer("sgd", 0.1, 0.0)


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


class Recording(Work):
    """Keeps what it is told; stops after a number of steps if asked to."""

    def __init__(self, *, kept=None, stop=None):
        super().__init__(Streams((1, "fit")))
        self.kept, self.stop = kept, stop
        self.ticks, self.rows = [], []

    def tick(self, done, total, state=None, epoch=None):
        self.ticks.append((done, total, state is not None))
        if state is not None:
            self.kept = state()
        if done == self.stop:
            raise Interrupted

    def resume(self):
        return self.kept

    def log(self, table, **values):
        self.rows.append((table, values))


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
    return fit_vae(network, images, epochs, Recipe(3, 8, 8, ADAM, "bce-sum"), work)


def train_classifier(work, epochs=4, **settings):
    torch.manual_seed(5)
    network = classifier()
    return fit_classifier(network, labelled, epochs, Recipe(3, 8, 8, SGD, **settings), work)


FITS = {"vae": train_vae, "classifier": train_classifier}


def bits(network):
    return {name: tensor.numpy().tobytes() for name, tensor in network.state_dict().items()}


def test_steps_of_a_classifier():
    network = filled(build_classifier("SimpleCNN", 2)).train()
    optimizer = SGD.build(network.parameters())
    labels = torch.tensor([0, 1, 1, 0, 1, 0, 0, 1])
    losses = [float(classifier_step(network, pictures(28, 8), labels, optimizer)[0]) for _ in range(4)]
    assert losses == pytest.approx(GOLDEN["SimpleCNN_sgd0.1_ce_losses"], rel=1e-5)


def test_steps_of_a_generator():
    network = filled(build_generator("vae")).train()
    optimizer = ADAM.build(network.parameters())
    torch.manual_seed(123)
    losses = [float(vae_step(network, pictures(28, 8), bce_sum, optimizer)) for _ in range(2)]
    assert losses == pytest.approx(GOLDEN["vae_adam1e-3_vae_losses_manual_seed123"], rel=1e-4)


def test_a_share_of_right_answers():
    network = nn.Linear(2, 2)
    with torch.no_grad():
        network.weight.copy_(torch.eye(2))
        network.bias.zero_()
    inputs = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1], [2, 2]])  # a tie is class 0
    loss, right = classifier_step(network, inputs, torch.tensor([0, 1, 1, 1, 0]), SGD.build(network.parameters()))
    assert float(right) == pytest.approx(4 / 5)
    assert float(loss) == pytest.approx((4 * math.log1p(math.e) - 3 + math.log(2)) / 5, rel=1e-6)


@pytest.mark.parametrize("kind", FITS)
def test_same_streams_same_bits_whatever_the_global_state(kind):
    found = []
    for threads in range(2):
        network = FITS[kind](Recording())
        torch.rand(threads + 1)
        found.append(bits(network))
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", FITS)
def test_the_global_generator_is_left_alone(kind):
    work = Recording()
    torch.manual_seed(5)
    {"vae": TinyVAE, "classifier": classifier}[kind]()
    expected = torch.rand(3)
    FITS[kind](work)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("kind", FITS)
@pytest.mark.parametrize("stop", [1, 3, 4, 6, 11, 12])
def test_resuming_gives_the_bits_of_an_uninterrupted_fit(kind, stop):
    whole = Recording()
    expected = bits(FITS[kind](whole))
    interrupted = Recording(stop=stop)
    with pytest.raises(Interrupted):
        FITS[kind](interrupted)
    resumed = Recording(kept=interrupted.kept)
    assert bits(FITS[kind](resumed)) == expected
    epochs_done = stop // 3
    assert interrupted.rows[:epochs_done] + resumed.rows == whole.rows
    assert resumed.ticks == whole.ticks[epochs_done * 3 :]


def test_ticks_come_after_every_step_and_states_at_the_ends_of_epochs():
    work = Recording()
    train_vae(work, 2)
    assert work.ticks == [(done, 6, done % 3 == 0) for done in range(1, 7)]


def test_curves():
    work = Recording()
    network = train_vae(work, 2)
    assert not network.training
    assert [(table, row["epoch"], set(row)) for table, row in work.rows] == [
        ("curve", 1, {"epoch", "loss"}),
        ("curve", 2, {"epoch", "loss"}),
    ]
    work = Recording()
    train_classifier(work, 30)
    first, last = work.rows[0][1], work.rows[-1][1]
    assert set(last) == {"epoch", "loss", "accuracy"}
    assert last["loss"] < first["loss"]
    assert 0 < last["accuracy"] <= 1


@pytest.mark.parametrize("stop", [3, 6, 12])
def test_a_generator_knows_its_last_epoch(stop):
    whole = Recording()
    expected = train_vae(whole).last
    assert (expected.loss, expected.batches, expected.images) == (whole.rows[-1][1]["loss"], 3, 24)
    interrupted = Recording(stop=stop)
    with pytest.raises(Interrupted):
        train_vae(interrupted)
    assert train_vae(Recording(kept=interrupted.kept)).last == expected
    assert LastEpoch.of(expected.array()) == expected


def test_the_logged_loss_is_the_mean_of_batch_losses():
    """As published: a smaller last batch counts as much as the others."""
    network = nn.Linear(1, 2)
    sizes, losses = (5, 2), []

    def batches(epoch):
        for size in sizes:
            inputs, labels = torch.arange(size * 1.0)[:, None], torch.arange(size) % 2
            losses.append(float(nn.functional.cross_entropy(network(inputs), labels).detach()))
            yield inputs, labels

    work = Recording()
    fit_classifier(network, batches, 1, Recipe(2, 5, 2, SGD), work)
    assert work.rows[0][1]["loss"] == pytest.approx(np.mean(losses), rel=1e-6)


def test_frozen_statistics_of_batches():
    def means(epochs, **settings):
        network = train_classifier(Recording(), epochs, **settings)
        return network[1].running_mean.clone()

    assert torch.equal(means(1, freeze_norm=True), means(1))
    assert torch.equal(means(3, freeze_norm=True), means(1))
    assert not torch.equal(means(3), means(1))


def test_weights_are_trained_when_statistics_are_frozen():
    one, three = (train_classifier(Recording(), epochs, freeze_norm=True) for epochs in (1, 3))
    assert not torch.equal(one[0].weight, three[0].weight)


@pytest.mark.parametrize("kind", FITS)
def test_diverging(kind):
    def spoilt(epoch):
        for batch in images(epoch):
            yield batch if epoch == 0 else batch * math.nan

    recipe = Recipe(3, 8, 8, SGD, "squared-sum")
    with pytest.raises(Diverged, match=r"epoch 2 of 3 \(mean loss nan\); set a learning rate below 0\.1"):
        if kind == "vae":
            fit_vae(TinyVAE(), spoilt, 3, recipe, Recording())
        else:
            fit_classifier(
                classifier(), lambda e: ((b, torch.zeros(8).long()) for b in spoilt(e)), 3, recipe, Recording()
            )


def test_a_generator_that_makes_nan_is_told_not_stopped():
    network = TinyVAE()
    with torch.no_grad():
        network.grow.bias[0] = math.nan
    with pytest.raises(Diverged, match="epoch 1 of 2"):
        fit_vae(network, images, 2, Recipe(3, 8, 8, ADAM, "bce-sum"), Recording())


@pytest.mark.parametrize("fit", [fit_vae, fit_classifier])
def test_nothing_to_train_on(fit):
    with pytest.raises(InvalidInput, match="epoch 1 of 2 has no batch to train on"):
        fit(TinyVAE(), lambda _: iter(()), 2, Recipe(0, 8, 8, SGD, "bce-sum"), Recording())


def test_fewer_bits():
    whole = Recording()
    train_vae(whole)
    torch.manual_seed(5)
    fewer = Recording()
    network = fit_vae(TinyVAE(), images, 4, Recipe(3, 8, 8, ADAM, "bce-sum", "bfloat16"), fewer)
    assert all(parameter.dtype == torch.float32 for parameter in network.parameters())
    losses = [[row["loss"] for _, row in work.rows] for work in (whole, fewer)]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert losses[0] != losses[1]
