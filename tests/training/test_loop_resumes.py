"""A checkpoint is possible after any update of any kind of fit, and changes no number."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.fits import Recording, fit_rows, sgd, tuned
from torch import nn

from biasloop.contract.batching import Batches, Star
from biasloop.contract.randomness import Streams
from biasloop.errors import Interrupted, InvalidInput
from biasloop.training.augment import Preparation
from biasloop.training.loop import Ended, fit
from biasloop.training.objectives import CrossEntropy, weighted_mean
from biasloop.training.precision import Precision, precision
from biasloop.training.recipe import Recipe
from biasloop.training.sources import Batch, Drawing, Real, TrainingSet
from biasloop.training.star import Generated
from biasloop_generators.drawn import Drawn
from biasloop_generators.losses import LOSSES
from biasloop_generators.networks import VAE
from biasloop_generators.objectives import BatchCrossEntropy, Evidence

CPU = torch.device("cpu")
FLOAT32 = Precision(torch.float32, CPU)
STREAMS = Streams((7, 2, "fit"))


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


class TinyVAE(VAE):
    side, latent = 4, 2

    def __init__(self):
        super().__init__()
        self.heads, self.drop, self.grow = nn.Linear(48, 4), nn.Dropout(0.1), nn.Linear(2, 48)

    def encode(self, images):
        mu, logvar = self.heads(self.drop(images.flatten(1))).chunk(2, 1)
        return mu, logvar

    def decode(self, latents):
        return torch.sigmoid(self.grow(latents)).view(-1, 3, 4, 4)


def seeded(build):
    torch.manual_seed(3)
    return build()


def drawing(star, labelled, recipe):
    """Half natural, mirrored by torch's global generator; the other half drawn, three batches at a time."""
    generator = seeded(TinyVAE).eval()
    generated = Generated(
        generator.decode, 2, lambda images: (images.mean((1, 2, 3)) > 0.5).long(),
        lambda images: (images[:, 0].mean((1, 2)) > 0.5).long(), (2, 2),
    )  # fmt: skip

    def prepare(images):
        flipped = torch.rand(len(images), 1, 1, 1) < 0.5
        return torch.where(flipped, images.float().flip(3), images.float()) / 255

    images = torch.randint(0, 255, (41, 3, 4, 4), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    real = Real(images, prepare, torch.arange(41) % 2)
    made = Drawing(
        Batches(0.5, Star(budget=4) if star else None), recipe.batch_size, recipe.epoch_steps, STREAMS, CPU,
        generated=generated, real=real, labelled=labelled, chunk=27 if star else 13,
    )  # fmt: skip
    return Drawn(made, recipe, labelled=labelled)


def vae(work, star=False, loss="bce-sum"):
    recipe = Recipe(3, 8, 1e-2, "adam", epoch_steps=6, last_size=1)
    network = seeded(TinyVAE)
    return network, fit(network, drawing(star, False, recipe), Evidence(loss, FLOAT32), recipe, work)


def classifier(work, star=False):
    recipe = Recipe(3, 8, 0.1, epoch_steps=6, last_size=1, freeze_norm=True)
    layers = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(16, 2)
    network = seeded(lambda: nn.Sequential(*layers))
    return network, fit(network, drawing(star, True, recipe), BatchCrossEntropy(FLOAT32), recipe, work)


def images(work, name="float32", **settings):
    numbers = precision(name, CPU)
    labels = torch.arange(27) % 3
    stored = torch.randint(0, 255, (40, 1, 8, 8), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    weights = torch.rand(27, generator=torch.Generator().manual_seed(2))
    train = TrainingSet(stored, labels, weights, torch.arange(3, 30))
    network = seeded(lambda: nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(256, 3)
    ))  # fmt: skip
    prepare = Preparation(torch.tensor([0.5]), torch.tensor([0.25]), padding=2, flip=True)
    fit_rows(network, train, sgd(3, 8, 0.05, **settings), work, prepare, precision=numbers)
    return network, None


def language(work, **settings):
    from support import several

    from biasloop_language.finetuning import fit as tune

    network = several.network(dropout=0.2)
    weights = np.linspace(0.5, 2, 11)
    tune(network, several.rows(11), tuned(3, 2, 3, 1e-2), work, weights=weights, **settings)
    return network, None


def selecting(work):
    from training.test_selecting import IRREDUCIBLE_LOSSES, Reducr, fitted, judged, selection

    reducr = Reducr(eta=0.1)
    how = selection(
        reducr, irreducible=IRREDUCIBLE_LOSSES, holdout=judged(), best="worst_class", judge=judged(range(48, 60))
    )
    return fitted(how, work)[0], None


FITS = {
    "images": images,
    "images that select": selecting,
    "images in bfloat16": lambda work: images(work, "bfloat16"),
    "images, normalised": lambda work: images(work, weighting="normalised", drop_last=True),
    "generator": vae,
    "generator with STAR": lambda work: vae(work, star=True),
    "classifier": classifier,
    "classifier with STAR": lambda work: classifier(work, star=True),
    "language": language,
    "language as released": lambda work: language(work, released=True),
}


def bits(network):
    return {name: tensor.float().numpy().tobytes() for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize("kind", FITS)
def test_a_fit_stopped_after_any_update_goes_on_to_the_same_bits(kind):
    unbroken = Recording(STREAMS)
    network, ended = FITS[kind](unbroken)
    expected = bits(network)
    length = len(unbroken.ticks) // 3  # updates of an epoch
    for index in (0, 2, length - 1, length, 3 * length - 2):
        done = unbroken.ticks[index][0]
        stopped = Recording(STREAMS, stop=done)
        with pytest.raises(Interrupted):
            FITS[kind](stopped)
        torch.manual_seed(done)  # the global state of another process
        resumed = Recording(STREAMS, state=stopped.state)
        again, ended_again = FITS[kind](resumed)
        assert bits(again) == expected, done
        assert ended_again == ended
        assert stopped.rows + resumed.rows == unbroken.rows
        assert stopped.tables + resumed.tables == unbroken.tables
        assert stopped.ticks + resumed.ticks == unbroken.ticks
        assert stopped.epochs + resumed.epochs == unbroken.epochs == [1, 2, 3]


@pytest.mark.parametrize("kind", ["images", "generator with STAR", "language"])
def test_a_fit_stopped_after_every_update_goes_on_to_the_same_bits(kind):
    unbroken, state, rows, tables = Recording(STREAMS), None, [], []
    expected = bits(FITS[kind](unbroken)[0])
    for done, _, _ in unbroken.ticks:
        stopped = Recording(STREAMS, state=state, stop=done)
        with pytest.raises(Interrupted):
            FITS[kind](stopped)
        state, rows, tables = stopped.state, rows + stopped.rows, tables + stopped.tables
    assert bits(FITS[kind](Recording(STREAMS, state=state))[0]) == expected
    assert rows == unbroken.rows
    assert tables == unbroken.tables


@pytest.mark.parametrize("stop", [1, 5, 8])
def test_the_factor_on_a_float16_loss_goes_on_where_it_was(stop):
    unbroken, stopped = Recording(STREAMS), Recording(STREAMS, stop=stop)
    expected = bits(images(unbroken, "float16")[0])
    with pytest.raises(Interrupted):
        images(stopped, "float16")
    resumed = Recording(STREAMS, state=stopped.state)
    assert bits(images(resumed, "float16")[0]) == expected
    names = [name for name in unbroken.state if name.startswith("scaler.")]
    assert sorted(names) == ["scaler._growth_tracker", "scaler.scale"]
    assert all(np.array_equal(resumed.state[name], unbroken.state[name]) for name in names)
    assert any(not np.array_equal(unbroken.states[0][name], unbroken.state[name]) for name in names)


def test_the_state_of_an_epochs_end_as_it_was_before_is_still_taken():
    """Before checkpoints between updates, states had the network, the optimizer, the epoch and what it was like."""
    unbroken = Recording(STREAMS)
    expected = bits(vae(unbroken)[0])
    state = {name: array for name, array in unbroken.states[5].items() if name.split(".")[0] != "scaler"}
    assert {name.split(".")[0] for name in state} == {"network", "optimizer", "epoch", "last"}
    network, ended = vae(Recording(STREAMS, state=state))
    assert bits(network) == expected
    assert isinstance(ended, Ended)


def batch(objective):
    draws = torch.Generator().manual_seed(4)
    if isinstance(objective, Evidence):
        return seeded(TinyVAE).eval(), Batch(torch.rand(5, 3, 4, 4, generator=draws))
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
    return network, Batch(torch.rand(5, 3, 4, 4, generator=draws), torch.tensor([0, 2, 1, 1, 0]))


@pytest.mark.parametrize(
    "objective",
    [CrossEntropy(FLOAT32), BatchCrossEntropy(FLOAT32), *(Evidence(name, FLOAT32) for name in LOSSES)],
    ids=lambda objective: getattr(objective, "loss", type(objective).__name__),
)
def test_one_loss_a_sample_agrees_with_what_is_trained_on(objective):
    network, samples = batch(objective)
    losses, (value, _) = objective.losses(network, samples), objective.value(network, samples)
    assert losses.shape == (5,)
    total = losses.sum() if getattr(objective, "loss", "").endswith("-sum") else losses.mean()
    assert float(total) == pytest.approx(float(value), rel=1e-6)


def test_one_loss_a_row_agrees_with_what_language_is_trained_on():
    from support import several

    from biasloop.training.distributed import Alone
    from biasloop_language.finetuning import TokenBatches, TokenLoss
    from biasloop_language.updates import Updates

    recipe, rows = tuned(batch_size=23), several.rows(23)
    ((micro,),) = TokenBatches(rows, recipe, Updates(recipe), STREAMS, 32, Alone()).epoch(0)
    network, objective = several.network(), TokenLoss(FLOAT32, 32)
    losses, (value, told) = objective.losses(network, micro), objective.value(network, micro)
    tokens = torch.from_numpy(micro.rows.predicted(32))
    assert losses.shape == tokens.shape
    assert float((losses * tokens).sum()) == pytest.approx(float(told), rel=1e-6)
    assert float((losses * tokens).sum() / tokens.sum()) == pytest.approx(float(value), rel=1e-6)


def test_weighted_means():
    losses, weights = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([2.0, 0.0, 1.0])
    assert float(weighted_mean(losses, None)) == pytest.approx(7 / 3)
    assert float(weighted_mean(losses, weights)) == pytest.approx(2)
    assert float(weighted_mean(losses, weights, "normalised")) == pytest.approx(2)
    assert float(weighted_mean(losses, weights / 2, "normalised")) == pytest.approx(2)
    assert float(weighted_mean(losses, torch.zeros(3), "normalised")) == 0


class Pair:
    """Two processes that nobody started."""

    count, rank = 2, 0


def test_batch_statistics_of_a_part_of_a_batch_are_refused():
    recipe = Recipe(1, 8, 0.1, epoch_steps=6)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    with pytest.raises(InvalidInput, match="2 processes were launched, and the network's batch normalisation"):
        fit(network, drawing(False, True, recipe), BatchCrossEntropy(FLOAT32), recipe, Recording(STREAMS), group=Pair())


def test_frozen_statistics_are_those_of_the_first_epoch():
    first = classifier(Recording(STREAMS, stop=None))[0]
    assert replace(Recipe(), freeze_norm=True).freeze_norm
    recipe = Recipe(1, 8, 0.1, epoch_steps=6, last_size=1)
    layers = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(16, 2)
    network = seeded(lambda: nn.Sequential(*layers))
    fit(network, drawing(False, True, recipe), BatchCrossEntropy(FLOAT32), recipe, Recording(STREAMS))
    assert torch.equal(first[1].num_batches_tracked, network[1].num_batches_tracked)
