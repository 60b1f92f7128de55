"""Training causal language models on continuations of prompts, and their losses."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from biasloop.contract.context import Work
from biasloop.contract.data import Arrays, Column, Floats, Ints
from biasloop.contract.randomness import Streams
from biasloop.datasets.tokens import ragged
from biasloop.errors import InvalidInput
from biasloop.training import distributed, loop
from biasloop.training.distributed import Alone, Message
from biasloop.training.loop import Storage
from biasloop.training.precision import Precision
from biasloop.training.recipe import Recipe
from biasloop_language.compat import ReleasedUpdates
from biasloop_language.kv_cache import context
from biasloop_language.networks import load, save
from biasloop_language.tokens import TokenRows, padded
from biasloop_language.updates import Updates


def fit(
    model: nn.Module,
    rows: TokenRows,
    recipe: Recipe,
    work: Work,
    *,
    weights: Floats | None = None,
    released: bool = False,
    group: Alone | None = None,
    invitation: Callable[[Arrays], Message] | None = None,
) -> nn.Module:
    """Trains a network to continue prompts; goes on from the last checkpoint if there is one.

    The loss is the mean over an update's predicted tokens of -log probability; prompts are read, not learnt, and a
    row without a predicted token counts nothing. Order and dropout of an epoch depend on `work.streams` and the
    epoch alone. Adds a row an update to the table "curve": epoch (from 1), loss (mean over the update's predicted
    tokens, before it; 0 if there are none), lr, update (from 1, over all epochs). For the rest, see `loop.fit`.

    Args:
        model: a causal language model of transformers; trained in place.
        rows: what to train on; of a row longer than the network's context, the last tokens count.
        recipe: how.
        work: streams, progress (in micro-batches), checkpoints, curve.
        weights: `(n,)` factors of the losses of each row's tokens, by whose sum an update divides; None for 1.
        released: updates and optimizer as in the published code (`compat.ReleasedUpdates`).
        group: the processes that train it together; None for all that were launched.
        invitation: as of `loop.fit`.

    Returns:
        The network, in evaluation mode.

    Raises:
        Diverged: if the loss of an epoch is not finite.
        InvalidInput: if there is no row.
    """
    if not len(rows):
        raise InvalidInput("there are no rows to fine-tune on; set a larger training set")
    group = group or distributed.current()
    updates = ReleasedUpdates(recipe) if released else Updates(recipe)
    limit = context(model) or sys.maxsize
    batches = TokenBatches(rows, recipe, updates, work.streams, limit, group, weights)
    objective = TokenLoss(Precision(torch.float32, next(model.parameters()).device), limit)
    loop.fit(
        model, batches, objective, recipe, work,
        schedule=updates.settings, storage=Storage(save, load), group=group, invitation=invitation,
    )  # fmt: skip
    return model


@dataclass(frozen=True)
class TokenBatch:
    """A micro-batch, or this process' share of one.

    Attributes:
        rows: those with a predicted token.
        factor: what their summed loss is multiplied by.
        tokens: predicted in all processes, weighted where rows are.
        size: rows in all processes, whether or not they have a predicted token.
        weights: `(tokens,)` factor of each predicted token of `rows`; None for 1.
    """

    rows: TokenRows
    factor: float
    tokens: float
    size: int
    weights: Tensor | None

    def __len__(self) -> int:
        return self.size


@dataclass(frozen=True)
class TokenBatches:
    """Rows in random order, as micro-batches and updates; order depends on streams and epoch alone.

    Attributes:
        rows: what to train on.
        recipe: size of micro-batches, and whether they hold rows of like length.
        updates: which micro-batches make an update, and how much each counts.
        streams: of the fit.
        limit: tokens of a row at most.
        group: whose share is wanted.
        weights: `(n,)` or None.
    """

    rows: TokenRows
    recipe: Recipe
    updates_of: Updates
    streams: Streams
    limit: int
    group: Alone
    weights: Floats | None = None

    @property
    def steps(self) -> int:
        """Micro-batches of an epoch."""
        return self.recipe.steps(len(self.rows))

    @cached_property
    def updates(self) -> int:
        """Updates of an epoch."""
        return len(self.updates_of.groups(self.steps))

    def epoch(self, number: int, start: int = 0) -> Iterator[list[TokenBatch]]:
        """The micro-batches of each update."""
        tokens = self.rows.predicted(self.limit)  # (n,)
        counted = tokens if self.weights is None else tokens * self.weights
        batches, begin = self._order(number), 0
        for update, size in enumerate(self.updates_of.groups(len(batches))):
            group = batches[begin : begin + size]
            begin += size
            if update >= start:
                total = sum(_number(counted[rows].sum()) for rows in group)
                yield [self._batch(rows, tokens, counted, total) for rows in group]

    def state(self, done: int) -> Arrays:
        """Nothing: streams, epoch and update say all."""
        return {}

    def restore(self, state: Arrays) -> None:
        """Nothing to take."""

    def finish(self, epoch: int, work: Work) -> None:
        """Nothing was counted."""

    def _batch(self, rows: Ints, tokens: Ints, counted: Ints | Floats, total: float) -> TokenBatch:
        predicted = rows[counted[rows] > 0]
        share, count = self.group.part(predicted), _number(counted[rows].sum())
        weights = None
        if self.weights is not None:
            weights = torch.from_numpy(np.repeat(self.weights[share], tokens[share])).float()
        factor = self.updates_of.factor(count, total) if count else 0.0
        return TokenBatch(self.rows.take(share), factor, count, len(rows), weights)

    def _order(self, epoch: int) -> list[Ints]:
        """Rows of each micro-batch."""
        draws = self.streams.at("epoch", epoch, "order").generator()
        order, size = draws.permutation(len(self.rows)), self.recipe.batch_size
        if self.recipe.by_length:
            order = order[np.argsort(self.rows.lengths()[order], kind="stable")]
        batches = [order[begin : begin + size] for begin in range(0, len(order), size)]
        if self.recipe.by_length:
            batches = [batches[number] for number in draws.permutation(len(batches))]
        return batches


def _number(total: np.integer[Any] | np.floating[Any]) -> float:
    """A count of tokens is a whole number unless rows are weighted."""
    return int(total) if isinstance(total, np.integer) else float(total)


@dataclass(frozen=True)
class TokenLoss:
    """-log probability of predicted tokens: the mean of an update's.

    Attributes:
        precision: what the network computes in; the loss is float32.
        limit: tokens of a row at most.
    """

    precision: Precision
    limit: int
    columns: tuple[str, ...] = ("loss",)
    extra: tuple[str, ...] = ("lr", "update")

    def value(self, network: nn.Module, batch: TokenBatch) -> tuple[Tensor, Tensor] | None:
        """The micro-batch's part of the mean; the sum."""
        if not len(batch.rows):
            return None
        losses = self._tokens(network, batch.rows)  # (tokens,)
        if batch.weights is not None:
            losses = losses * batch.weights.to(losses.device)
        total = losses.sum()
        return total * batch.factor, total.detach().double()[None]

    def losses(self, network: nn.Module, batch: TokenBatch) -> Tensor:
        """`(rows,)` mean -log probability of each row's predicted tokens."""
        tokens = torch.from_numpy(batch.rows.predicted(self.limit))
        each = self._tokens(network, batch.rows)  # (tokens,)
        row = torch.repeat_interleave(torch.arange(len(tokens)), tokens).to(each.device)
        return each.new_zeros(len(tokens)).index_add(0, row, each) / tokens.to(each.device)

    def count(self, batch: TokenBatch) -> float:
        """Predicted tokens."""
        return batch.tokens

    def _tokens(self, network: nn.Module, rows: TokenRows) -> Tensor:
        with self.precision.casting():
            return _token_losses(network, rows, self.limit)


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
    return fit(model, TokenRows(starts, Column(ended, offsets)), recipe, work, group=Alone())


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
