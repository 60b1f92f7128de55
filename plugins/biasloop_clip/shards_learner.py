"""Training and running networks of open_clip on pairs in shards; what of "clip-shards" needs torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from biasloop.contract.context import Context, Work
from biasloop.contract.data import Array, Arrays, Ints, Samples
from biasloop.contract.names import FIT
from biasloop.system.ahead import in_advance
from biasloop.training import device as devices
from biasloop.training import distributed, loop, weights
from biasloop.training.common_fits import CommonFit
from biasloop.training.contrastive import Contrastive
from biasloop.training.precision import precision
from biasloop_clip import preparing, recipes, towers
from biasloop_clip.pairs import PICTURE, Pairs
from biasloop_clip.shards_config import Config
from biasloop_clip.shards_source import Reader, ShardBatches


def save(network: nn.Module) -> Arrays:
    """Parameters and buffers by name."""
    return weights.save_network(network)


def load(config: Config, arrays: Arrays, device: str) -> nn.Module:
    """A network with saved parameters and buffers, in evaluation mode on a device; no data are needed."""
    with torch.random.fork_rng([]):
        network = towers.build(config.network, config.weights, read=False)
    weights.load_network(network, arrays)
    return network.to(devices.of_process(device)).eval()


@dataclass(frozen=True)
class Learner:
    """Networks over the pairs of one run.

    Attributes:
        config: the domain's settings.
        pairs: pictures and captions.
        context: device and threads.
    """

    config: Config
    pairs: Pairs
    context: Context

    def fit(self, train: Samples, work: Work) -> nn.Module:
        """A new network, of pictures, the samples' own or generated ones, and captions; with 0 epochs as it begins.

        Raises:
            Diverged: the loss is not finite.
            InvalidInput: there is not one batch, or the network cannot be built.
            DamagedShard: a picture or caption cannot be read.
        """
        with devices.computing(self.context.threads):
            with devices.seeded(work.streams.at("init"), self._device):
                network = towers.build(self.config.network, self.config.weights).to(self._device)
            if not self.config.epochs:
                return network.eval()
            group = distributed.current()
            if group.count > 1 and self._device.type == "cuda":  # on CPUs `loop.fit` refuses statistics of a part
                network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
            recipe = recipes.of_shards(
                self.config, len(train), is_vision_transformer=towers.is_vision_transformer(network)
            )
            wanted, _ = towers.preprocessing(network)
            size = wanted.size if isinstance(wanted.size, int) else tuple(wanted.size)
            reader = Reader(self.pairs, self._tokens, (size, size) if isinstance(size, int) else size)
            made = train.inputs[PICTURE] >= 0 if PICTURE in train.inputs else np.zeros(len(train), np.bool_)
            factors = None if train.weights is None else self._on_device(train.weights).float()
            scale = tuple(torch.tensor(each, device=self._device) for each in (wanted.mean, wanted.std))
            source = ShardBatches(
                reader, train.ids, made, factors, recipe, work.streams, self._device, (scale[0], scale[1]),
                self.config.readers, group,
            )  # fmt: skip
            objective = Contrastive(precision(self.config.precision, self._device), group)
            common = CommonFit(self.config, self.context, FIT, train, work.streams)
            loop.fit(network, source, objective, recipe, work, group=group, invitation=common.invitation)
        return network

    def embedded(self, model: nn.Module, ids: Ints) -> Array:
        """`(n, size)` float32 of unit length, of the originals of keys."""
        _, prepare = towers.preprocessing(model)
        originals, where = self.pairs.originals, str(self.pairs.originals.shards[0].parent)

        def read(part: Ints) -> Tensor:
            samples = originals.read(originals.rows_of(part))
            return torch.stack([prepare(preparing.opened(sample, where)) for sample in samples])

        return self._embedded(model, "encode_image", ids, read)

    def embedded_captions(self, model: nn.Module, ids: Ints) -> Array:
        """`(n, size)` float32 of unit length, of the captions of keys."""
        return self._embedded(model, "encode_text", ids, lambda part: self._tokens(self.pairs.captions(part)))

    def environment(self) -> dict[str, str]:
        """The device, how many CPU threads, and how many processes if there are several."""
        return devices.environment(self._device, self.context.threads, distributed.current().count)

    def _embedded(self, model: Any, method: str, ids: Ints, read: Callable[[Ints], Tensor]) -> Array:
        """Evaluation mode, batch by batch, while the next ones are read."""
        parts, was_training = [], model.training
        model.eval()
        try:
            with (
                devices.computing(self.context.threads),
                torch.inference_mode(),
                closing(in_advance(read, self._batches(ids), self.config.readers, self.config.readers)) as batches,
            ):
                for batch in batches:
                    rows = getattr(model, method)(batch.to(self._device), normalize=True)
                    parts.append(rows.float().cpu().numpy())
        finally:
            model.train(was_training)
        return np.concatenate(parts)

    def _batches(self, ids: Ints) -> Iterator[Ints]:
        size = self.config.evaluation_batch
        return (ids[start : start + size] for start in range(0, len(ids), size))

    def _on_device(self, values: Array) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device)

    @cached_property
    def _tokens(self) -> Callable[[Sequence[str]], Tensor]:
        return towers.tokenizer(self.config.network)

    @cached_property
    def _device(self) -> torch.device:
        return devices.of_process(self.context.device)
