import numpy as np
import pytest
import torch
from torch import nn

from biasloop.domains import Work
from biasloop.errors import Interrupted
from biasloop.randomness import Streams
from biasloop.training.augment import Preparation
from biasloop.training.compiling import compiled
from biasloop.training.device import seeded
from biasloop.training.loop import TrainingSet, fit
from biasloop.training.precision import load_scaler, precision, save_scaler
from biasloop.training.schedule import Recipe

torch.set_num_threads(1)
CPU = torch.device("cpu")
PREPARE = Preparation(torch.tensor([0.5]), torch.tensor([0.25]), padding=1, flip=True)
RECIPE = Recipe(epochs=3, batch_size=8, learning_rate=0.05)
HALVES = ["bfloat16", "float16"]


class Keeping(Work):
    """Keeps the newest state and what it is told; stops after some steps."""

    def __init__(self, streams, kept=None, stop=None):
        super().__init__(streams)
        self.kept, self.stop, self.notes, self.losses = kept, stop, [], []

    def tick(self, done, total, state=None, epoch=None):
        if state is not None:
            self.kept = state()
        if done == self.stop:
            raise Interrupted

    def resume(self):
        return self.kept

    def log(self, table, **values):
        self.losses.append(values["loss"])

    def note(self, text):
        self.notes.append(text)


def data():
    labels = torch.arange(24) % 3
    noise = torch.randint(0, 60, (24, 1, 8, 8), generator=torch.Generator().manual_seed(5))
    return TrainingSet((noise + labels[:, None, None, None] * 80).to(torch.uint8), labels)


def network():
    with seeded(Streams((1, "init")), CPU):
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(256, 3)
        )


def trained(name, work, recipe=RECIPE):
    return fit(network(), data(), recipe, work, PREPARE, precision=precision(name, CPU))


def bits(model):
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


def test_auto_is_float32_on_a_cpu():
    assert precision("auto", CPU).dtype == torch.float32
    unnamed = fit(network(), data(), RECIPE, Work(Streams((1,))), PREPARE)
    assert bits(trained("auto", Work(Streams((1,))))) == bits(unnamed)


@pytest.mark.parametrize("name", HALVES)
def test_half_precision_has_float32_weights_and_learns_like_float32(name):
    recipe = Recipe(epochs=15, batch_size=8, learning_rate=0.02)
    half, full = Keeping(Streams((1,))), Keeping(Streams((1,)))
    model = trained(name, half, recipe)
    assert {tensor.dtype for tensor in model.state_dict().values()} == {torch.float32, torch.int64}
    assert bits(model) != bits(trained("float32", full, recipe))
    assert half.losses[0] == pytest.approx(full.losses[0], rel=0.1)
    assert half.losses[-1] < 0.1 > full.losses[-1]


@pytest.mark.parametrize("name", HALVES)
@pytest.mark.parametrize("stop", [3, 5])
def test_resumed_fit_has_the_bits_of_an_uninterrupted_one(name, stop):
    whole = bits(trained(name, Keeping(Streams((1,)))))
    broken = Keeping(Streams((1,)), stop=stop)
    with pytest.raises(Interrupted):
        trained(name, broken)
    kept = {key: np.array(array) for key, array in broken.kept.items()}
    assert ("scaler.scale" in kept) is (name == "float16")
    assert bits(trained(name, Keeping(Streams((1,)), kept=kept))) == whole


def test_the_scaler_of_float16_is_kept():
    first = precision("float16", CPU).scaler()
    parameter = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    for factor in (1.0, float("inf"), 1.0, 1.0):  # the second makes a step invalid: half the scale, no update
        before = parameter.item()
        optimizer.zero_grad()
        first.scale(parameter.sum() * factor).backward()
        first.step(optimizer)
        first.update()
        assert (parameter.item() == before) is (factor != 1.0)
    again = precision("float16", CPU).scaler()
    load_scaler(again, save_scaler(first))
    names = ("scale", "_growth_tracker")
    assert [again.state_dict()[name] for name in names] == [first.state_dict()[name] for name in names] == [2.0**15, 2]


def test_a_scaler_that_does_nothing_keeps_nothing():
    assert save_scaler(precision("bfloat16", CPU).scaler()) == {}


def test_what_cannot_be_compiled_is_trained_as_it_is_with_a_note(monkeypatch):
    def broken(network):
        def fail(_):
            raise OSError("no C++ compiler\nand more")

        return fail

    monkeypatch.setattr(torch, "compile", broken)
    work = Keeping(Streams((1,)))
    model = fit(network(), data(), RECIPE, work, PREPARE, compile=True)
    (note,) = work.notes
    assert "cannot be compiled" in note
    assert note.endswith("(no C++ compiler)")
    assert bits(model) == bits(trained("float32", Work(Streams((1,)))))


def test_compiled_network_is_the_one_that_torch_gives(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda network: lambda x: 2 * network(x))
    layer, work = nn.Linear(3, 2), Keeping(Streams((1,)))
    forward = compiled(layer, work)
    torch.testing.assert_close(forward(torch.ones(1, 3)), 2 * layer(torch.ones(1, 3)))
    assert work.notes == []


def test_an_error_of_the_network_itself_is_not_hidden(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda network: network)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        compiled(nn.Linear(3, 2), Work(Streams((1,))))(torch.ones(1, 4))
