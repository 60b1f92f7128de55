import warnings

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from biasloop.contract.batching import Batches, Star
from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput
from biasloop.training.sources import Drawing, Real
from biasloop.training.star import Generated

torch.set_num_threads(1)
CPU = torch.device("cpu")
STREAMS = Streams((7, 0, "classifier"))
SHARES = (0, 0.1, 0.2, 0.29, 0.3, 0.4, 0.5, 0.57, 0.58, 0.6, 0.7, 0.8, 0.9, 1)

# Sheet 1.5, counted in the published code: generated images of a batch of that size, at the shares above.
MIXES = {
    256: (0, 25, 51, 74, 76, 102, 128, 145, 148, 153, 179, 204, 230, 256),
    128: (0, 12, 25, 37, 38, 51, 64, 72, 74, 76, 89, 102, 115, 128),
    64: (0, 6, 12, 18, 19, 25, 32, 36, 37, 38, 44, 51, 57, 64),
    100: (0, 10, 20, 28, 30, 40, 50, 56, 57, 60, 70, 80, 90, 100),
}


class Machine:
    """A generator and its judges, told what they are asked; a label and a group are signs of an image's numbers."""

    def __init__(self, rare=0.0):
        self.rare, self.drawn, self.labelled, self.grouped, self.modes = rare, [], [], [], []

    def sample(self, latents):
        self.drawn.append(len(latents))
        self.modes.append(torch.is_grad_enabled())
        return latents.view(-1, 2, 1, 1)

    def label(self, images):
        self.labelled.append(len(images))
        return (images[:, 0, 0, 0] > self.rare).long()

    def groups(self, images):
        self.grouped.append(len(images))
        return (images[:, 1, 0, 0] > self.rare).long()

    def generated(self):
        return Generated(self.sample, 2, self.label, self.groups, (2, 2))


def real(count, labelled=True):
    """Image i has the bytes of i in its two channels."""
    pixels = torch.tensor(np.arange(count, dtype=np.uint16).view(np.uint8).reshape(count, 2, 1, 1))
    return Real(pixels, lambda images: images.float() / 255, torch.arange(count) if labelled else None)


def rows(images):
    low, high = (images.view(-1, 2) * 255).round().long().unbind(1)
    return (low + 256 * high).tolist()


def drawing(batches, size, steps, **given):
    return Drawing(batches, size, steps, STREAMS, CPU, **given)


@pytest.mark.parametrize(
    ("count", "size", "steps", "last"), [(50001, 256, 196, 81), (52327, 128, 409, 103), (40000, 64, 625, 64)]
)
def test_real_batches_hold_every_row_once(count, size, steps, last):
    made = list(drawing(Batches(0), size, steps, real=real(count)).epoch(0))
    assert [len(images) for images, _ in made] == [size] * (steps - 1) + [last]
    seen = [row for images, _ in made for row in rows(images)]
    assert sorted(seen) == list(range(count))
    assert seen == [label for _, labels in made for label in labels.tolist()]
    assert seen[:size] != sorted(seen[:size])


