"""Training and running generators and classifiers; everything of this plugin that needs torch is reached from here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from biasloop.contract import names
from biasloop.contract.batching import Batches
from biasloop.contract.context import Work
from biasloop.contract.data import Array, Arrays, Ints
from biasloop.contract.domains import Source
from biasloop.training import device as devices
from biasloop.training import weights
from biasloop.training.loop import fit
from biasloop.training.precision import precision
from biasloop.training.recipe import Recipe
from biasloop.training.sources import Drawing, Real
from biasloop.training.star import Generated, interleaved
from biasloop_generators import networks
from biasloop_generators.config import Config
from biasloop_generators.drawn import Drawn
from biasloop_generators.inputs import as_inputs, mirrored
from biasloop_generators.networks import VAE, LastEpoch
from biasloop_generators.objectives import BatchCrossEntropy, Evidence
from biasloop_generators.pictures import Colored
from biasloop_generators.recipes import classifier_recipe, generator_recipe, loss_of

LAST = "last"  # beside parameters and buffers, whose names have a dot
N = TypeVar("N", bound=nn.Module)
SHOWN = 64  # samples kept with a generation
_TOGETHER = 2048  # images of 28x28 that are made at once


@dataclass(frozen=True)
class Learner:
    """Generators and classifiers of one data set.

    Attributes:
        config: the domain's settings.
        data: the images.
        device: torch's name of the device.
        threads: CPU threads, 0 for torch's choice.
    """

    config: Config
    data: Colored
    device: str
    threads: int

    def environment(self) -> dict[str, str]:
        """The device, and how many CPU threads."""
        return devices.environment(self._device, self.threads)

    def annotator(self, target: str, work: Work) -> nn.Module:
        """A classifier of the label or of a group, trained on real images and their true classes."""
        column = self.data.targets.index(target)
        recipe = classifier_recipe(self.config, len(self.data.train))
        with devices.computing(self.threads):
            labels = torch.from_numpy(self.data.attributes[self.data.train, column]).to(self._device)
            drawing = self._drawing(Batches(0.0), recipe, work, real=labels)
            network = self._built(
                lambda: networks.build_classifier(self.config.classifier, self.data.sizes[column]), work
            )
            return self._fitted(network, Drawn(drawing, recipe), recipe, work)

    def generator(self, source: Source, work: Work) -> VAE:
        """A new generator, of real images or of samples."""
        star = source.batches.star is not None
        recipe = generator_recipe(self.config, len(self.data.train), star=star, passes=source.passes)
        with devices.computing(self.threads):
            drawing = self._drawing(source.batches, recipe, work, source=source, labelled=False)
            network = self._built(lambda: networks.build_generator(self.config.generator), work)
            objective = Evidence(loss_of(self.config), precision(recipe.precision, self._device))
            ended = fit(network, Drawn(drawing, recipe, labelled=False), objective, recipe, work)
            network.last = LastEpoch(ended.loss, ended.batches, ended.samples)
            return network

    def classifier(self, source: Source, work: Work) -> nn.Module:
        """A new classifier of the label, of samples and perhaps real images."""
        star = source.batches.star is not None
        recipe = classifier_recipe(self.config, len(self.data.train), star=star, passes=source.passes)
        with devices.computing(self.threads):
            real = None
            if source.batches.generated(recipe.batch_size) < recipe.batch_size:
                real = torch.from_numpy(self.data.labels[self.data.train]).to(self._device)
            drawing = self._drawing(source.batches, recipe, work, source=source, real=real)
            network = self._built(lambda: self._new_classifier(0), work)
            return self._fitted(network, Drawn(drawing, recipe), recipe, work)

    def _fitted(self, network: nn.Module, batches: Drawn, recipe: Recipe, work: Work) -> nn.Module:
        """A classifier or an annotator, trained."""
        fit(network, batches, BatchCrossEntropy(precision(recipe.precision, self._device)), recipe, work)
        return network

    def logits(self, network: nn.Module, rows: Ints, work: Work) -> Array:
        """`(n, classes)` float32 of real images."""
        logits, size = [], self.config.evaluation_batch
        with devices.computing(self.threads), torch.inference_mode():
            draws = devices.generator(work.streams.at("mirror"), self._device)
            for begin in range(0, len(rows), size):
                images = self._inputs(torch.from_numpy(self.data.images[rows[begin : begin + size]]).to(self._device))
                if self.data.mirrored and self.config.mirrored_evaluation:
                    images = mirrored(images, draws)
                logits.append(network(images).float())
            return np.asarray(torch.cat(logits).cpu().numpy())

    def population(
        self, generator: VAE, labeller: nn.Module, groups: Sequence[nn.Module], work: Work
    ) -> tuple[Array, Array, list[Array]]:
        """Fresh samples as networks see them.

        Returns:
            `(SHOWN, H, W, C)` uint8 of the first samples, `(n,)` labels, and of each group `(n, classes)` logits.
        """
        shown, labels = torch.zeros(0), []
        seen: list[list[Tensor]] = [[] for _ in groups]
        count, size = self.config.population, self._together
        with devices.computing(self.threads), torch.inference_mode():
            noise = devices.generator(work.streams, self._device)
            for begin in range(0, count, size):
                many = min(size, count - begin)
                images = generator.decode(torch.randn(many, generator.latent, generator=noise, device=self._device))
                shown = images[:SHOWN] if begin == 0 else shown
                labels.append(labeller(images).argmax(1))
                for logits, network in zip(seen, groups, strict=True):
                    logits.append(network(images).float())
                work.tick(begin + many, count)
            return _pixels(shown), torch.cat(labels).cpu().numpy(), [torch.cat(logits).cpu().numpy() for logits in seen]

    def samples(self, generator: VAE, count: int, work: Work) -> Array:
        """`(count, H, W, C)` uint8."""
        pictures, size = [], self._together
        with devices.computing(self.threads), torch.inference_mode():
            noise = devices.generator(work.streams, self._device)
            for begin in range(0, count, size):
                many = min(size, count - begin)
                latents = torch.randn(many, generator.latent, generator=noise, device=self._device)
                pictures.append(_pixels(generator.decode(latents)))
                work.tick(begin + many, count)
        return np.concatenate(pictures)

    def save(self, model: nn.Module) -> Arrays:
        """Parameters and buffers by name, and of a trained generator its last epoch."""
        last = model.last if isinstance(model, VAE) else None
        return weights.save_network(model) | ({} if last is None else {LAST: last.array()})

    def load(self, kind: str, arrays: Arrays) -> nn.Module:
        """A network as it was saved, in evaluation mode."""
        with torch.random.fork_rng([]):
            network = self._empty(kind).to(self._device)
        weights.load_network(network, {name: array for name, array in arrays.items() if name != LAST})
        if isinstance(network, VAE) and LAST in arrays:
            network.last = LastEpoch.of(arrays[LAST])
        return network.eval()

    def _empty(self, kind: str) -> nn.Module:
        if kind == names.GENERATOR:
            return networks.build_generator(self.config.generator)
        target = kind.partition("-")[2]
        column = self.data.targets.index(target) if target else 0
        return self._new_classifier(column)

    def _new_classifier(self, column: int) -> nn.Module:
        return networks.build_classifier(self.config.classifier, self.data.sizes[column])

    @cached_property
    def _device(self) -> torch.device:
        return devices.resolve(self.device)

    @cached_property
    def _stored(self) -> Tensor:
        """`(n, H, W, C)` uint8, the training images, on the device."""
        return torch.from_numpy(np.ascontiguousarray(self.data.images[self.data.train])).to(self._device)

    @property
    def _together(self) -> int:
        """Samples made at once, so that large images take no more memory than small ones."""
        return max(64, _TOGETHER * 28 * 28 // self.data.side**2)

    def _inputs(self, images: Tensor) -> Tensor:
        return as_inputs(images, self.data.side)

    def _prepared(self, images: Tensor) -> Tensor:
        """Real training images; mirrored with torch's global generator, which a fit seeds every epoch."""
        inputs = self._inputs(images)
        if not self.data.mirrored:
            return inputs
        flipped = torch.rand(len(inputs), 1, 1, 1, device=inputs.device) < 0.5
        return torch.where(flipped, inputs.flip(3), inputs)

    def _built(self, build: Callable[[], N], work: Work) -> N:
        with devices.seeded(work.streams.at("init"), self._device):
            return build().to(self._device)

    def _drawing(
        self,
        batches: Batches,
        recipe: Recipe,
        work: Work,
        *,
        source: Source | None = None,
        real: Tensor | None = None,
        labelled: bool = True,
    ) -> Drawing:
        """The batches of a fit; real images only where some are used."""
        generated = None if source is None or source.generator is None else self._generated(source)
        mixed = generated is None or batches.generated(recipe.batch_size) < recipe.batch_size
        images = Real(self._stored, self._prepared, real) if mixed else None
        return Drawing(
            batches, recipe.batch_size, recipe.epoch_steps or 0, work.streams, self._device,
            generated=generated, real=images, labelled=labelled, chunk=self._together,
        )  # fmt: skip

    def _generated(self, source: Source) -> Generated:
        networks = source.annotators[1:]

        def groups(images: Tensor) -> Tensor:
            return torch.stack([network(images).argmax(1) for network in networks], 1)

        def part(generator: VAE, labeller: nn.Module | None) -> Generated:
            label = None if labeller is None else lambda images: labeller(images).argmax(1)
            return Generated(generator.decode, generator.latent, label, groups, self.data.sizes)

        return interleaved([part(*pair) for pair in (*source.earlier, (source.generator, source.labeller))])


def _pixels(images: Tensor) -> Array:
    """`(n, H, W, C)` uint8 on the host of images in 0 .. 1."""
    pixels = images.clamp(0, 1).mul(255).round().to(torch.uint8)
    return np.asarray(pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy())
