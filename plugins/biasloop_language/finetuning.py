"""Training causal language models on continuations of prompts, and their losses."""

import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from biasloop.contract.data import Arrays, Column, Floats, Ints
from biasloop.contract.domains import Work
from biasloop.errors import Diverged, InvalidInput
from biasloop.training import distributed as teams
from biasloop.training.device import seeded
from biasloop.training.distributed import Alone, Message
from biasloop.training.weights import load_optimizer, prefixed, save_optimizer, under
from biasloop_language.compat import ReleasedUpdates
from biasloop_language.fit_message import packed
from biasloop_language.kv_cache import context
from biasloop_language.networks import load, save
from biasloop_language.recipes import Recipe
from biasloop_language.tokens import TokenRows, padded, ragged
from biasloop_language.updates import Updates

__all__ = ["Recipe", "TokenRows", "fit", "losses", "pretrain"]


def fit(model: nn.Module, rows: TokenRows, recipe: Recipe, work: Work) -> nn.Module:
    """Trains a network to continue prompts; goes on from the last kept epoch if there is one.

    The loss is the mean over an update's predicted tokens of -log probability; prompts are read, not learnt, and a
    row without a predicted token counts nothing. Order and dropout of an epoch depend on `work.streams` and the
    epoch alone, so a resumed fit gives the bits of an uninterrupted one. Torch's global generators are as before
    afterwards. Adds a row an update to the table "curve": epoch (from 1), loss (mean over the update's predicted
    tokens, before it; 0 if there are none), lr, update (from 1, over all epochs). The host waits for the device once
    an epoch.

    Args:
        model: a causal language model of transformers; trained in place.
        rows: what to train on; of a row longer than the network's context, the last tokens count.
        recipe: how.
        work: streams, progress (in micro-batches), checkpoints, curve.

    Returns:
        The network, in evaluation mode.

    Raises:
        Diverged: if the loss of an epoch is not finite.
        InvalidInput: if there is no row.
    """
    return _fit(model, rows, recipe, work, teams.current())


def _fit(model: nn.Module, rows: TokenRows, recipe: Recipe, work: Work, team: Alone) -> nn.Module:
    if not len(rows):
        raise InvalidInput("there are no rows to fine-tune on; set a larger training set")
    fitting = Fit(model, rows, recipe, work, team)
    begin = fitting.restore()
    with team.leads(lambda: fitting.message(begin)):
        fitting.train(begin)
    return model.eval()


def pretrain(model: nn.Module, sentences: Column, eos: int, recipe: Recipe, work: Work) -> nn.Module:
    """Trains a network on whole sentences: each follows an end-of-text token and ends with one.

    Args:
        model: as for `fit`.
        sentences: `(n,)` ragged token ids without end-of-text.
        eos: id of the end-of-text token.
        recipe: as for `fit`.
        work: as for `fit`.

    Returns:
        The network, in evaluation mode.

    Raises:
        Diverged: if the loss of an epoch is not finite.
        InvalidInput: if there is no sentence.
    """
    assert sentences.offsets is not None
    ended = np.insert(sentences.values, sentences.offsets[1:], eos)
    offsets = sentences.offsets + np.arange(len(sentences) + 1)
    starts = ragged([[eos]] * len(sentences))
    # In one process however many there are: the result is kept, and runs of any number of processes begin with it.
    return _fit(model, TokenRows(starts, Column(ended, offsets)), recipe, work, Alone())


def losses(model: nn.Module, rows: TokenRows, batch: int) -> tuple[Floats, Ints]:
    """How unlikely a network finds each continuation; the network's mode is as before afterwards.

    Args:
        model: a causal language model of transformers.
        rows: prompts and continuations; of a row longer than the network's context, the last tokens count.
        batch: rows of a forward pass; changes the results by rounding alone.

    Returns:
        `(n,)` float64 sums over each row's predicted tokens of -log probability (natural), and `(n,)` int64 how
        many tokens those are.
    """
    limit, training = context(model) or sys.maxsize, model.training
    tokens, sums = rows.predicted(limit), np.zeros(len(rows))
    order = np.argsort(-rows.lengths(), kind="stable")
    order = order[tokens[order] > 0]
    model.eval()
    try:
        with torch.inference_mode():
            for begin in range(0, len(order), batch):
                some = order[begin : begin + batch]
                each = _token_losses(model, rows.take(some), limit).double().cpu().numpy()
                np.add.at(sums, np.repeat(some, tokens[some]), each)
    finally:
        model.train(training)
    return sums, tokens


def _token_losses(model: Any, rows: TokenRows, limit: int) -> Tensor:
    """`(predicted tokens,)` float32 -log probabilities, row after row."""
    device = next(model.parameters()).device
    batch = padded(rows, _pad(model.config), limit)
    ids, mask = torch.from_numpy(batch.ids).to(device), torch.from_numpy(batch.real).to(device, torch.int64)
    at = torch.from_numpy(np.flatnonzero(batch.learnt[:, 1:])).to(device)
    with _only(model.get_output_embeddings(), at):
        logits: Tensor = model(input_ids=ids, attention_mask=mask, use_cache=False, return_dict=True).logits
    return functional.cross_entropy(logits[0].float(), ids[:, 1:].flatten()[at], reduction="none")


