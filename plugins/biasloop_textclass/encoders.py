"""Which network the settings name, with its tokenizer; imports torch."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from torch import nn

from biasloop.contract.context import Context
from biasloop_textclass import encoding
from biasloop_textclass.config import BUILT_IN, Config
from biasloop_textclass.networks import SmallEncoder
from biasloop_textclass.texts import LabelledTexts


class Encoder(Protocol):
    """A kind of network."""

    @property
    def tokenizer(self) -> Any:
        """The `tokenizers.Tokenizer` whose ids it takes."""

    def build(self, heads: int = 1) -> nn.Module:
        """A network to train, whose last layer has a slice of the classes for each head.

        What is not pretrained comes from torch's global generator.
        """

    def blank(self, heads: int = 1) -> nn.Module:
        """A network of that shape, whose weights are about to be put in."""


def chosen(config: Config, texts: LabelledTexts, context: Context) -> Encoder:
    """The network that `domain.network` names."""
    if config.network == BUILT_IN:
        return BuiltIn(config, texts, context)
    from biasloop_textclass.pretrained_encoder import Pretrained  # with it transformers, which takes seconds

    return Pretrained(config.network, len(texts.classes), context.data)


@dataclass(frozen=True)
class BuiltIn:
    """The built-in encoder with a vocabulary of its own."""

    config: Config
    texts: LabelledTexts
    context: Context

    @cached_property
    def tokenizer(self) -> Any:
        """Learnt from the texts."""
        return encoding.vocabulary(self.texts, self.config.small.vocabulary, self.context)

    def build(self, heads: int = 1) -> nn.Module:
        """Random weights."""
        small = self.config.small
        return SmallEncoder(
            self.tokenizer.get_vocab_size(),
            heads * len(self.texts.classes),
            length=self.config.length,
            pairs=self.texts.seconds is not None,
            width=small.width,
            layers=small.layers,
            dropout=small.dropout,
        )

    def blank(self, heads: int = 1) -> nn.Module:
        """The same."""
        return self.build(heads)
