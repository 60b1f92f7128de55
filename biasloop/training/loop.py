"""The one epoch loop: every fit of every domain is one.

What any fit can do it can do because this file does it: updates of several micro-batches, mixed precision, several
processes, curves, an end on request, and checkpoints after any update that change no number. A checkpoint holds the
network, optimizer and scaler, those of models beside it, where the epoch under way stands, its running sums, the state
of torch's global generators (of each process), and what the source of batches holds back. So a resumed fit has the bits
of one that was never stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from biasloop.contract import names
from biasloop.contract.context import Work
from biasloop.contract.data import Arrays
from biasloop.errors import Diverged, InvalidInput
from biasloop.training import optimizers
from biasloop.training.choosing import Beside, Choosing
from biasloop.training.device import random_state, seeded, set_random_state
from biasloop.training.distributed import Alone, Message
from biasloop.training.objectives import Objective
from biasloop.training.precision import Precision, load_scaler, save_scaler
from biasloop.training.recipe import Recipe
from biasloop.training.sources import Source
from biasloop.training.weights import load_network, load_optimizer, prefixed, save_network, save_optimizer, under

B = TypeVar("B")
Schedule = Callable[[int, int], Mapping[str, float]]
"""Update, from 1, and updates planned, to settings of the optimizer ("lr", ...)."""


@dataclass(frozen=True)
class Ended:
    """What the last epoch of a fit was like.

    Attributes:
        loss: its mean.
        batches: how many micro-batches it had.
        samples: in all of them.
    """

    loss: float
    batches: int
    samples: int


@dataclass(frozen=True)
class Storage:
    """How a checkpoint holds a network: as named arrays, and back."""

    save: Callable[[nn.Module], Arrays] = save_network
    load: Callable[[nn.Module, Arrays], None] = load_network


def fit(
    network: nn.Module,
    batches: Source[B],
    objective: Objective[B],
    recipe: Recipe,
    work: Work,
    *,
    schedule: Schedule | None = None,
    storage: Storage | None = None,
    group: Alone | None = None,
    selecting: Choosing[B] | None = None,
    beside: Sequence[Beside[B]] = (),
    invitation: Callable[[Arrays], Message] | None = None,
) -> Ended:
    """Trains a network; goes on from the last checkpoint if there is one.

    Adds rows to the table "curve": epoch (from 1), the objective's columns as means over the epoch (or over each
    update), and what else the objective names: "lr", of the last update, and "update", from 1 over all epochs. The
    host waits for the device once an epoch and when a checkpoint is written. Torch's global generators are as before
    afterwards.

    Args:
        network: on its device; trained in place, and in evaluation mode afterwards.
        batches: what to train on.
        objective: what is made small.
        recipe: how.
        work: streams, progress (in micro-batches), checkpoints, curve.
        schedule: settings of the optimizer at each update; None for the recipe's learning rate.
        storage: how checkpoints hold the network; None for `weights.save_network`.
        group: the processes that train it together; None for this one alone.
        selecting: what chooses the samples of each micro-batch that are learnt from; None for all of them.
        beside: models that learn from the same samples, each step after the network's; they change nothing of it.
        invitation: of several processes, what the first tells the others, made of the state to begin with.

    Returns:
        What the last epoch was like.

    Raises:
        Diverged: if the loss of an epoch is not finite.
        InvalidInput: if there is no batch, or the network's batch statistics would be of a part of each batch, or
            samples are to be selected by several processes.
    """
    group = group or Alone()
    _check(network, batches, group)
    if (selecting is not None or beside) and group.count > 1:
        raise InvalidInput(
            f"{group.count} processes were launched, and each would select of a part of the candidates; launch one"
        )
    trained = _Trained(network, objective, recipe, schedule or _learning_rate(recipe), storage or Storage())
    others = [_Trained(m.network, m.objective, m.recipe, _learning_rate(m.recipe), Storage()) for m in beside]
    fitting = _Fit(trained, batches, work, group, selecting, others)
    fitting.restore()
    with group.leads(lambda: _invited(invitation, fitting)):
        fitting.begun = None  # nobody asks for it again, and it may be gigabytes
        fitting.train()
    network.eval()
    if selecting is not None:
        selecting.end(network, work)
    assert fitting.ended is not None
    return fitting.ended


def _check(network: nn.Module, batches: Source[B], group: Alone) -> None:
    if not batches.updates:
        raise InvalidInput("there is no batch to train on; give more training samples")
    kinds = (nn.modules.batchnorm._BatchNorm,)
    parts = [module for module in network.modules() if isinstance(module, kinds)]
    if group.count > 1 and any(not isinstance(module, nn.SyncBatchNorm) for module in parts):
        raise InvalidInput(
            f"{group.count} processes were launched, and the network's batch normalisation would see a part of each "
            "batch, which is another experiment; launch one process"
        )


def _learning_rate(recipe: Recipe) -> Schedule:
    return lambda update, planned: {"lr": recipe.rate(update, planned) / recipe.factor}


def _invited(invitation: Callable[[Arrays], Message] | None, fitting: _Fit[B]) -> Message:
    assert invitation is not None, "several processes need to be told what they train"
    return invitation(fitting.begun or fitting.state())


@dataclass
class _Epoch:
    """Where an epoch stands.

    Attributes:
        number: from 0.
        updates: done of it.
        batches: micro-batches done of it.
        samples: seen in it.
        sums: `(columns,)` float64 on the device: of all updates, one after another, or a single running sum.
        counts: what each is a sum over.
    """

    number: int = 0
    updates: int = 0
    batches: int = 0
    samples: int = 0
    sums: list[Tensor] = field(default_factory=list)
    counts: list[float] = field(default_factory=list)

    def add(self, sums: Tensor, count: float, *, apart: bool) -> None:
        """What one update gave, apart from the others or added to them."""
        if apart or not self.sums:
            self.sums.append(sums)
            self.counts.append(count)
        else:
            self.sums[0] += sums
            self.counts[0] += count


@dataclass
class _Trained(Generic[B]):
    """A network and what changes it."""

    network: nn.Module
    objective: Objective[B]
    recipe: Recipe
    schedule: Schedule
    storage: Storage

    def __post_init__(self) -> None:
        numbers = self.objective.precision
        self.scaler = numbers.scaler()
        # Fused, an update that float16 makes invalid is left out on the device, without asking the host.
        self.optimizer = optimizers.build(self.recipe, self.network, fused=True if numbers.scaled else None)

    def learn(self, batch: B, *, first: bool) -> Tensor | None:
        """Gradients of a micro-batch, the first of an update or another; the objective's sums, if it has any."""
        result = self.objective.value(self.network, batch)
        if first:  # the memory of gradients is for the backward pass, not the forward pass
            self.optimizer.zero_grad(set_to_none=True)
        if result is None:
            return None
        loss, told = result
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        return told

    def step(self, update: int, planned: int) -> None:
        """One step of the optimizer, of so many, with the settings of that update, from 1."""
        for name, setting in self.schedule(update, planned).items():
            for settings in self.optimizer.param_groups:
                settings[name] = setting
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def state(self) -> dict[str, np.ndarray]:
        """All of it that changes."""
        arrays = prefixed("network", self.storage.save(self.network))
        return (
            arrays
            | prefixed("optimizer", save_optimizer(self.optimizer))
            | prefixed("scaler", save_scaler(self.scaler))
        )

    def restore(self, state: Arrays) -> None:
        """Puts such a state back."""
        self.storage.load(self.network, under("network", state))
        load_optimizer(self.optimizer, under("optimizer", state))
        load_scaler(self.scaler, under("scaler", state))