@pytest.mark.parametrize("size", MIXES)
def test_mixes_are_the_published_ones(size):
    for share, expected in zip(SHARES, MIXES[size], strict=True):
        machine = Machine()
        made = drawing(Batches(share), size, 3, generated=machine.generated(), real=real(3 * size - size // 2), chunk=1)
        parts = list(made.epoch(0))
        rest = size - expected
        assert [len(images) for images, _ in parts] == [size, size, expected + min(rest, size - size // 2)]
        assert machine.drawn == machine.labelled == [expected] * 3 * (expected > 0)
        taken = [row for images, _ in parts for row in rows(images[expected:])]
        assert len(set(taken)) == len(taken)
        assert [row for _, labels in parts for row in labels[expected:].tolist()] == taken


def test_real_images_of_a_mix_are_the_first_of_their_step():
    plain = [rows(images) for images, _ in drawing(Batches(0), 10, 3, real=real(25)).epoch(4)]
    mixed = drawing(Batches(0.5), 10, 3, generated=Machine().generated(), real=real(25)).epoch(4)
    assert [rows(images[5:]) for images, _ in mixed] == [part[:5] for part in plain]


@pytest.mark.parametrize("star", [None, Star(budget=6), Star(budget=6, refill="single")])
def test_an_epoch_repeats_bit_for_bit(star):
    def epochs(*numbers):
        machine = Machine(0.6)
        made = drawing(Batches(0.8, star), 20, 9, generated=machine.generated(), real=real(171), chunk=100)
        return [torch.cat([torch.cat([images.flatten(), labels]) for images, labels in made.epoch(e)]) for e in numbers]

    whole, again, resumed = epochs(0, 1, 2), epochs(0, 1, 2), epochs(2)
    assert all(torch.equal(one, other) for one, other in zip(whole, again, strict=True))
    assert torch.equal(resumed[0], whole[2])
    assert not torch.equal(whole[0], whole[1])


def test_what_was_drawn_elsewhere_changes_nothing():
    def epoch():
        made = drawing(Batches(1, Star(budget=4)), 16, 5, generated=Machine().generated())
        return torch.cat([images for images, _ in made.epoch(0)])

    before = epoch()
    torch.rand(100)
    state = torch.random.get_rng_state()
    assert torch.equal(epoch(), before)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_chunk_is_one_decode_and_one_labelling():
    machine = Machine()
    made = list(drawing(Batches(), 32, 10, generated=machine.generated(), chunk=130).epoch(0))
    assert [tuple(images.shape) for images, _ in made] == [(32, 2, 1, 1)] * 10
    assert machine.drawn == machine.labelled == [128, 128, 64]
    assert machine.grouped == []
    assert not any(machine.modes)
    assert torch.is_grad_enabled()
    for images, labels in made:
        assert torch.equal(labels, machine.label(images))
    assert len({tuple(row) for images, _ in made for row in images.view(-1, 2).tolist()}) == 320


def test_star_asks_twice_a_chunk_and_respects_its_memory():
    machine = Machine()
    star = Star(budget=8, refill="single")
    made = drawing(Batches(1, star), 32, 10, generated=machine.generated(), chunk=165)
    images = [images for images, _ in made.epoch(0)]
    assert [len(part) for part in images] == [32] * 10
    assert [n for n in machine.drawn if n in (160, 80)] == machine.grouped == [160, 160, 80]
    assert len(machine.drawn) <= 6
    assert max(machine.drawn) <= 165
    assert machine.drawn == machine.labelled


@pytest.mark.parametrize("refill", ["single", "surplus-first", "until-met"])
def test_counts_are_those_of_the_batches(refill):
    machine = Machine(0.5)
    made = drawing(Batches(1, Star(budget=10, refill=refill)), 40, 12, generated=machine.generated(), chunk=200)
    assert made.counts() is None
    placed = []
    for images, labels in made.epoch(0):
        strata = machine.label(images) * 2 + machine.groups(images)
        assert torch.equal(labels, strata // 2)
        placed.append(torch.bincount(strata, minlength=4).numpy())
    counts = made.counts()
    assert counts.draws.sum() == sum(machine.drawn)
    assert counts.shortfall.shape == (12,)
    if refill == "single":
        assert (counts.drawn.sum(1) == 50).all()
        assert (counts.draws == 50 + counts.shortfall).all()
        assert (counts.placed == np.minimum(counts.drawn, 10)).all()
        assert (counts.shortfall == 40 - counts.placed.sum(1)).all()
        assert (np.array(placed) >= counts.placed).all()
    else:
        assert (counts.placed == placed).all()
    if refill == "surplus-first":
        assert (counts.draws == 50).all()
        assert (counts.shortfall == 40 - np.minimum(counts.drawn, 10).sum(1)).all()
    if refill == "until-met":
        assert (counts.placed == 10).all()
        assert counts.draws.max() > 50
    assert made.counts() is None


def test_counts_of_epochs_follow_each_other():
    made = drawing(Batches(0.5, Star(budget=4)), 20, 3, generated=Machine().generated(), real=real(60))
    for epoch in range(2):
        list(made.epoch(epoch))
    both = made.counts()
    list(made.epoch(1))
    second = made.counts()
    assert both.size == 10
    assert both.shortfall.shape == (6,)
    assert (both.drawn[3:] == second.drawn).all()
    assert (both.placed[3:] == second.placed).all()


@pytest.mark.parametrize("chunk", [1, 4096])
def test_the_size_of_a_chunk_does_not_change_what_is_drawn_in_law(chunk):
    """Filler of "single" is the generator's own mix, at any chunk: 300 batches, five standard errors."""
    machine = Machine(1.0)
    made = drawing(Batches(1, Star(budget=10, refill="single")), 40, 300, generated=machine.generated(), chunk=chunk)
    ones = sum(int(labels.sum()) for _, labels in made.epoch(0))
    kept, share = made.counts().placed, 0.15865525393145707  # P(z > 1)
    filler = 40 * 300 - kept.sum()
    assert filler > 40 * 100
    error = (filler * share * (1 - share)) ** 0.5
    assert abs(ones - kept[:, 2:].sum() - filler * share) < 5 * error


def test_without_labels_nobody_is_asked_for_any():
    machine = Machine()
    generated = Generated(machine.sample, 2)
    made = drawing(Batches(0.5), 8, 4, generated=generated, real=real(30, labelled=False), labelled=False)
    assert [labels for _, labels in made.epoch(0)] == [None] * 4
    starred = drawing(
        Batches(1, Star(budget=2, refill="single")), 8, 4, generated=machine.generated(), labelled=False, chunk=10
    )
    machine.drawn.clear()
    assert [labels for _, labels in starred.epoch(0)] == [None] * 4
    assert machine.labelled == machine.grouped == [10] * 4
    assert len(machine.drawn) > 4


@pytest.mark.parametrize(
    ("batches", "given", "words"),
    [
        (Batches(1), {}, "no generator"),
        (Batches(1), {"generated": Generated(lambda z: z, 2)}, "no classifier"),
        (Batches(0.5), {"generated": Machine().generated()}, "no real images"),
        (Batches(0), {"real": real(30, labelled=False)}, "no real labels"),
        (Batches(0), {"real": real(24)}, "at most 3 steps"),
        (Batches(1, Star()), {"generated": Generated(lambda z: z, 2, len, None, (2, 2))}, "groups missing"),
        (Batches(1, Star((0.5, 0.5))), {"generated": Machine().generated()}, "2 ideal shares for 4 strata"),
    ],
)
def test_what_is_missing_is_said_before_training(batches, given, words):
    with pytest.raises(InvalidInput, match=words):
        drawing(batches, 8, 4, **given)


@pytest.mark.parametrize(("size", "steps"), [(0, 4), (8, 0)])
def test_no_batch_at_all_is_refused(size, steps):
    with pytest.raises(InvalidInput, match="1 or more"):
        drawing(Batches(0), size, steps, real=real(30))


class Waits(TorchDispatchMode):
    """Counts operations for which the host would wait for a GPU: sizes or values that depend on data, new constants."""

    NAMES = ("nonzero", "_local_scalar_dense", "masked_select", "_unique2", "bincount", "equal", "lift_fresh")

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        masks = name == "index" and any(index is not None and index.dtype == torch.bool for index in args[1])
        if masks or name in self.NAMES:
            self.found.append(name)
        return function(*args, **(kwargs or {}))


def test_waits_are_seen():
    numbers = torch.arange(3)
    with Waits() as waits:
        numbers[numbers > 1].sum().item()
        bool(numbers[0] == torch.tensor(1))
    assert waits.found == ["index", "_local_scalar_dense", "lift_fresh", "_local_scalar_dense"]


@pytest.mark.parametrize(("refill", "most"), [(None, 0), ("surplus-first", 0), ("single", 1), ("until-met", 13)])
def test_a_device_is_waited_for_once_a_chunk(refill, most):
    """64 + 16 samples a batch, 8 batches a chunk; until-met waits for every redraw, 12 of them up to the cap."""
    machine = Machine(1.5)
    star = None if refill is None else Star(budget=16, refill=refill)
    made = drawing(Batches(1, star), 64, 32, generated=machine.generated(), chunk=640)
    with Waits() as waits:
        for _ in made.epoch(0):
            pass
    chunks = 4 if star else 3.2
    assert len(waits.found) <= most * chunks
    assert set(waits.found) <= {"nonzero"}
    assert refill != "until-met" or len(machine.drawn) > 2 * chunks


@pytest.mark.skipif(not torch.cuda.is_available(), reason="asks a GPU what it is waited for")
@pytest.mark.parametrize(("refill", "most"), [(None, 0), ("surplus-first", 0), ("single", 1)])
def test_a_gpu_is_waited_for_once_a_chunk(refill, most):
    device = torch.device("cuda", 0)
    star = None if refill is None else Star(budget=16, refill=refill)
    made = Drawing(Batches(1, star), 64, 32, STREAMS, device, generated=Machine(0.5).generated(), chunk=640)
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as waits:
            warnings.simplefilter("always")
            for _ in made.epoch(1):
                pass
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert sum("synchroniz" in str(wait.message) for wait in waits) <= 4 * most
