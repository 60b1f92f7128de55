"""Selection inside a fit: candidates are scored, some are selected, and what was selected is counted.

`biasloop.training.loop` calls it before every step. What it carries from step to step is part of a checkpoint: the
selector's state, the generator, mean losses on the holdout, counts, and the best network so far. A model that is
trained beside the network (`biasloop.training.beside`) may score in its place; on the holdout the network is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from biasloop.contract import names
from biasloop.contract.context import Work
from biasloop.contract.data import Arrays, Samples
from biasloop.contract.randomness import Streams
from biasloop.contract.selection import (
    CLASS_IRREDUCIBLE,
    HOLDOUT,
    IRREDUCIBLE,
    LOGITS,
    NO_DROPOUT,
    PASSES,
    Judged,
    Selection,
)
from biasloop.errors import Diverged, InvalidInput
from biasloop.training.beside import Irreducible, Proxy, irreducible_losses, mode
from biasloop.training.counting import Counts, Step, rank_correlation
from biasloop.training.device import generator
from biasloop.training.dropout import has_dropout
from biasloop.training.selection import Candidates, Selector
from biasloop.training.sources import Batch
from biasloop.training.weights import prefixed, to_arrays, to_tensors, under


class Outputs(Protocol):
    """An objective of classifiers."""

    def outputs(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """`(n, classes)` float32 logits and `(n,)` float32 losses, unweighted."""

    def classes(self, batch: Batch) -> Tensor:
        """`(n,)` int64, which of the classes is right."""


class Selecting:
    """The selection of one fit.

    Args:
        selection: how samples are selected.
        samples: N, how many the fit is given.
        objective: what gives logits and losses.
        streams: of the fit; epoch e draws from `at("epoch", e, "selection")`.
        device: of the network.
        batches: of samples, the batches that they are predicted in, not augmented.
        proxy: what scores candidates in the network's place; None for the network.
        updated: what gives irreducible losses; empty for those of the selection.

    Raises:
        InvalidInput: irreducible losses are of other samples, or are no numbers; a category has no sample in the
            holdout.
    """

    def __init__(
        self,
        selection: Selection,
        samples: int,
        objective: Outputs,
        streams: Streams,
        device: torch.device,
        batches: Callable[[Samples], Iterable[Batch]],
        proxy: Proxy | None = None,
        updated: Sequence[Irreducible] = (),
    ) -> None:
        _check(selection, samples)
        self._selection, self._objective, self._streams, self._device = selection, objective, streams, device
        self._batches, self._proxy, self._updated = batches, proxy, updated
        self._selector = cast("Selector", selection.selector)
        self._needs = selection.selector.needs
        self._irreducible = None  # (N, C or 1): the losses of a sample lie side by side, and are read at once
        if self._needs & {IRREDUCIBLE, CLASS_IRREDUCIBLE} and not updated:
            irreducible = np.ascontiguousarray(np.asarray(selection.irreducible, np.float32).T)
            self._irreducible = torch.from_numpy(irreducible).to(device)
        self._strata = torch.from_numpy(np.asarray(selection.strata.numbers, np.int64)).to(device)  # (N,)
        self._present = {*np.unique(selection.strata.numbers).tolist()}
        self._state = torch.tensor(selection.selector.start(selection.categories), device=device)
        self._generator = generator(streams, device)
        self._holdout: Tensor | None = None  # (C,)
        self._times = torch.zeros(samples, dtype=torch.int64, device=device)  # how often each was selected
        self._last = torch.full((samples,), -(10**6), dtype=torch.int64, device=device)  # and in which epoch
        self._best: dict[str, Tensor] = {}
        self._highest: tuple[float, ...] = (-1.0, 0.0)
        self._agreement: Tensor | None = None  # () of the epoch's first losses with the proxy's
        self._restored: Arrays | None = None
        self._epoch = 0
        self._count = self._counts()

    def begin(self, network: nn.Module, epoch: int) -> None:
        """An epoch, from 0, begins, or goes on where a checkpoint was written.

        Raises:
            InvalidInput: passes with dropout are needed, and the model that scores has none.
        """
        if PASSES in self._needs:
            _check_dropout(network if self._proxy is None else self._proxy.network)
        self._epoch = epoch
        self._count = self._counts()
        self._generator = generator(self._streams.at("epoch", epoch, "selection"), self._device)
        self._agreement = None
        if self._restored is not None:
            if "noise" in self._restored:
                self._generator.set_state(torch.from_numpy(np.array(self._restored["noise"])))
            self._count.restore(to_tensors(under("counts", self._restored)))
            self._agreement = to_tensors(self._restored).get("agreement")
            self._restored = None
        if self._holdout is None and HOLDOUT in self._needs and self._selection.holdout is not None:
            self._holdout = self._look(network, self._selection.holdout)[0]

    def choose(self, network: nn.Module, batch: Batch) -> Batch:
        """The selected samples of a candidate batch, with the weights that the selector gives them."""
        assert batch.rows is not None
        k = self._selection.size(len(batch))
        if k == len(batch) and not self._needs:
            self._note(batch.rows, batch.rows)
            return batch  # in its own memory layout: a plain fit, to the bit
        with torch.no_grad():
            if self._proxy is not None and self._agreement is None:
                self._agreement = self._agreed(network, self._proxy, batch)
            selected = self._selector.select(self._candidates(network, batch), k, self._state, self._generator)
            self._state = selected.state
            chosen = batch.take(selected.rows, selected.weights)
            assert chosen.rows is not None
            self._note(batch.rows, chosen.rows, selected.scores, selected.category_weights)
        return chosen

    def finish(self, network: nn.Module, epoch: int, work: Work) -> None:
        """An epoch, from 0, is over: look at the holdout where that is due, and log what was counted.

        Raises:
            Diverged: a score of a candidate was no number, since a loss was none.
        """
        if not self._count.finite():
            raise Diverged(
                f"training diverged in epoch {epoch + 1}: a candidate's score is no number, and nothing can be "
                "selected by it; set a lower learning_rate"
            )
        selection, row = self._selection, {names.EPOCH: float(epoch + 1), **self._count.row(self._present)}
        self._times += self._count.times()
        judge = selection.judge or selection.holdout
        due = HOLDOUT in self._needs and (epoch + 1) % selection.refresh == 0
        if due and selection.holdout is not None:
            self._holdout, right = self._look(network, selection.holdout)
        if selection.best != "last" and judge is not None:
            if not due or judge is not selection.holdout:
                _, right = self._look(network, judge)
            row |= self._judged(network, right)
        if self._agreement is not None:
            row["proxy_correlation"] = float(self._agreement)
        if self._holdout is not None:
            row |= {f"{names.HELD_OUT}{c}": loss for c, loss in enumerate(self._holdout.tolist())}
        work.log(names.SELECTING, **row)
        self._count = self._counts()

    def end(self, network: nn.Module, work: Work) -> None:
        """The fit is over: the network of the best epoch, and how often each sample was selected."""
        if self._best:
            network.load_state_dict(self._best)
        work.log_many(names.CHOSEN, times=self._times.cpu().numpy())

    def state(self) -> Arrays:
        """All of it that a checkpoint holds."""
        arrays = {
            **to_arrays({"state": self._state, "times": self._times, "last": self._last}),
            "noise": self._generator.get_state().cpu().numpy().copy(),
            **prefixed("counts", to_arrays(self._count.tensors())),
        }
        if self._holdout is not None:
            arrays |= to_arrays({"holdout": self._holdout})
        if self._agreement is not None:
            arrays |= to_arrays({"agreement": self._agreement})
        if self._best:
            arrays |= prefixed("best", to_arrays(self._best)) | {"highest": np.array(self._highest)}
        return arrays

    def restore(self, state: Arrays, *, middle: bool) -> None:
        """Puts such a state back.

        Args:
            state: of a checkpoint.
            middle: whether it was written inside an epoch, which goes on.
        """
        tensors = {name: tensor.to(self._device) for name, tensor in to_tensors(state).items()}
        self._state, self._times, self._last = tensors["state"], tensors["times"], tensors["last"]
        self._holdout = tensors.get("holdout")
        self._best = {name.removeprefix("best."): t for name, t in tensors.items() if name.startswith("best.")}
        self._highest = tuple(state["highest"].tolist()) if "highest" in state else (-1.0, 0.0)
        if middle:
            self._restored = state

    def _candidates(self, network: nn.Module, batch: Batch) -> Candidates:
        """What the selector is told of a batch."""
        scorer, objective = (
            (network, self._objective) if self._proxy is None else (self._proxy.network, self._proxy.objective)
        )
        logits, losses = None, torch.zeros(len(batch), device=self._device)  # (n, classes), (n,)
        if self._needs - {IRREDUCIBLE, CLASS_IRREDUCIBLE, HOLDOUT, PASSES}:
            with mode(scorer, training=self._selection.scoring == "train" and scorer.training):
                logits, losses = objective.outputs(scorer, batch)
        return Candidates(
            losses, self._epoch, logits if LOGITS in self._needs else None, objective.classes(batch),
            self._passes(scorer, objective, batch), self._irreducible_of(batch), self._holdout,
        )  # fmt: skip

    def _irreducible_of(self, batch: Batch) -> Tensor | None:
        """`(C, n)` or `(1, n)` irreducible losses of a batch, where any are needed."""
        if self._updated:
            return irreducible_losses(self._updated, batch)
        assert batch.rows is not None
        return None if self._irreducible is None else self._irreducible.index_select(0, batch.rows).T

    def _agreed(self, network: nn.Module, proxy: Proxy, batch: Batch) -> Tensor:
        """`()` rank correlation of the network's losses of a batch with its proxy's, both in evaluation mode."""
        with mode(network, training=False), mode(proxy.network, training=False):
            losses = self._objective.outputs(network, batch)[1]  # (n,)
            return rank_correlation(losses, proxy.objective.losses(proxy.network, batch))

    def _passes(self, network: nn.Module, objective: Outputs, batch: Batch) -> Tensor | None:
        """`(n, passes, classes)` logits of several passes with dropout, whose noise is the selection's own."""
        if PASSES not in self._needs:
            return None
        seed = int(torch.randint(2**62, (), generator=self._generator, device=self._device))
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices), mode(network, training=False, dropout=True):
            torch.manual_seed(seed)
            passes = [objective.outputs(network, batch)[0] for _ in range(self._selector.passes)]
        return torch.stack(passes, 1)

    def _look(self, network: nn.Module, judged: Judged) -> tuple[Tensor, Tensor]:
        """`(C,)` mean loss and `(C,)` share of right predictions of each category; NaN of one without samples."""
        losses: list[Tensor] = []
        right: list[Tensor] = []
        with torch.no_grad(), mode(network, training=False):
            for batch in self._batches(judged.samples):
                logits, part = self._objective.outputs(network, batch)
                losses.append(part.float())
                right.append(logits.argmax(1).eq(self._objective.classes(batch)).float())
        categories = torch.from_numpy(judged.categories).to(self._device)  # (h,)
        sums = torch.zeros(2, self._selection.categories, device=self._device)
        sums.index_add_(1, categories, torch.stack([torch.cat(losses), torch.cat(right)]))
        counts = torch.bincount(categories, minlength=self._selection.categories)  # (C,)
        return sums[0] / counts, sums[1] / counts

    def _judged(self, network: nn.Module, right: Tensor) -> dict[str, float]:
        """Accuracy and worst accuracy of a category, and whether the network is the best so far, which is kept."""
        judge = self._selection.judge or self._selection.holdout
        assert judge is not None
        counts = np.bincount(judge.categories, minlength=self._selection.categories)
        shares = right.double().cpu().numpy()  # (C,)
        accuracy = float(np.nansum(shares * counts) / counts.sum())
        worst = float(np.nanmin(shares))
        # Of equally bad worst categories, such as those of an epoch that knows none of it, the accuracy decides.
        value = (accuracy, 0.0) if self._selection.best == "accuracy" else (worst, accuracy)
        best = value > self._highest
        if best:
            self._highest = value
            self._best = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
        return {"judged_accuracy": accuracy, "judged_worst": worst, "best": float(best)}

    def _note(
        self, offered: Tensor, taken: Tensor, scores: Tensor | None = None, weights: Tensor | None = None
    ) -> None:
        """What a step selected, as `counting.Step`."""
        self._count.add(Step(offered, taken, self._last.index_select(0, taken), scores, weights))
        self._last.index_fill_(0, taken, self._epoch)

    def _counts(self) -> Counts:
        """Nothing counted yet of this epoch."""
        return Counts(self._epoch, self._strata, self._selection.strata.count, self._selection.categories)


