"""The batches of a fit: stored rows; or real images, generated ones, both, or generated ones filled by STAR.

No data loader: everything is on the device. Generated images are not stored: they are drawn, decoded and labelled for
several batches at once and used once (Wyllie et al. 2024, Fairness Feedback Loops, doi 10.1145/3630106.3659029).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from biasloop.contract import batching
from biasloop.contract.context import Work
from biasloop.contract.data import Arrays, Ints
from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput
from biasloop.training.device import generator
from biasloop.training.distributed import Alone
from biasloop.training.recipe import Recipe
from biasloop.training.sampling import Sampling
from biasloop.training.star import Filled, Filling, Generated

B_co = TypeVar("B_co", covariant=True)
Prepare = Callable[[Tensor, torch.Generator | None], Tensor]


@dataclass(frozen=True)
class Batch:
    """What one forward and backward pass takes, on the device.

    Attributes:
        inputs: `(n, ...)`, as the network takes them.
        targets: `(n,)` int64 classes; None where nothing is labelled.
        rows: `(n,)` int64, position of each sample in the training set; None where samples are drawn afresh.
        weights: `(n,)` float32 factors of the samples' losses; None for 1.
        total: samples of the batch in all processes together; None where all of them are here.
    """

    inputs: Tensor
    targets: Tensor | None = None
    rows: Tensor | None = None
    weights: Tensor | None = None
    total: int | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, rows: Tensor, weights: Tensor | None = None) -> "Batch":
        """Some of the samples.

        Args:
            rows: `(k,)` int64 positions in the batch.
            weights: `(k,)` float32 by which their weights are multiplied; None for 1.
        """
        own = None if self.weights is None else self.weights.index_select(0, rows)
        return Batch(
            self.inputs.index_select(0, rows),
            None if self.targets is None else self.targets.index_select(0, rows),
            None if self.rows is None else self.rows.index_select(0, rows),
            weights if own is None else own if weights is None else own * weights,
        )


class Source(Protocol[B_co]):
    """Where the batches of a fit come from: the same ones for the same streams and epoch, wherever it starts."""

    @property
    def steps(self) -> int:
        """Micro-batches of an epoch."""

    @property
    def updates(self) -> int:
        """Of an epoch, each of one micro-batch or of several."""

    def epoch(self, number: int, start: int = 0) -> Iterator[Sequence[B_co]]:
        """The micro-batches of each update of an epoch, from 0, beginning with update `start`.

        Asked for with torch's global generators seeded for the epoch, or put back to where a checkpoint was written.
        """

    def state(self, done: int) -> Arrays:
        """What a checkpoint after `done` updates of the epoch under way has to hold of it; {} where that says all."""

    def restore(self, state: Arrays) -> None:
        """Takes such a state, for the epoch that comes next."""

    def finish(self, epoch: int, work: Work) -> None:
        """An epoch, from 0, is over: the time to log what was counted of it."""


@dataclass(frozen=True)
class TrainingSet:
    """Stored inputs and labels on the device of the network.

    Attributes:
        inputs: `(N, ...)`, as `Prepare` takes them (images: uint8).
        labels: `(n,)` int64.
        weights: `(n,)` float32 factors of the samples' losses, or None for 1.
        rows: `(n,)` int64, the input of each label, or None where the i-th label is of the i-th input.
    """

    inputs: Tensor
    labels: Tensor
    weights: Tensor | None = None
    rows: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)


class Rows:
    """Batches of a training set in random order; order and augmentation depend on streams and epoch alone.

    Of several processes each gives its own share of every batch; an augmentation would differ between them.

    Args:
        train: what to train on.
        recipe: size of a batch, and whether a short last one is left out.
        streams: of the fit; epoch e draws from `at("epoch", e, ...)`.
        prepare: from stored inputs to the network's, augmented with the generator given.
        sampling: the samples of an epoch; None for one pass over all.
        group: the processes that train together; None for this one alone.

    Raises:
        InvalidInput: there is not one batch, or there are batches with fewer samples than processes.
    """

    def __init__(
        self,
        train: TrainingSet,
        recipe: Recipe,
        streams: Streams,
        prepare: Prepare,
        sampling: Sampling | None = None,
        group: Alone | None = None,
    ) -> None:
        size = len(train if sampling is None else sampling)
        self.steps = self.updates = recipe.steps(size)
        if not self.steps:
            raise InvalidInput(
                f"there is no batch to train on: {size} samples, batch_size {recipe.batch_size}, "
                f"drop_last {recipe.drop_last}; set a smaller batch_size or drop_last = false"
            )
        self._train, self._size, self._streams, self._prepare = train, recipe.batch_size, streams, prepare
        self._sampling, self._group = sampling, group or Alone()
        smallest = recipe.batch_size if recipe.drop_last else size % recipe.batch_size or recipe.batch_size
        if smallest < self._group.count:
            raise InvalidInput(
                f"{self._group.count} processes were launched, and a batch has {smallest} samples; launch fewer"
            )
        self._augment = generator(streams, train.labels.device)
        self._restored: Tensor | None = None

    def epoch(self, number: int, start: int = 0) -> Iterator[tuple[Batch]]:
        """One batch an update."""
        train, streams = self._train, self._streams.at("epoch", number)
        self._augment = generator(streams.at("augment"), train.labels.device)
        if self._restored is not None:
            self._augment.set_state(self._restored)
            self._restored = None
        # One gather for the epoch, so that a batch is a slice.
        draws, sampling = streams.at("order").generator(), self._sampling
        rows = draws.permutation(len(train)) if sampling is None else sampling.order(draws)
        order = torch.from_numpy(rows).to(train.labels.device)  # (samples of the epoch,)
        inputs = order if train.rows is None else train.rows[order]  # (n,) rows of the stored inputs
        targets, weights = train.labels[order], None if train.weights is None else train.weights[order]
        group = self._group
        for step in range(start, self.steps):
            begin, end = step * self._size, min((step + 1) * self._size, len(order))
            part = slice(begin + group.rank, end, group.count)  # as `Alone.part`
            # No name is bound to the batch, so that its memory is free before the next one is made.
            yield (
                Batch(
                    self._prepare(train.inputs[inputs[part]], self._augment),  # (batch, C, H, W) float32
                    targets[part],
                    order[part],
                    None if weights is None else weights[part],
                    None if group.count == 1 else end - begin,
                ),
            )

    def state(self, done: int) -> Arrays:
        """Where the augmentation's generator is."""
        return {"augment": self._augment.get_state().cpu().numpy().copy()}

    def restore(self, state: Arrays) -> None:
        """For the next epoch asked for."""
        self._restored = torch.from_numpy(np.array(state["augment"]))

    def finish(self, epoch: int, work: Work) -> None:
        """Nothing was counted."""


