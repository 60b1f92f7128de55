"""Training and running an image classifier; the only module of this plugin that imports torch at once."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from biasloop.contract.context import Work
from biasloop.contract.data import Array, Arrays, Floats, Ints, Samples
from biasloop.contract.names import TARGET
from biasloop.contract.variants import varied
from biasloop.datasets.weights import RESNET18
from biasloop.training import classifiers, heads, imagenet, networks, weights
from biasloop.training import device as devices
from biasloop.training.augment import Preparation
from biasloop.training.compiling import compiled
from biasloop.training.dropout import would_have_dropout
from biasloop.training.heads import Headed
from biasloop.training.loop import check_float16
from biasloop.training.objectives import CrossEntropy, HeadedCrossEntropy
from biasloop.training.precision import Precision, precision
from biasloop.training.recipe import Recipe
from biasloop.training.sources import Batch, Rows, TrainingSet
from biasloop_images import compat
from biasloop_images.config import TRAINING, Config
from biasloop_images.pictures import Pictures
from biasloop_images.recipes import recipe
from biasloop_images.stream import Stream


def check_network(config: Config, classes: int, shape: tuple[int, int, int], device: str) -> None:
    """Refuse a network and a precision that nobody knows or can have.

    Args:
        config: the domain's settings.
        classes: number of classes.
        shape: height, width and channels of the images.
        device: torch's name of the device.

    Raises:
        InvalidInput: as `Learner`.
    """
    networks.check(config.network, classes, shape, config.width, config.depth)
    if config.precision == "released":  # refused before anything is trained where it cannot be had
        check_float16(_precision(config, devices.resolve(device)))


def has_dropout(config: Config) -> bool:
    """Whether a network has a layer that leaves anything out; classes and channels change nothing of it."""
    return would_have_dropout(lambda: networks.build(config.network, 2, 3, config.width, config.depth))


def _precision(config: Config, device: torch.device) -> Precision:
    name = config.precision
    return precision(compat.RELEASED_NUMBERS[config.network] if name == "released" else name, device)


@dataclass(frozen=True)
class Learner:
    """Networks over the images of one run.

    The images are copied to the device once, as bytes; fits and predictions index them there.

    Attributes:
        config: the domain's settings.
        pictures: the images that the run uses.
        classes: number of classes.
        device: torch's name of the device.
        threads: CPU threads, 0 for torch's choice.
        stream: what fits draw their batches from; None for the training set as it is.
        data: the data directory, with weights to begin with.

    Raises:
        InvalidInput: if no network has the name in the settings, or it cannot take images of that shape; there is
            no such device, or it cannot compute in that precision.
    """

    config: Config
    pictures: Pictures
    classes: int
    device: str
    threads: int
    stream: Stream | None = None
    data: Path = Path()

    def __post_init__(self) -> None:
        height, width, channels = self.pictures.images.shape[1:]
        check_network(self.config, self.classes, (height, width, channels), self.device)

    def fit(self, samples: Samples, work: Work) -> nn.Module:
        """A new network trained on images with the given labels and weights, or those selected of them."""
        with devices.computing(self.threads):
            return classifiers.fit(self, samples, self._rows(samples, work), work, self._batches)

    def fit_heads(self, samples: Samples, weights: Floats, work: Work) -> Headed:
        """A new network whose last layer has a slice for each row of `weights` `(heads, n)`."""
        with devices.computing(self.threads):
            return classifiers.fit_heads(self, self._rows(samples, work), weights, len(samples), work)

    def head_losses(self, model: Headed, samples: Samples) -> Floats:
        """`(heads, n)` float64 cross-entropy of each head."""
        return heads.losses(self.logits(model.network, samples.ids), model.heads, samples.labels[TARGET])

    def save_heads(self, model: Headed) -> Arrays:
        """Parameters and buffers by name, and how many heads there are."""
        return heads.save(model)

    def load_heads(self, arrays: Arrays) -> Headed:
        """The network that was saved, in evaluation mode."""
        parameters, count = heads.saved(arrays)
        return Headed(self.load(parameters, count), count)

    def varied(self, changes: Mapping[str, object]) -> "Learner":
        """Networks by other settings, over the same images."""
        return replace(self, config=varied(self.config, changes, TRAINING))

    def recipe(self, samples: int) -> Recipe:
        """How a network is trained on so many samples."""
        return recipe(self.config, samples)

    def objective(self, network: nn.Module, how: Recipe, work: Work) -> CrossEntropy:
        """What a network is trained by."""
        full, forward = how.batch_size if how.summed else None, None
        if self.config.compile:
            forward = compiled(network, work)
        return CrossEntropy(self._precision, full=full, forward=forward)

    def headed_objective(self, factors: Floats) -> HeadedCrossEntropy:
        """What a network of several heads is trained by, with `(heads, n)` factors of losses."""
        return HeadedCrossEntropy(self._precision, torch.from_numpy(factors).float().to(self._device))

    def initial(self, work: Work, heads: int = 1) -> nn.Module:
        """A new network on the device, whose last layer has a slice of the classes for each head."""
        with devices.seeded(work.streams.at("init"), self._device):
            network = self._build(heads)
        if self.config.pretrained:
            directory = RESNET18.require(self.data)
            imagenet.load(network, directory / RESNET18.remotes[0].filename, RESNET18.mend)
        return network

    def _rows(self, samples: Samples, work: Work) -> Rows:
        """The batches of a fit."""
        sampling = None if self.stream is None else self.stream.of(samples.ids, samples.labels[TARGET])
        how = self.recipe(len(samples))
        return Rows(self._training_set(samples), how, work.streams, self._prepare, sampling)

    def _training_set(self, samples: Samples) -> TrainingSet:
        factors = samples.weights
        return TrainingSet(
            self._stored,
            torch.from_numpy(samples.labels[TARGET]).to(self._device),
            None if factors is None else torch.from_numpy(factors).float().to(self._device),
            torch.from_numpy(self.pictures.rows(samples.ids)).to(self._device),
        )

    def _batches(self, samples: Samples) -> Iterator[Batch]:
        """The samples as they are predicted, not augmented."""
        train = self._training_set(samples)
        assert train.rows is not None
        for start in range(0, len(train), self.config.evaluation_batch):
            part = slice(start, start + self.config.evaluation_batch)
            yield Batch(self._prepare(train.inputs[train.rows[part]]), train.labels[part])

    def logits(self, network: nn.Module, ids: Ints) -> Array:
        """`(n, classes)` float32 on the host, computed in float32, or as released; leaves the network in its mode."""
        training = network.training
        network.eval()
        rows = torch.from_numpy(self.pictures.rows(ids)).to(self._device)
        outputs: list[Tensor] = []
        try:
            with devices.computing(self.threads), torch.inference_mode():
                for start in range(0, len(ids), self.config.evaluation_batch):
                    part = slice(start, start + self.config.evaluation_batch)
                    outputs.append(network(self._precision.inputs(self._prepare(self._stored[rows[part]]))).float())
        finally:
            network.train(training)
        if not outputs:
            return np.zeros((0, self.classes), np.float32)
        return np.asarray(torch.cat(outputs).cpu().numpy())  # the host waits for the device here alone

    def environment(self) -> dict[str, str]:
        """The device, and how many CPU threads."""
        return devices.environment(self._device, self.threads)

    def save(self, network: nn.Module) -> Arrays:
        """Parameters and buffers by name."""
        return weights.save_network(network)

    def load(self, arrays: Arrays, slices: int = 1) -> nn.Module:
        """A network with saved parameters and buffers, in evaluation mode."""
        with torch.random.fork_rng([]):
            network = self._build(slices)
        weights.load_network(network, arrays)
        return network.eval()

    @cached_property
    def _device(self) -> torch.device:
        return devices.resolve(self.device)

    @cached_property
    def _precision(self) -> Precision:
        return _precision(self.config, self._device)

    @cached_property
    def _prepare(self) -> Preparation:
        augment = self.config.augmentation
        mean, std = self._tensor(self.pictures.mean), self._tensor(self.pictures.std)
        return Preparation(mean, std, augment.padding, augment.flip, augment.resized)

    def _tensor(self, values: Floats) -> Tensor:
        return torch.from_numpy(values).to(self._device)

    def _build(self, slices: int = 1) -> nn.Module:
        channels = self.pictures.images.shape[-1]
        config = self.config
        network = networks.build(config.network, slices * self.classes, channels, config.width, config.depth)
        return self._precision.network(network.to(self._device))

    @cached_property
    def _stored(self) -> Tensor:
        """`(N, C, H, W)` uint8 on the device, channels last in memory; on a CPU, the very array of the pictures."""
        with warnings.catch_warnings():  # of a read-only array: nothing writes to it here
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            stored = torch.from_numpy(self.pictures.images)
        return stored.to(self._device).permute(0, 3, 1, 2)
