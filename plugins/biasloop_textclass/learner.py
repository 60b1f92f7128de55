"""Training and running a classifier of texts; what of this plugin needs torch is reached from here."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from biasloop.contract.context import Context, Work
from biasloop.contract.data import Array, Arrays, Frame, Ints, Samples
from biasloop.contract.names import TARGET
from biasloop.training import device as devices
from biasloop.training import weights
from biasloop.training.loop import fit
from biasloop.training.objectives import CrossEntropy
from biasloop.training.precision import Precision, precision
from biasloop.training.sources import Rows, TrainingSet
from biasloop_textclass import encoders, encoding, networks
from biasloop_textclass.config import Config
from biasloop_textclass.encoders import Encoder
from biasloop_textclass.recipes import recipe
from biasloop_textclass.texts import LabelledTexts


@dataclass(frozen=True)
class Learner:
    """Classifiers over the texts of one run.

    The texts are encoded once, and copied to the device as token ids; fits and predictions index them there.

    Attributes:
        config: the domain's settings.
        texts: of the data set.
        used: `(n,)` ascending ids of those that the run uses.
        context: data directory, device, threads.
    """

    config: Config
    texts: LabelledTexts
    used: Ints
    context: Context

    def fit(self, train: Samples, work: Work) -> nn.Module:
        """A new network trained on the samples' labels."""
        how = recipe(self.config)
        with devices.computing(self.context.threads):
            with devices.seeded(work.streams.at("init"), self._device):
                network = self._encoder.build().to(self._device)
            factors = train.weights
            labelled = TrainingSet(
                self._stored,
                self._on_device(train.labels[TARGET]),
                None if factors is None else self._on_device(factors).float(),
                self._on_device(self._positions(train.ids)),
            )
            batches = Rows(labelled, how, work.streams, lambda rows, generator: networks.trimmed(rows))
            fit(network, batches, CrossEntropy(self._precision), how, work)
            return network

    def logits(self, network: nn.Module, ids: Ints) -> Array:
        """`(n, classes)` float32 on the host, computed in float32; leaves the network in its mode."""
        was_training = network.training
        network.eval()
        positions = self._on_device(self._positions(ids))
        logits = torch.zeros(len(ids), len(self.texts.classes), device=self._device)
        size = self.config.evaluation_batch
        try:
            with devices.computing(self.context.threads), torch.inference_mode():
                for start in range(0, len(ids), size):
                    rows = self._stored[positions[start : start + size]]
                    logits[start : start + size] = network(networks.trimmed(rows))
        finally:
            network.train(was_training)
        return np.asarray(logits.cpu().numpy())  # the host waits for the device here alone

    def environment(self) -> dict[str, str]:
        """The device, and how many CPU threads."""
        return devices.environment(self._device, self.context.threads)

    def save(self, network: nn.Module) -> Arrays:
        """Parameters and buffers by name."""
        return weights.save_network(network)

    def load(self, arrays: Arrays) -> nn.Module:
        """A network with saved parameters and buffers, in evaluation mode."""
        with torch.random.fork_rng([]):
            network = self._encoder.blank().to(self._device)
        weights.load_network(network, arrays)
        return network.eval()

    def _positions(self, ids: Ints) -> Ints:
        """`(n,)` where the texts of ids are among those used."""
        return np.searchsorted(self.used, ids)

    def _on_device(self, values: Array) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device)

    @cached_property
    def _device(self) -> torch.device:
        return devices.resolve(self.context.device)

    @cached_property
    def _precision(self) -> Precision:
        return precision(self.config.precision, self._device)

    @cached_property
    def _encoder(self) -> Encoder:
        return encoders.chosen(self.config, self.texts, self.context)

    @cached_property
    def _encoded(self) -> Frame:
        return encoding.encode(self.texts, self._encoder.tokenizer, self.config.length, self.context)

    @cached_property
    def _stored(self) -> Tensor:
        """`(used, 1 or 2, longest)` int32 on the device."""
        rows = encoding.padded(self._encoded, self.used, pairs=self.texts.seconds is not None)
        return self._on_device(rows)