@dataclass(frozen=True)
class Real:
    """Real images on the device.

    Attributes:
        images: `(N, C, H, W)` uint8.
        prepare: some of them to float32 in [0, 1].
        labels: `(N,)` int64; None where no labels are wanted.
    """

    images: Tensor
    prepare: Callable[[Tensor], Tensor]
    labels: Tensor | None = None


@dataclass(frozen=True)
class Counts:
    """What STAR counted of each batch, in the order made.

    Attributes:
        size: images that STAR chose for a batch.
        shortfall: `(batches,)` int64, places that quotas left open after the first draw ("resampled" as published).
        drawn: `(batches, strata)` int64, all stratified samples drawn, before selection.
        placed: `(batches, strata)` int64, samples of each stratum in the batch; with "single", of those that quotas
            kept, since nobody knows the strata of the others.
    """

    size: int
    shortfall: Ints
    drawn: Ints
    placed: Ints

    @property
    def draws(self) -> Ints:
        """`(batches,)` int64, images generated for each batch, whether stratified or not."""
        total: Ints = self.drawn.sum(1) + self.size - self.placed.sum(1)
        return total


class Drawing:
    """Makes the batches of one fit, the same for the same streams and epoch.

    How many batches are made at once (`chunk`) changes what is drawn, not its distribution.

    Args:
        batches: what a batch is made of.
        size: images of a batch.
        steps: batches of an epoch: ceil(training images / size).
        streams: of the fit; epoch e draws from `at("epoch", e, ...)`.
        device: of all images.
        generated: where generated images come from; None if there are none in a batch.
        real: real images; None if there are none in a batch.
        labelled: whether labels are wanted; if not, only strata of STAR ask for any.
        chunk: generated images in memory at a time, at most, beside those of the batches made of them; one
            batch's if that is more.

    Raises:
        InvalidInput: if what batches are made of is not given, or there are fewer real images than steps need.
    """

    def __init__(
        self,
        batches: batching.Batches,
        size: int,
        steps: int,
        streams: Streams,
        device: torch.device,
        *,
        generated: Generated | None = None,
        real: Real | None = None,
        labelled: bool = True,
        chunk: int = 2048,
    ) -> None:
        made = batches.generated(size)
        _check(size, steps, made, generated, real, labelled=labelled)
        self.steps = steps
        self._size, self._made, self._streams, self._device = size, made, streams, device
        self._generated, self._real, self._labelled = generated, real, labelled
        self._filling: Filling | None = None
        drawn = made
        if generated is not None and made and batches.star is not None:
            self._filling = Filling(batches.star, generated, made, device, labelled)
            drawn = self._filling.first
        self._together = max(1, chunk // drawn) if made else steps
        self._counts: list[Tensor] = []

    def epoch(self, number: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor | None]]:
        """The batches of an epoch: images `(n, C, H, W)` float32 and labels `(n,)` int64, or None if not wanted.

        The last batch has fewer real images if they run out; generated ones are always as many. The host waits
        for the device as `Filling` says, once for several batches, and without STAR never.

        Args:
            number: of the epoch, from 0.
            start: the first batch wanted; those made together with it are made again, whole, since what is drawn for
                one depends on those before it.
        """
        streams = self._streams.at("epoch", number)
        order = self._order(streams)
        for begin in range(start - start % self._together, self.steps, self._together):
            steps = range(begin, min(begin + self._together, self.steps))
            filled = self._fill(len(steps), streams.at("chunk", begin // self._together))
            for index, step in enumerate(steps):
                if step >= start:
                    yield self._batch(filled, index, order, step)

    def state(self, done: int) -> Arrays:
        """What STAR counted of batches that are not made again by an epoch that starts at batch `done`."""
        finished = self._counts[: done // self._together]
        return {"counts": torch.cat(finished).cpu().numpy()} if finished else {}

    def restore(self, state: Arrays) -> None:
        """Puts that back; to be followed by an epoch that starts there."""
        if "counts" in state:
            counts = torch.from_numpy(np.array(state["counts"])).to(self._device)  # (batches, 1 + 2 strata)
            self._counts = [*torch.split(counts, self._together)]

    def counts(self) -> Counts | None:
        """What STAR counted of the batches made since this was last asked; None without STAR or such batches.

        The host waits for the device.
        """
        if self._filling is None or not self._counts:
            return None
        rows, count = torch.cat(self._counts).cpu().numpy(), self._filling.count
        self._counts.clear()
        return Counts(self._made, rows[:, 0], rows[:, 1 : 1 + count], rows[:, 1 + count :])

    def _order(self, streams: Streams) -> Tensor | None:
        """Rows of real images in the order of an epoch; None if no batch has any."""
        if self._real is None or self._made == self._size:
            return None
        rows = streams.at("order").generator().permutation(len(self._real.images))
        return torch.from_numpy(rows).to(self._device)

    @torch.no_grad()
    def _fill(self, batches: int, streams: Streams) -> Filled | None:
        """The generated parts of some batches; None if batches have none."""
        if self._generated is None or not self._made:
            return None
        noise = generator(streams, self._device)
        if self._filling is None:
            images = self._generated.draw(batches * self._made, noise)
            return Filled(images, self._generated.labels(images) if self._labelled else None, None)
        filled = self._filling(batches, noise)
        if filled.counts is not None:
            self._counts.append(filled.counts)
        return filled

    def _batch(
        self, filled: Filled | None, index: int, order: Tensor | None, step: int
    ) -> tuple[Tensor, Tensor | None]:
        """One batch: generated images, then real ones (as published, of the first of those its step had)."""
        images: list[Tensor] = []
        labels: list[Tensor] = []
        if filled is not None:
            part = slice(index * self._made, (index + 1) * self._made)
            images.append(filled.images[part])
            if filled.labels is not None:
                labels.append(filled.labels[part])
        if order is not None and self._real is not None:
            rows = order[step * self._size : (step + 1) * self._size - self._made]
            images.append(self._real.prepare(self._real.images.index_select(0, rows)))
            if self._labelled and self._real.labels is not None:
                labels.append(self._real.labels[rows])
        return _joined(images), _joined(labels) if self._labelled else None


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _check(size: int, steps: int, made: int, generated: Generated | None, real: Real | None, *, labelled: bool) -> None:
    if size < 1 or steps < 1:
        raise InvalidInput(
            f"there is no batch to draw: batch size {size}, {steps} steps an epoch; set both to 1 or more"
        )
    if made and (generated is None or (labelled and generated.label is None)):
        missing = "generator" if generated is None else "classifier that labels them"
        raise InvalidInput(f"{made} of the {size} images of a batch are generated but there is no {missing}; give one")
    if made == size:
        return
    if real is None or (labelled and real.labels is None):
        missing = "images" if real is None else "labels"
        raise InvalidInput(
            f"{size - made} of the {size} images of a batch are real but there are no real {missing}; "
            f"give {missing} or set the synthetic share to 1"
        )
    if (steps - 1) * size >= len(real.images):
        raise InvalidInput(
            f"{steps} batches of {size} need more than the {len(real.images)} real images there are; "
            f"set at most {-(-len(real.images) // size)} steps an epoch"
        )