def _check(selection: Selection, samples: int) -> None:
    needs, irreducible = selection.selector.needs, selection.irreducible
    if needs & {IRREDUCIBLE, CLASS_IRREDUCIBLE} and selection.updating is None:
        rows = selection.categories if CLASS_IRREDUCIBLE in needs else 1
        if irreducible is None or irreducible.shape != (rows, samples):
            shape = "there are none" if irreducible is None else f"there are {irreducible.shape}"
            raise InvalidInput(
                f"selection needs irreducible losses of {rows} models for {samples} training samples, and {shape}: "
                "they are of other data"
            )
        if not np.isfinite(irreducible).all():
            raise InvalidInput("an irreducible loss is no number: the models of the holdout diverged")
    if HOLDOUT in needs:
        holdout = None if selection.holdout is None else selection.holdout.categories
        counts = np.bincount([] if holdout is None else holdout, minlength=selection.categories)
        if len(counts) != selection.categories or not counts.all():
            raise InvalidInput(
                f"selection needs holdout samples of each of the {selection.categories} categories, and category "
                f"{int(np.flatnonzero(counts == 0)[0]) if len(counts) == selection.categories else len(counts) - 1} "
                "has none; set a larger domain.holdout"
            )


def _check_dropout(network: nn.Module) -> None:
    if not has_dropout(network):
        raise InvalidInput(NO_DROPOUT)
