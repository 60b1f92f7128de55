"""Fine-tuning and running a language model; everything of this plugin that needs torch is reached from here."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import nn

from biasloop.contract.context import Context, Work
from biasloop.contract.data import Arrays, Column, Floats, Ints, Samples
from biasloop.contract.names import FIT
from biasloop.contract.randomness import Streams
from biasloop.errors import Diverged
from biasloop.training import device as devices
from biasloop.training import distributed as teams
from biasloop.training.common_fits import CommonFit
from biasloop.training.recipe import Recipe
from biasloop_language import builtin, decoding, finetuning, model_files, networks
from biasloop_language.config import Config
from biasloop_language.corpora import Source
from biasloop_language.encoder import Encoder
from biasloop_language.kv_cache import context
from biasloop_language.networks import Language
from biasloop_language.pairs import Pairs
from biasloop_language.recipes import Decoder, chosen
from biasloop_language.tokenising import tokenise
from biasloop_language.tokens import TokenRows


@dataclass(frozen=True)
class Learner:
    """Language models over one corpus.

    Attributes:
        config: the domain's settings.
        corpus: where the built-in network's pre-training sentences come from.
        context: data directory, device, threads.
    """

    config: Config
    corpus: Source
    context: Context

    def environment(self) -> dict[str, str]:
        """The device, how many CPU threads, and how many processes if there are several."""
        return devices.environment(self._device, self.context.threads, teams.current().count)

    def tokenised(self, pairs: Pairs) -> TokenRows:
        """The corpus as token ids of the network; tokenised once for all runs."""
        limit = self._limit
        return tokenise(pairs, self._encoder.inner, self.context, limit=limit)

    def encode(self, texts: list[str]) -> Column:
        """Texts as token ids."""
        return self._encoder.encode(texts)

    def texts(self, tokens: Column) -> list[str]:
        """Token ids as texts."""
        return self._encoder.decode(tokens)

    def pretrained(self, work: Work) -> nn.Module:
        """The network before any round; the built-in one is pre-trained if it was not yet."""
        with devices.computing(self.context.threads):
            return self._language(work).fresh(self._device)

    def fit(self, rows: TokenRows, train: Samples, work: Work) -> nn.Module:
        """The pretrained network, fine-tuned on rows of a training set, whose weights multiply the losses of tokens."""
        released = self.config.compat == "released"
        with devices.computing(self.context.threads):
            network = self._language(work).fresh(self._device)
            common = CommonFit(self.config, self.context, FIT, train, work.streams)
            return finetuning.fit(
                network, rows, self._recipe, work, weights=train.weights, released=released,
                invitation=common.invitation,
            )  # fmt: skip

    def generate(self, model: nn.Module, prompts: Column, ids: Ints, work: Work) -> Column:
        """Continuations, without end-of-text; a drawn token depends on (stream, id, step), not on the batch."""
        with devices.computing(self.context.threads):
            return decoding.generate(
                model, prompts, self._decoder, work.streams, ids, self._encoder.eos,
                work.tick,
            )  # fmt: skip

    def losses(self, model: nn.Module, rows: TokenRows, work: Work) -> tuple[Floats, Ints]:
        """How unlikely the network finds each human continuation: summed loss and tokens, per row.

        Raises:
            Diverged: if a loss is not finite.
        """
        with devices.computing(self.context.threads):
            sums, counted = finetuning.losses(model, rows, self.config.evaluation_batch)
        wrong = np.count_nonzero(~np.isfinite(sums))
        if wrong:  # the last update of a fit can spoil the weights after its loss was taken
            raise Diverged(
                f"the network's loss on {wrong:,} of {len(rows):,} test rows is not a finite number; "
                f"set domain.learning_rate below {self._recipe.learning_rate:g}"
            )
        work.tick(len(rows), len(rows))
        return sums, counted

    def save(self, model: nn.Module) -> Arrays:
        """Parameters by name."""
        return networks.save(model)

    def load(self, arrays: Arrays) -> nn.Module:
        """A network with saved parameters, in evaluation mode."""
        network = self._language(Work(Streams(("load",)))).fresh(self._device)
        networks.load(network, arrays)
        return network.eval()

    def write(self, model: nn.Module, directory: Path) -> None:
        """Files that transformers loads."""
        model_files.write(model, self._encoder, self._decoder, directory)

    @cached_property
    def _device(self) -> torch.device:
        return devices.resolve(self.context.device)

    @property
    def _builtin(self) -> builtin.Small:
        return builtin.Small(self.config.small, self.corpus, self.context)

    @cached_property
    def _encoder(self) -> Encoder:
        if self.config.network == builtin.NAME:
            return self._builtin.encoder()
        return self._read.encoder

    @cached_property
    def _read(self) -> Language:
        return networks.resolve(self.config.network, self.context.data)

    @cached_property
    def _limit(self) -> int | None:
        if self.config.network == builtin.NAME:
            return builtin.CONTEXT
        return context(self._read.network)

    def _language(self, work: Work) -> Language:
        """The network's initial weights, read or pre-trained once and kept in memory."""
        if self.config.network != builtin.NAME:
            return self._read
        if "_small" not in self.__dict__:
            object.__setattr__(self, "_small", self._builtin.language(self._encoder, work))
        language: Language = self.__dict__["_small"]
        return language

    @cached_property
    def _recipe(self) -> Recipe:
        """As published for the network, with what the preset sets."""
        return chosen(self.config)

    @cached_property
    def _decoder(self) -> Decoder:
        config = self.config
        return Decoder(
            kind=config.decoder,
            new_tokens=config.new_tokens,
            top_p=config.top_p,
            beams=config.beams,
            released_length=config.compat == "released",
            batch_tokens=config.generation_tokens,
        )
