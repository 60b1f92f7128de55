"""Batches read by rows in a thread: the bytes and draws of batches that lie on the device, and nothing left over."""

import gc
import threading

import numpy as np
import pytest
import torch

from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput
from biasloop.training.augment import Preparation
from biasloop.training.prefetching import Stored, StoredRows, room
from biasloop.training.recipe import Recipe
from biasloop.training.sources import Batch, Rows, TrainingSet

torch.set_num_threads(1)
CPU = torch.device("cpu")
STREAMS = Streams((3, "fit"))
RECIPE = Recipe(epochs=2, batch_size=4)
PREPARE = Preparation(torch.tensor([0.5]), torch.tensor([0.25]), padding=1, flip=True)


class Asked(np.ndarray):
    """An array that notes which of its rows are read."""

    rows: list[int]

    def __getitem__(self, key):
        if isinstance(key, np.integer | int) and hasattr(self, "rows"):
            self.rows.append(int(key))
            return np.asarray(self)[key]
        return super().__getitem__(key)


@pytest.fixture
def on_disk(tmp_path):
    """`(30, 5, 4, 1)` uint8 in a file that is mapped."""
    values = np.random.default_rng(0).integers(0, 256, (30, 5, 4, 1), np.uint8)
    np.save(tmp_path / "values.npy", values)
    return np.load(tmp_path / "values.npy", mmap_mode="r")


@pytest.fixture
def asked(on_disk):
    values = np.array(on_disk).view(Asked)
    values.rows = []
    return values


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("biasloop-ahead")]


@pytest.mark.parametrize("ahead", [0, 1, 3])
@pytest.mark.parametrize("kept", [0, 5, 30])
def test_bytes_are_the_same_whatever_is_read_ahead_and_stays(on_disk, ahead, kept):
    keep = np.random.default_rng(1).permutation(30)
    stored = Stored(on_disk, CPU, keep=keep, room=kept * 20 + 19, ahead=ahead)
    assert stored.kept == kept
    assert len(stored) == 30
    rows = np.random.default_rng(2).integers(0, 30, 47)
    batches = list(stored.batches(rows, 7))
    assert [len(batch) for batch in batches] == [7] * 6 + [5]
    assert np.array_equal(torch.cat(batches).numpy(), on_disk[rows])
    assert list(stored.batches(rows[:0], 7)) == []
    assert not threads()


def test_rows_are_read_in_the_order_of_the_file_and_those_that_stay_are_not(asked):
    stored = Stored(asked, CPU, keep=np.array([7, 2]), room=1000)
    assert asked.rows == [2, 7]
    asked.rows.clear()
    (batch,) = stored.batches(np.array([9, 7, 1, 2, 4]), 5)
    assert asked.rows == [1, 4, 9]
    assert np.array_equal(batch.numpy(), np.asarray(asked)[[9, 7, 1, 2, 4]])


def test_a_cpu_keeps_nothing():
    assert room(CPU, 0.5) == 0


def made(images, positions, augment):
    return Batch(PREPARE(images.permute(0, 3, 1, 2), augment), positions % 3, positions)


def source(stored, rows, recipe=RECIPE):
    return StoredRows(stored, rows, recipe, STREAMS, made)


@pytest.mark.parametrize("kept", [0, 200])
@pytest.mark.parametrize("drop", [False, True])
def test_batches_are_those_of_a_training_set_on_the_device(on_disk, drop, kept):
    recipe = Recipe(epochs=2, batch_size=4, drop_last=drop)
    rows = np.array([3, 29, 7, 7, 1, 0, 12, 13, 20, 2])
    images = torch.from_numpy(np.array(on_disk)).permute(0, 3, 1, 2)
    train = TrainingSet(images, torch.arange(10) % 3, rows=torch.from_numpy(rows))
    expected, given = (
        Rows(train, recipe, STREAMS, PREPARE),
        source(Stored(on_disk, CPU, keep=rows, room=kept), rows, recipe),
    )
    assert (given.steps, given.updates) == (expected.steps, expected.updates) == ((2, 2) if drop else (3, 3))
    for epoch in range(2):
        for (one,), (other,) in zip(expected.epoch(epoch), given.epoch(epoch), strict=True):
            assert torch.equal(one.inputs, other.inputs)
            assert torch.equal(one.targets, other.targets)
            assert torch.equal(one.rows, other.rows)
    assert not threads()


def test_an_epoch_that_goes_on_reads_only_from_there_and_has_the_same_bits(asked):
    rows = np.arange(30)
    whole = source(Stored(asked, CPU), rows)
    passed, state = [], {}
    for done, (batch,) in enumerate(whole.epoch(1)):
        passed.append(batch.inputs)
        if done == 2:
            state = whole.state(3)
    asked.rows.clear()
    resumed = source(Stored(asked, CPU), rows)
    resumed.restore(state)
    rest = [batch.inputs for (batch,) in resumed.epoch(1, 3)]
    assert len(asked.rows) == 30 - 3 * 4
    assert len(rest) == len(passed) - 3
    for one, other in zip(passed[3:], rest, strict=True):
        assert torch.equal(one, other)


def test_who_stops_or_raises_leaves_no_thread(on_disk):
    stored = Stored(on_disk, CPU)
    for _ in source(stored, np.arange(30)).epoch(0):
        break
    gc.collect()
    assert not threads()

    def train():
        for (batch,) in source(stored, np.arange(30)).epoch(0):
            raise ValueError(f"diverged on {len(batch)}")

    with pytest.raises(ValueError, match="diverged on 4"):
        train()
    assert not threads()


def test_errors_of_the_thread_reach_the_consumer(on_disk):
    with pytest.raises(IndexError, match="out of bounds"):
        list(Stored(on_disk, CPU).batches(np.array([1, 2, 30]), 2))
    assert not threads()


def test_no_batch_is_refused(on_disk):
    with pytest.raises(InvalidInput, match=r"no batch to train on: 3 samples, batch_size 4, drop_last True"):
        source(Stored(on_disk, CPU), np.arange(3), Recipe(batch_size=4, drop_last=True))
