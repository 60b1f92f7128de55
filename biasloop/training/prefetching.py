"""Stored inputs that need not fit on the device, nor into memory: batches are read by rows while others are computed.

A file that is mapped into memory is read in a thread, of each batch in the order of the file, into memory that a GPU
copies from by itself. What fits stays on the device and is read once. The bytes of a batch are the same whatever is
read ahead and whatever stays.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from biasloop.contract.context import Work
from biasloop.contract.data import Array, Arrays, Ints
from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput
from biasloop.system.ahead import in_advance
from biasloop.training.device import generator
from biasloop.training.recipe import Recipe

B = TypeVar("B")
Make = Callable[[Tensor, Tensor, torch.Generator], B]
"""Of stored inputs `(n, ...)` and positions `(n,)` in the training set, both on the device, a batch."""

AHEAD = 2
"""Batches that are read while one is computed."""

_AT_A_TIME = 256  # rows, when what stays is read


@dataclass(frozen=True)
class _Read:
    """Of a batch, what was read from the file.

    Attributes:
        rows: `(n,)` of all.
        at: `(m,)` positions in the batch of those that were read.
        values: `(m, ...)` on the host.
    """

    rows: Ints
    at: Ints
    values: Tensor


class Stored:
    """Rows of an array in a file, as a device wants them.

    Args:
        values: `(N, ...)`, mapped into memory or not; never written to.
        device: what computes with them.
        keep: `(k,)` rows, the most wanted first, of which as many stay on the device as there is room for.
        room: bytes that they may take there.
        ahead: batches that are read while one is computed; 0 reads each when it is asked for, without a thread.

    Attributes:
        kept: how many rows are on the device.
    """

    def __init__(
        self, values: Array, device: torch.device, *, keep: Ints | None = None, room: int = 0, ahead: int = AHEAD
    ) -> None:
        self._values, self.device, self._ahead = values, device, ahead
        self._dtype = torch.from_numpy(np.zeros(0, values.dtype)).dtype
        fit = room // max(1, values[:1].nbytes)
        wanted = np.zeros(0, np.int64) if keep is None else keep[:fit]
        self._slot = np.full(len(values) if len(wanted) else 0, -1, np.int64)  # (N,) where each stays, or -1
        self._stays: Tensor | None = None
        if len(wanted):
            stays = torch.empty((len(wanted), *values.shape[1:]), dtype=self._dtype, device=device)
            for start, block in zip(range(0, len(wanted), _AT_A_TIME), self.batches(wanted, _AT_A_TIME), strict=True):
                stays[start : start + len(block)] = block
            self._stays, self._slot[wanted] = stays, np.arange(len(wanted))
        self.kept = len(wanted)

    def __len__(self) -> int:
        return len(self._values)

    def batches(self, rows: Ints, size: int) -> Iterator[Tensor]:
        """Values `(n, ...)` of rows in the given order, so many at a time; the last may be fewer."""
        return self.read(rows[start : start + size] for start in range(0, len(rows), size))

    def read(self, batches: Iterable[Ints]) -> Generator[Tensor]:
        """Values `(n, ...)` on the device of each batch of `(n,)` rows.

        To stop is to end the thread: it is over when the iterator is closed, or nobody has it any more.
        """
        with closing(in_advance(self._from_file, batches, self._ahead)) as parts:
            for part in parts:
                yield self._on_device(part)

    def _from_file(self, rows: Ints) -> _Read:
        at = np.arange(len(rows)) if self._stays is None else np.flatnonzero(self._slot[rows] < 0)
        pinned = self.device.type == "cuda"
        values = torch.empty((len(at), *self._values.shape[1:]), dtype=self._dtype, pin_memory=pinned)
        writable = values.numpy()
        wanted = rows[at]
        for position in np.argsort(wanted, kind="stable").tolist():
            writable[position] = self._values[wanted[position]]
        return _Read(rows, at, values)

    def _on_device(self, part: _Read) -> Tensor:
        values = part.values.to(self.device, non_blocking=True)
        if self._stays is None or len(part.at) == len(part.rows):
            return values
        slots = self._slot[part.rows]
        there = np.flatnonzero(slots >= 0)
        batch = torch.empty((len(part.rows), *values.shape[1:]), dtype=values.dtype, device=self.device)
        batch.index_copy_(0, self._index(there), self._stays.index_select(0, self._index(slots[there])))
        return batch.index_copy_(0, self._index(part.at), values)

    def _index(self, positions: Ints) -> Tensor:
        return torch.from_numpy(positions).to(self.device)


def room(device: torch.device, share: float) -> int:
    """Bytes of a share of what is free on a GPU now; on a CPU none, where a mapped file is in memory as it is."""
    if device.type != "cuda":
        return 0
    return int(torch.cuda.mem_get_info(device)[0] * share)


class StoredRows(Generic[B]):
    """Batches of stored rows in random order, the same as those of `sources.Rows` (`biasloop.training.sources.Source`).

    Args:
        stored: the inputs.
        rows: `(n,)` row of each sample of the training set.
        recipe: size of a batch, and whether a short last one is left out.
        streams: of the fit; epoch e draws from `at("epoch", e, ...)`.
        make: makes a batch, augmented with the generator.

    Raises:
        InvalidInput: there is not one batch.
    """

    def __init__(self, stored: Stored, rows: Ints, recipe: Recipe, streams: Streams, make: Make[B]) -> None:
        self.steps = self.updates = recipe.steps(len(rows))
        if not self.steps:
            raise InvalidInput(
                f"there is no batch to train on: {len(rows)} samples, batch_size {recipe.batch_size}, "
                f"drop_last {recipe.drop_last}; set a smaller batch_size or drop_last = false"
            )
        self._stored, self._rows, self._size, self._streams = stored, rows, recipe.batch_size, streams
        self._make = make
        self._augment = generator(streams, stored.device)
        self._restored: Tensor | None = None

    def epoch(self, number: int, start: int = 0) -> Iterator[Sequence[B]]:
        """One batch an update; of those before `start` nothing is read."""
        streams = self._streams.at("epoch", number)
        self._augment = generator(streams.at("augment"), self._stored.device)
        if self._restored is not None:
            self._augment.set_state(self._restored)
            self._restored = None
        order = streams.at("order").generator().permutation(len(self._rows))  # (n,) positions in the training set
        parts = [order[step * self._size : (step + 1) * self._size] for step in range(start, self.steps)]
        positions = torch.from_numpy(order).to(self._stored.device)
        with closing(self._stored.read(self._rows[part] for part in parts)) as inputs:
            for step in range(start, self.steps):
                part = slice(step * self._size, (step + 1) * self._size)
                # No name is bound to the batch, so that its memory is free before the next one is made.
                yield (self._make(next(inputs), positions[part], self._augment),)

    def state(self, done: int) -> Arrays:
        """Where the augmentation's generator is."""
        return {"augment": self._augment.get_state().cpu().numpy().copy()}

    def restore(self, state: Arrays) -> None:
        """For the next epoch asked for."""
        self._restored = torch.from_numpy(np.array(state["augment"]))

    def finish(self, epoch: int, work: Work) -> None:
        """Nothing was counted."""
