"""Training and running an image classifier; the only module of this plugin that imports torch."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from biasloop.data import Array, Arrays, Floats, Ints
from biasloop.domains import Work
from biasloop.training import device as devices
from biasloop.training import networks, weights
from biasloop.training.augment import Preparation
from biasloop.training.loop import TrainingSet, fit
from biasloop.training.schedule import Recipe
from biasloop_images.config import Config

_ENOUGH = 20_000  # images that the mean and spread of pixels are measured on


@dataclass(frozen=True)
class Learner:
    """Networks over the images of one data set.

    Attributes:
        config: the domain's settings.
        images: `(N, H, W, C)` uint8, the whole data set.
        classes: number of classes.
        device: torch's name of the device.
        threads: CPU threads, 0 for torch's choice.
    """

    config: Config
    images: Array
    classes: int
    device: str
    threads: int

    def fit(self, ids: Ints, labels: Ints, factors: Floats | None, work: Work) -> nn.Module:
        """A new network trained on the given images and labels; `factors` weigh the samples' losses."""
        with devices.computing(self.threads):
            with devices.seeded(work.streams.at("init"), self._device):
                network = self._build()
            factor = None if factors is None else torch.from_numpy(factors).float().to(self._device)
            train = TrainingSet(self._stored(ids), torch.from_numpy(labels).to(self._device), factor)
            return fit(network, train, self._recipe, work, self._prepare)

    def logits(self, network: nn.Module, ids: Ints) -> Array:
        """`(n, classes)` float32 on the host; leaves the network in the mode it was in."""
        training = network.training
        network.eval()
        parts = [torch.zeros(0, self.classes)]
        try:
            with devices.computing(self.threads), torch.inference_mode():
                for start in range(0, len(ids), self.config.evaluation_batch):
                    batch = self._stored(ids[start : start + self.config.evaluation_batch])
                    parts.append(network(self._prepare(batch)).float().cpu())
        finally:
            network.train(training)
        return torch.cat(parts).numpy()

    def environment(self) -> dict[str, str]:
        """The device, and how many CPU threads."""
        with devices.computing(self.threads):
            return {"device": devices.describe(self._device), "threads": str(torch.get_num_threads())}

    def save(self, network: nn.Module) -> Arrays:
        """Parameters and buffers by name."""
        return weights.save_network(network)

    def load(self, arrays: Arrays) -> nn.Module:
        """A network with saved parameters and buffers, in evaluation mode."""
        with torch.random.fork_rng([]):
            network = self._build()
        weights.load_network(network, arrays)
        return network.eval()

    @cached_property
    def _device(self) -> torch.device:
        return devices.resolve(self.device)

    @cached_property
    def _recipe(self) -> Recipe:
        config = self.config
        return Recipe(
            epochs=config.epochs,
            batch_size=config.batch_size,
            learning_rate=config.learning_rate,
            momentum=config.momentum,
            nesterov=config.nesterov,
            weight_decay=config.weight_decay,
            schedule=config.schedule,
            warm_up=config.warm_up,
            drop_last=config.drop_last,
        )

    @cached_property
    def _prepare(self) -> Preparation:
        mean, std = pixel_statistics(self.images)
        augment = self.config.augmentation
        return Preparation(self._tensor(mean), self._tensor(std), augment.padding, augment.flip)

    def _tensor(self, values: Floats) -> Tensor:
        return torch.from_numpy(values).to(self._device)

    def _build(self) -> nn.Module:
        channels = self.images.shape[-1]
        network = networks.build(self.config.network, self.classes, channels, self.config.width)
        return network.to(self._device)

    def _stored(self, ids: Ints) -> Tensor:
        """`(n, C, H, W)` uint8 on the device, channels last in memory, as in the data set."""
        return torch.from_numpy(self.images[ids]).to(self._device).permute(0, 3, 1, 2)


def pixel_statistics(images: Array) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each channel, of pixels scaled to 0 .. 1.

    Of a large data set, images at equal distances are measured.

    Args:
        images: `(N, H, W, C)` uint8.

    Returns:
        Two `(C,)` float64; a channel without spread has 1.
    """
    sample = images[:: max(1, len(images) // _ENOUGH)]
    levels = np.arange(256) / 255
    means, stds = [], []
    for channel in range(images.shape[-1]):
        counts = np.bincount(sample[..., channel].ravel(), minlength=256)
        mean = float(counts @ levels / counts.sum())
        means.append(mean)
        stds.append(float(np.sqrt(counts @ (levels - mean) ** 2 / counts.sum())) or 1.0)
    return np.array(means), np.array(stds)
