from dataclasses import replace

import numpy as np
import pytest
import torch
from support.fits import fit_rows, sgd
from torch import nn

from biasloop.contract.context import Work
from biasloop.contract.randomness import Streams
from biasloop.errors import Interrupted, InvalidInput
from biasloop.training.augment import Preparation
from biasloop.training.compiling import compiled
from biasloop.training.device import generator, seeded
from biasloop.training.loop import check_float16
from biasloop.training.precision import load_scaler, precision, save_scaler
from biasloop.training.sources import TrainingSet

torch.set_num_threads(1)
CPU = torch.device("cpu")
PREPARE = Preparation(torch.tensor([0.5]), torch.tensor([0.25]), padding=1, flip=True)
RECIPE = sgd(3, 8, 0.05)
HALVES = ["bfloat16", "float16"]
KINDS = [*HALVES, "pure-float16"]


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
    numbers = precision(name, CPU)
    return fit_rows(numbers.network(network()), data(), recipe, work, PREPARE, precision=numbers)


def bits(model):
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


def test_auto_is_float32_on_a_cpu():
    assert precision("auto", CPU).dtype == torch.float32
    unnamed = fit_rows(network(), data(), RECIPE, Work(Streams((1,))), PREPARE)
    assert bits(trained("auto", Work(Streams((1,))))) == bits(unnamed)


@pytest.mark.parametrize("name", HALVES)
def test_half_precision_has_float32_weights_and_learns_like_float32(name):
    recipe = sgd(15, 8, 0.02)
    half, full = Keeping(Streams((1,))), Keeping(Streams((1,)))
    model = trained(name, half, recipe)
    assert {tensor.dtype for tensor in model.state_dict().values()} == {torch.float32, torch.int64}
    assert bits(model) != bits(trained("float32", full, recipe))
    assert half.losses[0] == pytest.approx(full.losses[0], rel=0.1)
    assert half.losses[-1] < 0.1 > full.losses[-1]


def published(numbers, recipe):
    """As the published loop trains in float16: half weights but those of normalisation, summed loss, no scaling."""
    model, samples = network().half(), data()
    model[1].float()
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.0, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay * 8
    )
    step, losses = 0, []
    for epoch in range(recipe.epochs):
        streams = Streams((1, "epoch", epoch))
        order, draws = streams.at("order").generator().permutation(24), generator(streams.at("augment"), CPU)
        for begin in range(0, 24, 8):
            rows = torch.from_numpy(order[begin : begin + 8])
            step += 1
            optimizer.param_groups[0]["lr"] = recipe.rate(step, 3 * recipe.epochs) / 8
            logits = model(PREPARE(samples.inputs[rows], draws).half())
            loss = nn.functional.cross_entropy(logits, samples.labels[rows], reduction="none").sum()
            assert logits.dtype == loss.dtype == torch.float16
            losses.append(float(loss.detach()))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    momenta = {held["momentum_buffer"].dtype for held in optimizer.state.values()}
    assert momenta == {torch.float16, torch.float32}
    return model, losses


def test_float16_throughout_is_the_published_loop_bit_for_bit():
    recipe, numbers = replace(RECIPE, summed=True, epochs=4), precision("pure-float16", CPU)
    work = Keeping(Streams((1,)))
    model = fit_rows(numbers.network(network()), data(), recipe, work, PREPARE, precision=numbers)
    expected, losses = published(numbers, recipe)
    kinds = {name: tensor.dtype for name, tensor in model.state_dict().items()}
    assert kinds["0.weight"] == kinds["4.weight"] == kinds["4.bias"] == torch.float16
    assert kinds["1.weight"] == kinds["1.running_mean"] == torch.float32
    assert bits(model) == bits(expected)
    assert work.losses == pytest.approx([sum(losses[3 * epoch : 3 * epoch + 3]) / 24 for epoch in range(4)], rel=1e-3)
    assert {work.kept[f"optimizer.{place}.momentum_buffer"].dtype.name for place in range(6)} == {"float16", "float32"}
    assert not [name for name in work.kept if name.startswith("scaler")]
    assert bits(model) != bits(trained("float16", Work(Streams((1,))), RECIPE))


def test_inputs_rounded_to_float16_are_computed_with_in_float32():
    def rounded(images, draws):
        return PREPARE(images, draws).half().float()

    found = trained("float16-inputs", Work(Streams((1,))))
    assert bits(found) == bits(fit_rows(network(), data(), RECIPE, Work(Streams((1,))), rounded))
    assert bits(found) != bits(trained("float32", Work(Streams((1,)))))


def test_a_summed_loss_changes_rounding_alone():
    recipe = replace(RECIPE, weight_decay=0.01, batch_size=7)  # the last batch is not full
    one, other = (trained("float32", Work(Streams((1,))), replace(recipe, summed=summed)) for summed in (False, True))
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_float16_throughout_is_refused_where_torch_lacks_it(monkeypatch):
    def lacking(*_, **__):
        raise RuntimeError("\"slow_conv2d_cpu\" not implemented for 'Half'\nand more")

    monkeypatch.setattr(nn.functional, "conv2d", lacking)
    with pytest.raises(
        InvalidInput, match="float16 throughout, as released, cannot be had on cpu .*'Half'\\); use a GPU"
    ):
        check_float16(precision("pure-float16", CPU))
    assert precision("float16-inputs", CPU).dtype == torch.float32


@pytest.mark.parametrize("name", KINDS)
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
    model = fit_rows(network(), data(), RECIPE, work, PREPARE, compile=True)
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