@dataclass
class _Fit(Generic[B]):
    """What all epochs of a fit share, and where it stands."""

    trained: _Trained[B]
    batches: Source[B]
    work: Work
    group: Alone
    selecting: Choosing[B] | None = None
    beside: Sequence[_Trained[B]] = ()
    at: _Epoch = field(default_factory=_Epoch)
    ended: Ended | None = None
    begun: Arrays | None = None  # the checkpoint that the fit went on from
    _random: Mapping[str, np.ndarray] | None = None  # where torch's generators were, in the middle of an epoch

    def __post_init__(self) -> None:
        self.network, self.objective, self.recipe = self.trained.network, self.trained.objective, self.trained.recipe
        self.device = next(self.network.parameters()).device
        self.steps, self.updates = self.batches.steps, self.batches.updates  # of an epoch
        self.planned = self.recipe.planned(self.steps)

    def train(self) -> None:
        """All that is left of all epochs."""
        while self.at.number < self.recipe.epochs:
            for model in (self.trained, *self.beside):
                model.network.train(self.at.number == 0 or not model.recipe.freeze_norm)
            noise = self.work.streams.at("epoch", self.at.number, "noise")
            with seeded(self.group.own(noise), self.device):
                if self._random is not None:
                    set_random_state(self.device, self._random)
                    self._random = None
                self._epoch()

    def _epoch(self) -> None:
        """One pass over the samples, or what is left of it; a checkpoint is possible after every update."""
        at, total = self.at, self.recipe.epochs * self.steps
        if self.selecting is not None:
            self.selecting.begin(self.network, at.number)
        for micro in self.batches.epoch(at.number, at.updates):
            update = at.number * self.updates + at.updates + 1
            self._update(micro, update)
            del micro  # so that its memory is free before the next one is made
            if at.updates < self.updates:
                self.group.remember(update, lambda: random_state(self.device))
                self.work.tick(at.number * self.steps + at.batches, total, self.state)
        self.batches.finish(at.number, self.work)
        self._log()
        if self.selecting is not None:
            self.selecting.finish(self.network, at.number, self.work)
        self.at = _Epoch(at.number + 1)
        self.work.tick(self.at.number * self.steps, total, self.state, (self.at.number, self.network))

    def _update(self, micro: Sequence[B], update: int) -> None:
        """One step of the optimizers on one micro-batch or several."""
        sums = torch.zeros(len(self.objective.columns), dtype=torch.float64, device=self.device)
        count: float = 0
        for number, candidates in enumerate(micro):
            batch = candidates if self.selecting is None else self.selecting.choose(self.network, candidates)
            told = self.trained.learn(batch, first=number == 0)
            if told is not None:
                sums += told
            for index, model in enumerate(self.beside):
                # With noise of its own, so that the network's is as if it were alone.
                with seeded(self.work.streams.at("beside", index, update, number), self.device):
                    model.learn(batch, first=number == 0)
            count += self.objective.count(batch)
            self.at.samples += len(batch)  # type: ignore[arg-type]
        if count:
            sums = self.group.add_up(self.network.parameters(), sums)
        for model in (self.trained, *self.beside):
            model.step(update, self.planned)
        self.at.add(sums, count, apart="update" in self.objective.extra)
        self.at.updates += 1
        self.at.batches += len(micro)

    def _log(self) -> None:
        """The rows of an epoch that is over."""
        at, columns, extra = self.at, self.objective.columns, self.objective.extra
        sums = torch.stack(at.sums).tolist()  # (rows, columns); the host waits here
        loss = sum(row[0] for row in sums) / (sum(at.counts) or 1)
        if not math.isfinite(loss):
            raise Diverged(
                f"training diverged in epoch {at.number + 1} of {self.recipe.epochs} (mean loss {loss}); "
                f"set a learning_rate below {self.recipe.learning_rate:g}"
            )
        first = at.number * self.updates + 1
        for index, (row, count) in enumerate(zip(sums, at.counts, strict=True)):
            values = {name: value / (count or 1) for name, value in zip(columns, row, strict=True)}
            update = first + index if "update" in extra else first + at.updates - 1
            more = {"lr": self.recipe.rate(update, self.planned), "update": update}
            self.work.log(names.CURVE, epoch=at.number + 1, **values, **{name: more[name] for name in extra})
        self.ended = Ended(loss, at.batches, at.samples)

    def state(self) -> Arrays:
        """All that the fit goes on from."""
        arrays = self.trained.state() | {"epoch": np.array(self.at.number)}
        for index, model in enumerate(self.beside):
            arrays |= prefixed(f"beside.{index}", model.state())
        if self.selecting is not None:
            arrays |= prefixed("selection", self.selecting.state())
        if self.ended is not None:
            arrays["last"] = np.array([self.ended.loss, self.ended.batches, self.ended.samples], np.float64)
        return arrays | (self._middle() if self.at.updates else {})

    def _middle(self) -> dict[str, np.ndarray]:
        """What else there is to hold in the middle of an epoch."""
        at, update = self.at, self.at.number * self.updates + self.at.updates
        states = {0: random_state(self.device), **self.group.remembered(update)}
        arrays = {
            "step": np.array([at.updates, at.batches, at.samples]),
            "sums": torch.stack(at.sums).cpu().numpy(),  # (rows, columns) float64
            "counts": np.array(at.counts, np.float64),
            **prefixed("source", self.batches.state(at.updates)),
        }
        for rank, state in states.items():
            arrays |= prefixed(f"random.{rank}", state)
        return arrays

    def restore(self) -> None:
        """Takes the last checkpoint, if there is one."""
        self.begun = state = self.work.resume()
        if state is None:
            return
        self.trained.restore(state)
        for index, model in enumerate(self.beside):
            model.restore(under(f"beside.{index}", state))
        self.at = _Epoch(int(state["epoch"]))
        if self.selecting is not None:
            self.selecting.restore(under("selection", state), middle="step" in state)
        if "last" in state:
            loss, batches, samples = state["last"].tolist()
            self.ended = Ended(loss, int(batches), int(samples))
        if "step" in state:
            self.at.updates, self.at.batches, self.at.samples = state["step"].tolist()
            self.at.sums = [torch.from_numpy(row.copy()).to(self.device) for row in state["sums"]]
            self.at.counts = state["counts"].tolist()
            self.batches.restore(under("source", state))
            self._random = under(f"random.{self.group.rank}", state) or None


def check_float16(precision: Precision) -> None:
    """Tries every operation that a small network takes in a step; which a CPU has in float16 depends on torch.

    Raises:
        InvalidInput: if float16 throughout is asked for, and torch cannot train so on the device.
    """
    if not precision.pure:
        return

    def ones(*shape: int) -> Tensor:
        return torch.ones(*shape, dtype=torch.float16, device=precision.device)

    images, kernels, scale = ones(2, 1, 4, 4), ones(1, 1, 3, 3).requires_grad_(), ones(1).float()
    try:
        maps = functional.batch_norm(functional.conv2d(images, kernels, padding=1), None, None, scale, training=True)
        logits = functional.linear(functional.max_pool2d(maps.relu(), 2).flatten(1), ones(2, 4))  # (2, 2)
        targets = torch.zeros(2, dtype=torch.int64, device=precision.device)
        functional.cross_entropy(logits, targets).backward()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        why = str(error).strip().split("\n")[0]
        raise InvalidInput(
            f"training in float16 throughout, as released, cannot be had on {precision.device} with torch "
            f"{torch.__version__} ({why}); use a GPU (--device cuda), or another domain.precision"
        ) from error
