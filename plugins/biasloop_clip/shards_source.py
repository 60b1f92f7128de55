"""Batches of pairs read from shards while others are computed, in random order (`biasloop.training.sources.Source`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
import torch
from torch import Tensor

from biasloop.contract.context import Work
from biasloop.contract.data import Array, Arrays, Bools, Ints
from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput
from biasloop.system.ahead import in_advance
from biasloop.training.augment import normalise
from biasloop.training.distributed import Alone
from biasloop.training.recipe import Recipe
from biasloop.training.sources import Batch
from biasloop_clip import preparing
from biasloop_clip.pairs import Pairs

_AHEAD = 2  # batches that are read while one is computed
_PIECE = 64  # samples that one thread reads at a time


@dataclass(frozen=True)
class Reader:
    """From keys to what networks of a kind are trained on.

    Attributes:
        pairs: where pictures and captions are.
        tokens: of texts, `(n, words)` int64.
        size: height and width of pictures.
    """

    pairs: Pairs
    tokens: Callable[[Sequence[str]], Tensor]
    size: tuple[int, int]

    def read(self, ids: Ints, made: Bools, crops: Streams) -> tuple[Array, Tensor]:
        """Pictures `(n, H, W, 3)` uint8, each a random part that depends on (stream, id) alone, and tokens.

        Args:
            ids: `(n,)` keys.
            made: `(n,)` whether the generated picture is shown.
            crops: of which part.
        """
        corpora = self.pairs.originals, self.pairs.pictures
        texts: list[str] = []
        draws = crops.uniform(ids, preparing.DRAWS)  # (n, DRAWS)
        pixels = np.empty((len(ids), *self.size, 3), np.uint8)
        order = np.argsort(ids, kind="stable")  # of the file
        tokens_of = np.empty(len(ids), np.int64)
        for generated, corpus in enumerate(corpora):
            rows = order[made[order]] if generated else order
            where = str(corpus.shards[0].parent)
            for row, sample in zip(rows.tolist(), corpus.read(corpus.rows_of(ids[rows])), strict=True):
                if not generated:
                    tokens_of[row] = len(texts)
                    texts.append(preparing.caption_of(sample, where))
                if made[row] == bool(generated):
                    picture = preparing.opened(sample, where)
                    pixels[row] = preparing.cropped(picture, draws[row], self.size)
        return pixels, self.tokens(texts)[torch.from_numpy(tokens_of)]


class ShardBatches:
    """Batches of a mixed corpus; order and parts of pictures are drawn by pass and id, so nothing is to be resumed.

    An epoch is a pass, without what fills no batch. Where the recipe says how many batches an epoch has, passes follow
    each other without a gap, and epochs are cut from them.

    Args:
        reader: of pictures and captions.
        ids: `(n,)` keys to train on.
        made: `(n,)` whether each has its generated picture.
        weights: `(n,)` float32 factors of losses on the device, or None.
        recipe: size of a batch, whether a short last one is left out, and batches of an epoch where it is no pass.
        streams: of the fit; pass p draws from `at("epoch", p, ...)`.
        device: of the network.
        scale: mean and std `(3,)` that pixels are normalised by, on the device.
        threads: that read.
        group: the processes that train together, each of which reads its own share of every batch.

    Raises:
        InvalidInput: there is not one batch, or batches have fewer samples than there are processes.
    """

    def __init__(
        self, reader: Reader, ids: Ints, made: Bools, weights: Tensor | None, recipe: Recipe, streams: Streams,
        device: torch.device, scale: tuple[Tensor, Tensor], threads: int, group: Alone,
    ) -> None:  # fmt: skip
        passed = recipe.steps(len(ids))
        self.steps = self.updates = recipe.epoch_steps or passed
        if not passed:
            raise InvalidInput(
                f"there is no batch to train on: {len(ids)} samples, batch_size {recipe.batch_size}; set a smaller one"
            )
        self._reader, self._ids, self._made, self._weights = reader, ids, made, weights
        self._size, self._streams, self._device, self._scale = recipe.batch_size, streams, device, scale
        self._threads, self._group = threads, group
        self._between = self.steps * self._size if recipe.epoch_steps else len(ids)  # where two epochs begin
        if recipe.batch_size < group.count:
            raise InvalidInput(
                f"{group.count} processes were launched, and a batch has {recipe.batch_size} samples; launch fewer"
            )

    def epoch(self, number: int, start: int = 0) -> Iterator[tuple[Batch]]:
        """One batch an update; of those before `start` nothing is read."""
        begin, end = number * self._between, (number + 1) * self._between  # among the samples of all passes
        orders = {each: self._order(each) for each in range(begin // len(self._ids), -(-end // len(self._ids)))}
        starts = range(begin, end, self._size)[start : self.steps]
        batches = [np.arange(first, min(first + self._size, end)) for first in starts]
        shares = [self._pieces(self._group.part(batch), orders) for batch in batches]
        ahead = max(self._threads, _AHEAD * -(-self._size // _PIECE))
        with closing(in_advance(self._read, chain.from_iterable(shares), ahead, self._threads)) as parts:
            for batch, share in zip(batches, shares, strict=True):
                rows = np.concatenate([rows for _, rows in share])
                yield (self._batch(rows, list(islice(parts, len(share))), len(batch)),)

    def _order(self, number: int) -> Ints:
        """`(n,)` positions in the training set, as a pass has them."""
        drawn: Ints = self._streams.at("epoch", number, "order").generator().permutation(len(self._ids))
        return drawn

    def _pieces(self, places: Ints, orders: Mapping[int, Ints]) -> list[tuple[int, Ints]]:
        """What a thread reads at a time: a pass, and positions in the training set.

        Args:
            places: `(n,)` among the samples of all passes, ascending.
            orders: of these passes.
        """
        passes, places = np.divmod(places, len(self._ids))
        rows = {number: orders[number][places[passes == number]] for number in np.unique(passes).tolist()}
        return [(number, part[first : first + _PIECE]) for number, part in rows.items()
                for first in range(0, len(part), _PIECE)]  # fmt: skip

    def _read(self, piece: tuple[int, Ints]) -> tuple[Array, Tensor]:
        number, rows = piece
        return self._reader.read(self._ids[rows], self._made[rows], self._streams.at("epoch", number, "crop"))

    def _batch(self, rows: Ints, parts: list[tuple[Array, Tensor]], size: int) -> Batch:
        pixels = self._moved(torch.from_numpy(np.concatenate([pixels for pixels, _ in parts])))
        tokens = self._moved(torch.cat([tokens for _, tokens in parts]))
        positions = torch.from_numpy(rows).to(self._device)
        images = normalise(pixels.permute(0, 3, 1, 2), *self._scale).contiguous()  # (n, 3, H, W)
        weights = None if self._weights is None else self._weights[positions]
        return Batch(images, tokens, positions, weights, None if self._group.count == 1 else size)

    def _moved(self, values: Tensor) -> Tensor:
        if self._device.type == "cuda":
            values = values.pin_memory()
        return values.to(self._device, non_blocking=True)

    def state(self, done: int) -> Arrays:
        """Nothing: all is drawn by epoch and id."""
        return {}

    def restore(self, state: Arrays) -> None:
        """Nothing was stored."""

    def finish(self, epoch: int, work: Work) -> None:
        """Nothing was counted."""
