"""Training and running CLIP and the generator; everything of this plugin that needs torch is reached from here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from biasloop.contract.context import Context, Work
from biasloop.contract.data import Array, Arrays, Ints, Samples
from biasloop.contract.names import FIT, MAKER
from biasloop.contract.randomness import Streams
from biasloop.training import device as devices
from biasloop.training import distributed, loop, weights
from biasloop.training.common_fits import CommonFit
from biasloop.training.contrastive import Contrastive
from biasloop.training.precision import precision
from biasloop.training.sources import Rows, TrainingSet
from biasloop_clip import encoders, flow, recipes
from biasloop_clip.captions import Tokenizer
from biasloop_clip.coding import Coding
from biasloop_clip.config import Config
from biasloop_clip.pictures import GENDER, ROLE, TONE, CaptionedPictures
from biasloop_clip.reading import Reader, Reading

CODE = "code"
"""The column of a generated picture, as principal components; NaN where the picture is the sample's own."""

_TOGETHER = 256  # pictures that are made in one batch, whose size is always the same, so that bits are
N = TypeVar("N", bound=nn.Module)


@dataclass(frozen=True)
class Learner:
    """Networks over the pictures of one run.

    Attributes:
        config: the domain's settings.
        data: pictures and captions.
        context: device, threads, and what domains of one process share.
        made_from: what the data depend on.
    """

    config: Config
    data: CaptionedPictures
    context: Context
    made_from: str

    def fit(self, train: Samples, work: Work) -> nn.Module:
        """A new CLIP, of pictures as they are and captions."""
        recipe = recipes.of_clip(self.config)
        with devices.computing(self.context.threads):
            network = self._built(lambda: encoders.build(self.config, len(self._tokenizer.words)), work)
            factors = None if train.weights is None else self._on_device(train.weights).float()
            rows = TrainingSet(self._on_device(self._pixels(train)), self._on_device(self._tokens(train)), factors)
            group = distributed.current()
            source = Rows(rows, recipe, work.streams, _prepared, group=group)
            objective = Contrastive(precision(self.config.precision, self._device), group)
            common = CommonFit(self.config, self.context, FIT, train, work.streams)
            loop.fit(network, source, objective, recipe, work, group=group, invitation=common.invitation)
        return network

    def fit_maker(self, train: Samples, work: Work) -> nn.Module:
        """A new generator, of pictures as they are and captions."""
        recipe = recipes.of_maker(self.config)
        codes = self.coding.encode(self._real(train.ids))
        made = train.synthetic if CODE in train.inputs else np.zeros(len(train), np.bool_)
        if made.any():
            codes[made] = train.inputs[CODE][made]
        captions = np.stack([train.labels[name] for name in (ROLE, GENDER, TONE)], 1)
        with devices.computing(self.context.threads):
            network = self._built(self._flow, work)
            rows = TrainingSet(self._on_device(codes), self._on_device(captions))
            group = distributed.current()
            source = Rows(rows, recipe, work.streams, lambda part, _: part, group=group)
            objective = flow.Velocity(precision("float32", self._device), self.config.maker.dropped)
            common = CommonFit(self.config, self.context, "fit_maker", train, work.streams)
            loop.fit(network, source, objective, recipe, work, group=group, invitation=common.invitation)
        return network

    def make(self, maker: nn.Module, captions: Ints, ids: Ints, guidance: float, work: Work) -> Array:
        """`(n, components)` float32 codes of pictures for captions; each depends on (stream, id) alone.

        Args:
            maker: the generator.
            captions: `(n, 3)` role, gender and skin tone.
            ids: `(n,)` that noise is drawn by.
            guidance: as of `flow.generated`.
            work: of the call.
        """
        components, steps = self.config.maker.components, self.config.maker.steps
        codes = np.zeros((len(ids), components), np.float32)
        with devices.computing(self.context.threads), torch.inference_mode():
            for start in range(0, len(ids), _TOGETHER):
                rows = np.minimum(np.arange(start, start + _TOGETHER), len(ids) - 1)  # the last one fills the batch
                noise = _normal(work.streams, ids[rows], components)
                asked = self._on_device(captions[rows])
                part = flow.generated(maker, asked, noise.to(self._device), steps, guidance)
                codes[start : start + _TOGETHER] = part.cpu().numpy()[: len(ids) - start]
                work.tick(min(start + _TOGETHER, len(ids)), len(ids))
        return codes

    def decoded(self, codes: Array) -> Array:
        """`(n, H, W, 3)` uint8 pictures of codes."""
        return self.coding.decode(codes, self.config.pictures.canvas)

    def embedded(self, model: nn.Module, ids: Ints) -> Array:
        """`(n, embedding)` float32 of unit length, of pictures that are the samples' own."""
        return self._embedded(model, "encode_image", self._shown(self.data.render(ids)))

    def embedded_captions(self, model: nn.Module, captions: Ints) -> Array:
        """`(n, embedding)` float32 of unit length, of captions `(n, 3)`."""
        return self._embedded(model, "encode_text", self._tokenizer.tokens(*captions.T))

    def read(self, pictures: Array) -> tuple[Ints, Ints, Array]:
        """Genders `(n,)` and roles `(n,)` that the reader sees, and features `(n, FEATURES)`, of uint8 pictures."""
        genders, roles, features = [], [], []
        reader = self._reader  # trained, if need be, before gradients are off
        with devices.computing(self.context.threads), torch.inference_mode():
            for part in self._batches(pictures):
                of_gender, of_role, seen = reader(_prepared(part))
                genders.append(of_gender.argmax(1))
                roles.append(of_role.argmax(1))
                features.append(seen)
        read = [torch.cat(parts).cpu().numpy() for parts in (genders, roles, features)]
        return read[0], read[1], read[2]

    def coded(self, ids: Ints) -> Array:
        """`(n, H, W, 3)` uint8 real pictures as they are of principal components: as pictures are that are made."""
        return self.decoded(self.coding.encode(self.data.render(ids)))

    def environment(self) -> dict[str, str]:
        """The device, how many CPU threads, and how many processes if there are several."""
        return devices.environment(self._device, self.context.threads, distributed.current().count)

    def save(self, network: nn.Module) -> Arrays:
        """Parameters and buffers by name."""
        return weights.save_network(network)

    def load(self, kind: str, arrays: Arrays) -> nn.Module:
        """A network with saved parameters and buffers, in evaluation mode."""
        with torch.random.fork_rng([]):
            network = self._flow() if kind == MAKER else encoders.build(self.config, len(self._tokenizer.words))
        weights.load_network(network, arrays)
        return network.to(self._device).eval()

    @cached_property
    def coding(self) -> Coding:
        """Principal components of the pool's own pictures."""
        components, threads = self.config.maker.components, self.context.threads
        return self.context.once(
            "clip.coding", (self.made_from, components, threads), lambda: Coding.of(self._pool, components, threads)
        )

    def _pixels(self, train: Samples) -> Array:
        """`(n, H, W, 3)` uint8 that CLIP learns from."""
        pictures = self._shown(self._real(train.ids))
        if CODE in train.inputs and train.synthetic.any():
            pictures = pictures.copy()
            pictures[train.synthetic] = self.decoded(train.inputs[CODE][train.synthetic])
        return pictures

    def _shown(self, pictures: Array) -> Array:
        """Real pictures as CLIP is given them."""
        return self.decoded(self.coding.encode(pictures)) if self.config.equalised else pictures

    def _tokens(self, train: Samples) -> Ints:
        return self._tokenizer.tokens(*(train.labels[name] for name in (ROLE, GENDER, TONE)))

    def _embedded(self, model: nn.Module, method: str, rows: Array) -> Array:
        parts, was_training = [], model.training
        model.eval()
        try:
            with devices.computing(self.context.threads), torch.inference_mode():
                for part in self._batches(rows):
                    given = _prepared(part) if part.dtype == torch.uint8 else part
                    parts.append(getattr(model, method)(given, normalize=True).float().cpu().numpy())
        finally:
            model.train(was_training)
        return np.concatenate(parts)

    def _batches(self, rows: Array) -> Iterator[Tensor]:
        size = self.config.evaluation_batch
        return (self._on_device(rows[start : start + size]) for start in range(0, len(rows), size))

    def _real(self, ids: Ints) -> Array:
        """`(n, H, W, 3)` uint8 pictures of the pool."""
        return self._pool[np.searchsorted(self.data.splits.pool, ids)]

    @cached_property
    def _pool(self) -> Array:
        """`(pool, H, W, 3)` uint8."""
        return self.context.once("clip.pool", self.made_from, lambda: self.data.render(self.data.splits.pool))

    @cached_property
    def _reader(self) -> nn.Module:
        settings = (self.config.measures.reader, self.config.measures.reader_epochs, self.config.maker.components)
        machine = (str(self._device), self.context.threads)
        return self.context.once("clip.reader", (self.made_from, *settings, *machine), self._fit_reader)

    def _fit_reader(self) -> nn.Module:
        """The same for all runs of a seed; in no checkpoint and no curve, since it is a matter of seconds."""
        recipe, ids = recipes.of_reader(self.config), self.data.for_reader(self.config.measures.reader)
        work = Work(self.data.streams.at("reader"))
        with devices.computing(self.context.threads):
            network = self._built(lambda: Reader(len(self.data.roles), self.config.pictures.canvas), work)
            targets = np.ascontiguousarray(self.data.facts(ids)[:, :2])  # role and gender
            rows = TrainingSet(self._on_device(self.coded(ids)), self._on_device(targets))
            source = Rows(rows, recipe, work.streams, _prepared)
            loop.fit(network, source, Reading(precision("float32", self._device)), recipe, work)
        return network

    def _flow(self) -> flow.Flow:
        maker = self.config.maker
        return flow.Flow(len(self.data.roles), maker.components, maker.width, maker.blocks)

    def _built(self, build: Callable[[], N], work: Work) -> N:
        with devices.seeded(work.streams.at("init"), self._device):
            return build().to(self._device)

    def _on_device(self, values: Array) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return Tokenizer(self.data.roles)

    @cached_property
    def _device(self) -> torch.device:
        return devices.of_process(self.context.device)


def _prepared(pictures: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """`(n, 3, H, W)` float32 from -1 to 1 of `(n, H, W, 3)` uint8; nothing is augmented."""
    return pictures.permute(0, 3, 1, 2).float() / 127.5 - 1


def _normal(streams: Streams, ids: Ints, width: int) -> Tensor:
    """`(n, width)` float32 standard normal, each row of (stream, id)."""
    uniform = torch.from_numpy(streams.uniform(ids, width) + 2.0**-54)  # never 0
    noise: Tensor = torch.special.ndtri(uniform).float()
    return noise
