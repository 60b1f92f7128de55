"""Training and running a classifier of texts; what of this plugin needs torch is reached from here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from biasloop.contract.context import Context, Work
from biasloop.contract.data import Array, Arrays, Floats, Frame, Ints, Samples
from biasloop.contract.names import TARGET
from biasloop.contract.variants import varied
from biasloop.errors import InvalidInput
from biasloop.training import classifiers, heads, weights
from biasloop.training import device as devices
from biasloop.training.heads import Headed
from biasloop.training.objectives import CrossEntropy, HeadedCrossEntropy
from biasloop.training.precision import Precision, precision
from biasloop.training.recipe import Recipe
from biasloop.training.sources import Batch, Rows, TrainingSet
from biasloop_textclass import encoders, encoding
from biasloop_textclass.config import BUILT_IN, TRAINING, Config
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
        """A new network trained on the samples' labels with their weights, or on those selected of them."""
        with devices.computing(self.context.threads):
            return classifiers.fit(self, train, self._batches(train, work), work, self._evaluated)

    def fit_heads(self, train: Samples, factors: Floats, work: Work) -> Headed:
        """A new network whose last layer has a slice of the classes for each row of `factors` `(heads, n)`."""
        with devices.computing(self.context.threads):
            return classifiers.fit_heads(self, self._batches(train, work), factors, len(train), work)

    def head_losses(self, model: Headed, samples: Samples) -> Floats:
        """`(heads, n)` float64 cross-entropy of each head."""
        return heads.losses(self.logits(model.network, samples.ids), model.heads, samples.labels[TARGET])

    def logits(self, network: nn.Module, ids: Ints) -> Array:
        """`(n, classes)` float32 on the host, computed in float32; of several heads `(n, heads * classes)`.

        Leaves the network in its mode.
        """
        was_training = network.training
        network.eval()
        positions = self._on_device(self._positions(ids))
        parts = torch.split(positions, self.config.evaluation_batch)
        try:
            with devices.computing(self.context.threads), torch.inference_mode():
                logits = torch.cat([network(self._stored[part]) for part in parts])  # of no id a part without rows
        finally:
            network.train(was_training)
        return np.asarray(logits.cpu().numpy())  # the host waits for the device here alone

    def environment(self) -> dict[str, str]:
        """The device, and how many CPU threads."""
        return devices.environment(self._device, self.context.threads)

    def save(self, network: nn.Module) -> Arrays:
        """Parameters and buffers by name."""
        return weights.save_network(network)

    def load(self, arrays: Arrays, count: int = 1) -> nn.Module:
        """A network with saved parameters and buffers, in evaluation mode."""
        with torch.random.fork_rng([]):
            network = self._encoder.blank(count).to(self._device)
        weights.load_network(network, arrays)
        return network.eval()

    def write(self, network: nn.Module, directory: Path) -> None:
        """Files that transformers loads.

        Raises:
            InvalidInput: it is the built-in network.
        """
        if self.config.network == BUILT_IN:
            raise InvalidInput(
                f'domain.network = "{BUILT_IN}" is no network of transformers, and cannot be written as one; the '
                "classifier of a pretrained encoder can be"
            )
        from biasloop_textclass.pretrained_encoder import Classifier, Pretrained

        assert isinstance(network, Classifier)
        assert isinstance(self._encoder, Pretrained)
        self._encoder.write(network, self.texts.classes, self.config.length, directory)

    def load_heads(self, arrays: Arrays) -> Headed:
        """The network of several heads that was saved, in evaluation mode."""
        named, count = heads.saved(arrays)
        return Headed(self.load(named, count), count)

    def reads_like(self, other: "Learner") -> bool:
        """Whether another has the same tokenizer."""
        return bool(self._encoder.tokenizer.to_str() == other._encoder.tokenizer.to_str())

    def varied(self, changes: Mapping[str, object]) -> "Learner":
        """Classifiers by other settings, over the same texts."""
        return replace(self, config=varied(self.config, changes, TRAINING))

    def recipe(self, samples: int) -> Recipe:
        """How a network is trained, on however many samples."""
        return recipe(self.config)

    def objective(self, network: nn.Module, how: Recipe, work: Work) -> CrossEntropy:
        """What a network is trained by."""
        return CrossEntropy(self._precision)

    def headed_objective(self, factors: Floats) -> HeadedCrossEntropy:
        """What a network of several heads is trained by, with `(heads, n)` factors of losses."""
        return HeadedCrossEntropy(self._precision, self._on_device(factors).float())

    def initial(self, work: Work, heads: int = 1) -> nn.Module:
        """A new network on the device, whose last layer has a slice of the classes for each head."""
        with devices.seeded(work.streams.at("init"), self._device):
            return self._encoder.build(heads).to(self._device)

    def _batches(self, samples: Samples, work: Work) -> Rows:
        """Those of a fit."""
        return Rows(self._labelled(samples), recipe(self.config), work.streams, lambda rows, generator: rows)

    def _evaluated(self, samples: Samples) -> Iterator[Batch]:
        """Those that samples are predicted in."""
        labelled = self._labelled(samples)
        assert labelled.rows is not None
        size = self.config.evaluation_batch
        for rows, targets in zip(torch.split(labelled.rows, size), torch.split(labelled.labels, size), strict=True):
            yield Batch(self._stored[rows], targets)

    def _labelled(self, samples: Samples) -> TrainingSet:
        factors = samples.weights
        return TrainingSet(
            self._stored,
            self._on_device(samples.labels[TARGET]),
            None if factors is None else self._on_device(factors).float(),
            self._on_device(self._positions(samples.ids)),
        )

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
