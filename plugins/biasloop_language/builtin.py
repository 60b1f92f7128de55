"""The network "small": GPT-2's shape at about a million parameters, with a vocabulary and weights of its own.

Both are learnt once from sentences that the loop never sees, kept with the prepared data, and shared by all runs.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from biasloop.contract.context import Context, Work
from biasloop.contract.data import Array, Arrays, Column, Frame
from biasloop.contract.randomness import Streams
from biasloop.training.device import seeded
from biasloop.training.recipe import Recipe
from biasloop_language import encoder as vocabulary
from biasloop_language import finetuning, networks
from biasloop_language.checkpoints import BUILT_IN, BUILT_IN_CONTEXT
from biasloop_language.config import Pretraining
from biasloop_language.corpora import Source
from biasloop_language.encoder import Encoder
from biasloop_language.networks import Language
from biasloop_language.pairs import Pairs
from biasloop_language.prepared import prepared
from biasloop_language.recipes import FINE_TUNING

NAME = BUILT_IN
CONTEXT = BUILT_IN_CONTEXT
_MADE = 2  # counts up when the same settings make other weights, so that kept ones are made anew
_WARM_UP = 0.1  # without it, weights at a learning rate that learns fast enough run away in the first updates
_STREAMS = Streams(("language", "small"))  # the same for every run: it stands for a network that exists already


@dataclass(frozen=True)
class Small:
    """How to make it, or where it was made.

    Attributes:
        settings: size and training.
        corpus: whose other half it learns from.
        context: whose data directory keeps it.
    """

    settings: Pretraining
    corpus: Source
    context: Context

    def encoder(self) -> Encoder:
        """Its byte-pair vocabulary."""
        pairs = self.corpus.pretraining()

        def build() -> Frame:
            return Frame({"json": Column(vocabulary.train(pairs.texts(), self.settings.vocabulary).save())})

        name = f"small-vocabulary-{self.settings.vocabulary}-{pairs.fingerprint[:16]}"
        return Encoder.load(prepared(self.context, name, build)["json"])

    def language(self, encoder: Encoder, work: Work) -> Language:
        """Its pre-trained weights; told and timed where they have to be made."""
        pairs, network = self.corpus.pretraining(), self._network(encoder)

        def build() -> Frame:
            work.note(f"pre-training the built-in network on {len(pairs):,} sentences; this is done once")
            made = self._pretrained(pairs, encoder, work.at("pretrain"))
            return Frame({"weights": Column(_packed(networks.save(made)))})

        stored = prepared(self.context, f"small-weights-{self._identity(pairs, encoder)}", build)
        networks.load(network, _unpacked(stored["weights"], networks.save(network)))
        return Language(network.eval(), encoder)

    def _network(self, encoder: Encoder) -> Any:
        settings = self.settings
        with seeded(_STREAMS.at("init"), torch.device("cpu")):
            return networks.small(
                encoder.size, layers=settings.layers, width=settings.width, context=CONTEXT, eos=encoder.eos
            )

    def _pretrained(self, pairs: Pairs, encoder: Encoder, work: Work) -> Any:
        named, tokens = _Fixed(work), encoder.encode(pairs.texts())
        return finetuning.pretrain(self._network(encoder), tokens, encoder.eos, self._recipe, named)

    @property
    def _recipe(self) -> Recipe:
        settings = self.settings
        return replace(
            FINE_TUNING, epochs=settings.epochs, batch_size=settings.batch_size, learning_rate=settings.learning_rate,
            warm_up=_WARM_UP, by_length=True,
        )  # fmt: skip

    def _identity(self, pairs: Pairs, encoder: Encoder) -> str:
        """16 hexadecimal digits of all that the weights were made from."""
        recipe = self._recipe
        # Spelt out, and as it was first, so that weights made before are found again.
        text = (
            f"Recipe(epochs={recipe.epochs}, batch_size={recipe.batch_size}, accumulation=1, "
            f"learning_rate={recipe.learning_rate}, weight_decay=0.0, released=False, warm_up={recipe.warm_up}, "
            "by_length=True)"
        )
        how = f"{_MADE}{text}{self.settings.model_dump_json()}{pairs.fingerprint}"
        made_from = how.encode() + encoder.save().tobytes()
        return hashlib.blake2b(made_from, digest_size=8).hexdigest()


class _Fixed(Work):
    """A call whose streams belong to the network, not to the run, and whose progress is the run's."""

    def __init__(self, outer: Work) -> None:
        super().__init__(_STREAMS.at("pretrain"))
        self._outer = outer

    def tick(
        self, done: int, total: int, state: Callable[[], Arrays] | None = None, epoch: tuple[int, Any] | None = None
    ) -> None:
        """Progress and checkpoints; its epochs are nobody's business."""
        self._outer.tick(done, total, state)

    def resume(self) -> Arrays | None:
        """The last checkpoint."""
        return self._outer.resume()


def _packed(arrays: dict[str, Array]) -> Array:
    """All parameters, by sorted names, one after another."""
    return np.concatenate([arrays[name].ravel().astype(np.float32) for name in sorted(arrays)])


def _unpacked(values: Array, like: dict[str, Array]) -> dict[str, Array]:
    """The opposite, with names and shapes of a network of the same size."""
    arrays, offset = {}, 0
    for name in sorted(like):
        arrays[name] = values[offset : offset + like[name].size].reshape(like[name].shape).astype(like[name].dtype)
        offset += like[name].size
    return arrays
