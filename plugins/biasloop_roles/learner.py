"""Training and running a network of situations; what of this plugin needs torch is reached from here."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from biasloop.contract.context import Context, Work
from biasloop.contract.data import Arrays, Floats, Ints, Samples
from biasloop.contract.randomness import Streams
from biasloop.training import device as devices
from biasloop.training import loop, weights
from biasloop.training.augment import Preparation
from biasloop.training.precision import Precision, precision
from biasloop.training.prefetching import Stored, StoredRows, room
from biasloop.training.selecting import Selecting
from biasloop.training.sources import Batch
from biasloop_roles import crf, networks
from biasloop_roles.config import SMALL, Config
from biasloop_roles.labels import NOUNS, VERB, Labels
from biasloop_roles.objectives import Likelihood, packed, unpacked
from biasloop_roles.recipes import recipe
from biasloop_roles.situations import MOST_ROLES, Vocabulary
from biasloop_roles.sources import Images

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
_OF_FREE_MEMORY = 0.4  # share of a GPU's that images may take, once the network is there


@dataclass(frozen=True)
class Learner:
    """Networks over the images of one run, which are read by rows while others are computed.

    Attributes:
        config: the domain's settings.
        vocabulary: of the situations.
        images: pixels by id.
        context: data directory, device, threads.
    """

    config: Config
    vocabulary: Vocabulary
    images: Images
    context: Context

    def fit(self, train: Samples, work: Work) -> nn.Module:
        """A new network, trained on situations with their weights, or on those selected of them."""
        how = recipe(self.config, len(train))
        with devices.computing(self.context.threads):
            with devices.seeded(work.streams.at("init"), self._device):
                network = self._build(pretrained=self.config.pretrained)
            rows = self.images.rows[train.ids]
            stored = Stored(self.images.pixels, self._device, keep=np.unique(rows), room=self._room())
            targets = self._targets(train)
            factors = None if train.weights is None else self._on_device(train.weights).float()

            def make(pixels: Tensor, positions: Tensor, generator: torch.Generator) -> Batch:
                inputs = self._prepare(_channels_first(pixels), generator if self.config.side else None)
                chosen = None if factors is None else factors[positions]
                return Batch(inputs, targets[positions], positions, chosen)

            source = StoredRows(stored, rows, how, work.streams, make)
            objective, selecting = Likelihood(self._precision, self._layout), None
            if train.selection is not None:
                selecting = Selecting(
                    train.selection, len(train), objective, work.streams, self._device, self._predicted_batches
                )
            loop.fit(network, source, objective, how, work, selecting=selecting)
        return network

    def losses(self, network: nn.Module, samples: Samples) -> Floats:
        """`(n,)` float64 minus log-probability of each situation, of the potentials that labels are given by."""
        size = self.config.evaluation_batch
        targets = self._targets(samples)
        parts = [np.zeros(0)]
        for start, (a, b) in zip(range(0, len(samples), size), self._potentials(network, samples.ids), strict=True):
            with torch.inference_mode():
                logs = crf.log_probabilities(a, b, *unpacked(targets[start : start + size]), self._layout)
                parts.append(-crf.any_of(logs).double().cpu().numpy())
        return np.concatenate(parts)

    def best(self, network: nn.Module, ids: Ints) -> Labels:
        """What is predicted for pictures: verb, nouns, how probable they are; of equals the first."""
        how = self.config.prediction
        return self._labels(crf.best(a, b, how, self._layout) for a, b in self._potentials(network, ids))

    def drawn(self, network: nn.Module, ids: Ints, streams: Streams) -> Labels:
        """Situations drawn with their probabilities; each depends on (stream, id) alone."""
        uniform = streams.uniform(ids, 1 + MOST_ROLES)  # (n, 1 + roles)
        size = self.config.evaluation_batch
        parts = (uniform[start : start + size] for start in range(0, len(ids), size))
        potentials = self._potentials(network, ids)
        return self._labels(crf.drawn(a, b, u, self._layout) for (a, b), u in zip(potentials, parts, strict=True))

    def nouns_of(self, network: nn.Module, ids: Ints, verb: Ints) -> Ints:
        """`(n, MOST_ROLES)` the best nouns of given verbs `(n,)`, whichever is predicted."""
        size = self.config.evaluation_batch
        slots = [
            crf.best_slots(b, self._on_device(verb[start : start + size]), self._layout).cpu().numpy()
            for start, (_, b) in zip(range(0, len(ids), size), self._potentials(network, ids), strict=True)
        ]
        return self._nouns(np.concatenate([np.zeros((0, MOST_ROLES), np.int64), *slots]))

    def environment(self) -> dict[str, str]:
        """The device, and how many CPU threads."""
        return devices.environment(self._device, self.context.threads)

    def save(self, network: nn.Module) -> Arrays:
        """Parameters and buffers by name."""
        return weights.save_network(network)

    def load(self, arrays: Arrays) -> nn.Module:
        """A network with saved parameters and buffers, in evaluation mode."""
        with torch.random.fork_rng([]):
            network = self._build(pretrained=False)
        weights.load_network(network, arrays)
        return network.eval()

    def _potentials(self, network: nn.Module, ids: Ints) -> Iterator[tuple[Tensor, Tensor]]:
        """`(n, verbs)` and `(n, slots)` of a batch after the other, float32; leaves the network in its mode."""
        was_training = network.training
        network.eval()
        rows = self.images.rows[ids]
        try:
            with devices.computing(self.context.threads), torch.inference_mode():
                stored = Stored(self.images.pixels, self._device)
                for pixels in stored.batches(rows, self.config.evaluation_batch):
                    a, b = network(self._prepare(_channels_first(pixels)))
                    yield a.float(), b.float()
        finally:
            network.train(was_training)

    def _predicted_batches(self, samples: Samples) -> Iterator[Batch]:
        """The samples as they are predicted, not augmented."""
        size, targets = self.config.evaluation_batch, self._targets(samples)
        batches = Stored(self.images.pixels, self._device).batches(self.images.rows[samples.ids], size)
        for number, pixels in enumerate(batches):
            part = slice(number * size, (number + 1) * size)
            yield Batch(self._prepare(_channels_first(pixels)), targets[part])

    def _targets(self, samples: Samples) -> Tensor:
        """`(n, 1 + MOST_ROLES)` as `packed`, on the device."""
        verb = samples.labels[VERB]
        return self._on_device(packed(verb, self.vocabulary.slots(verb, samples.labels[NOUNS])))

    def _labels(self, parts: Iterator[crf.Situations]) -> Labels:
        verbs, slots, confidences = [np.zeros(0, np.int64)], [np.zeros((0, MOST_ROLES), np.int64)], [np.zeros(0)]
        for part in parts:
            verbs.append(part.verb.cpu().numpy())
            slots.append(part.slots.cpu().numpy())
            confidences.append(part.log_probability.double().exp().clamp(max=1).cpu().numpy())
        confidence: Floats = np.concatenate(confidences)
        return Labels(np.concatenate(verbs), self._nouns(np.concatenate(slots)), confidence)

    def _nouns(self, slots: Ints) -> Ints:
        """`(n, MOST_ROLES)` noun ids of slots; padding stays."""
        return np.where(slots < 0, slots, self.vocabulary.slot_noun[slots])

    def _on_device(self, values: Ints | Floats) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device)

    def _room(self) -> int:
        return room(self._device, _OF_FREE_MEMORY)

    def _build(self, *, pretrained: bool) -> nn.Module:
        config = self.config
        if config.network == SMALL:
            network = networks.small(self.vocabulary, config.width)
        else:
            side = config.side or self.images.pixels.shape[1]
            data = self.context.data if pretrained else None
            network = networks.resnet(config.network, self.vocabulary, side, data=data)
        return self._precision.network(network.to(self._device))

    @cached_property
    def _device(self) -> torch.device:
        return devices.resolve(self.context.device)

    @cached_property
    def _precision(self) -> Precision:
        return precision(self.config.precision, self._device)

    @cached_property
    def _layout(self) -> crf.Layout:
        return crf.Layout.of(self.vocabulary, self._device)

    @cached_property
    def _prepare(self) -> Preparation:
        side = self.config.side
        mean, std = (torch.tensor(values, dtype=torch.float64, device=self._device) for values in (_MEAN, _STD))
        size = None if side is None else (side, side)
        return Preparation(mean, std, flip=side is not None, resized=side is not None, size=size)


def _channels_first(pixels: Tensor) -> Tensor:
    """`(n, H, W, C)` as `(n, C, H, W)`, channels last in memory."""
    return pixels.permute(0, 3, 1, 2)