@contextmanager
def _only(head: nn.Module, at: Tensor) -> Iterator[None]:
    """Within, an output layer sees the given places of `(rows, tokens - 1)` alone, as one row.

    With a vocabulary's width it is the largest layer; what it makes of prompts and padding would be thrown away.
    """

    def places(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (inputs[0][:, :-1].flatten(0, 1)[at][None], *inputs[1:])

    hook = head.register_forward_pre_hook(places)
    try:
        yield
    finally:
        hook.remove()


def _pad(config: Any) -> int:
    """End-of-text where the settings name one; padding is masked, so any id would do."""
    eos = getattr(config, "eos_token_id", None)
    return eos if isinstance(eos, int) else 0


@dataclass(frozen=True)
class Fit:
    """What all epochs of a fit share; a process of several has one of its own."""

    model: nn.Module
    rows: TokenRows
    recipe: Recipe
    work: Work
    team: Alone

    @cached_property
    def updates(self) -> Updates:
        return ReleasedUpdates(self.recipe) if self.recipe.released else Updates(self.recipe)

    @cached_property
    def optimizer(self) -> torch.optim.Optimizer:
        recipe = self.recipe
        return torch.optim.AdamW(
            self.model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.999), weight_decay=recipe.weight_decay
        )

    @cached_property
    def limit(self) -> int:
        return context(self.model) or sys.maxsize

    @cached_property
    def tokens(self) -> Ints:
        return self.rows.predicted(self.limit)

    def train(self, begin: int) -> None:
        """All epochs from the given one on."""
        self.model.train()
        device = next(self.model.parameters()).device
        for epoch in range(begin, self.recipe.epochs):
            with seeded(self.team.own(self.work.streams.at("epoch", epoch, "noise")), device):
                self.epoch(epoch)

    def epoch(self, epoch: int) -> None:
        """One pass over the rows; a checkpoint is possible at its end."""
        batches = self._batches(epoch)
        groups = self.updates.groups(len(batches))
        planned, total = self.recipe.planned(len(self.rows)), self.recipe.epochs * len(batches)
        told: list[Tensor] = []  # summed losses of updates, read once an epoch, since reading waits for the device
        tokens, begin = [], 0
        for number, size in enumerate(groups):
            update, done = epoch * len(groups) + number, epoch * len(batches) + begin
            group, rate = batches[begin : begin + size], self.recipe.rate(update, planned)
            told.append(self._update(group, rate, self.updates.epsilon(update), done, total))
            tokens.append(int(sum(self.tokens[rows].sum() for rows in group)))
            begin += size
            if begin < len(batches):
                self.work.tick(done + size, total)
        device = next(self.model.parameters()).device
        sums = torch.stack([loss.to(device) for loss in told]).tolist()
        self._end(epoch, sum(sums) / max(sum(tokens), 1))
        for number, (loss, counted) in enumerate(zip(sums, tokens, strict=True), epoch * len(groups)):
            rate = self.recipe.rate(number, planned)
            self.work.log("curve", epoch=epoch + 1, loss=loss / max(counted, 1), lr=rate, update=number + 1)
        self.work.tick((epoch + 1) * len(batches), total, lambda: self._state(epoch + 1))

    def _batches(self, epoch: int) -> list[Ints]:
        """Rows of each micro-batch."""
        draws = self.work.streams.at("epoch", epoch, "order").generator()
        order, size = draws.permutation(len(self.rows)), self.recipe.batch_size
        if self.recipe.by_length:
            order = order[np.argsort(self.rows.lengths()[order], kind="stable")]
        batches = [order[begin : begin + size] for begin in range(0, len(order), size)]
        if self.recipe.by_length:
            batches = [batches[number] for number in draws.permutation(len(batches))]
        return batches

    def _update(self, group: Sequence[Ints], rate: float, epsilon: float, done: int, total: int) -> Tensor:
        """One step of the optimiser; the sum of the losses, still on the device."""
        self.optimizer.zero_grad(set_to_none=True)
        tokens, loss = int(sum(self.tokens[rows].sum() for rows in group)), torch.zeros((), dtype=torch.float64)
        for number, rows in enumerate(group, 1):
            predicted = rows[self.tokens[rows] > 0]
            own = self.team.part(predicted)
            if len(own):
                here = _token_losses(self.model, self.rows.take(own), self.limit).sum()
                (here * self.updates.factor(int(self.tokens[predicted].sum()), tokens)).backward()  # type: ignore[no-untyped-call]
                loss = here.detach().double() + loss.to(here.device)
            if number < len(group):
                self.work.tick(done + number, total)
        if tokens:
            loss = self.team.add_up(self.model.parameters(), loss)
        for settings in self.optimizer.param_groups:
            settings["lr"], settings["eps"] = rate, epsilon
        self.optimizer.step()
        return loss

    def _end(self, epoch: int, loss: float) -> None:
        if not math.isfinite(loss):
            raise Diverged(
                f"fine-tuning diverged in epoch {epoch + 1} of {self.recipe.epochs} (mean loss {loss}); "
                f"set a learning_rate below {self.recipe.learning_rate:g}"
            )

    def message(self, begin: int) -> Message:
        """What another process needs to do its share."""
        return packed(self.model, self.rows, self.recipe, self.work.streams, self._state(begin))

    def _state(self, epochs: int) -> Arrays:
        """As it is after so many epochs."""
        arrays = prefixed("network", save(self.model)) | prefixed("optimizer", save_optimizer(self.optimizer))
        return arrays | {"epoch": np.array(epochs)}

    def restore(self) -> int:
        """Puts a kept state back; how many epochs it has behind it."""
        state = self.work.resume()
        if state is None:
            return 0
        load(self.model, under("network", state))
        load_optimizer(self.optimizer, under("optimizer", state))
        return int(state["epoch"])
