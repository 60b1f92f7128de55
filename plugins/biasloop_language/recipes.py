"""How language models are fine-tuned and how they write; no torch, so that settings can be checked without it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from biasloop.errors import InvalidInput

if TYPE_CHECKING:
    from biasloop_language.config import Config

Kind = Literal["greedy", "nucleus", "beam"]
KINDS: tuple[Kind, ...] = ("nucleus", "beam", "greedy")


@dataclass(frozen=True)
class Recipe:
    """Training by AdamW (Loshchilov & Hutter 2019) with a learning rate that falls linearly to 0.

    Attributes:
        epochs: passes over the rows.
        batch_size: rows of a micro-batch, that is of one forward and backward pass.
        accumulation: micro-batches of an update.
        learning_rate: of the first update, or where the line begins that the warm-up rises to.
        weight_decay: of every parameter, decoupled.
        released: updates and optimiser as in the published code (`compat.ReleasedUpdates`).
        warm_up: share of the updates, 0 .. 1, in which the learning rate rises from 0 to that line.
        by_length: whether a micro-batch holds rows of like length, which saves padding; else any rows.
    """

    epochs: int = 1
    batch_size: int = 16
    accumulation: int = 1
    learning_rate: float = 5e-5
    weight_decay: float = 0.0
    released: bool = False
    warm_up: float = 0.0
    by_length: bool = False

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulation"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} of a fine-tuning recipe is {getattr(self, name)}; set 1 or more")

    def batches(self, rows: int) -> int:
        """Micro-batches of an epoch; the last may be smaller."""
        return math.ceil(rows / self.batch_size)

    def planned(self, rows: int) -> int:
        """Updates over which the learning rate falls to 0."""
        return self.epochs * math.ceil(self.batches(rows) / self.accumulation)

    def rate(self, update: int, planned: int) -> float:
        """Learning rate of an update, counted from 0 over all epochs; 0 after those that were planned."""
        risen = min(1.0, (update + 1) / (self.warm_up * planned)) if self.warm_up else 1.0
        return self.learning_rate * risen * max(0.0, 1 - update / planned)


PUBLISHED: Mapping[str, Recipe] = MappingProxyType({
    "gpt2": Recipe(batch_size=16, accumulation=1, learning_rate=5e-5),
    "gpt2-medium": Recipe(batch_size=8, accumulation=2, learning_rate=1e-5),
    "gpt2-large": Recipe(batch_size=4, accumulation=4, learning_rate=1e-5),
})  # fmt: skip
"""By the name of the network (Taori & Hashimoto 2022, released code)."""


def chosen(config: Config) -> Recipe:
    """The published recipe of the network, with what the settings say."""
    names = ("batch_size", "accumulation", "learning_rate")
    changes = {name: getattr(config, name) for name in names if getattr(config, name) is not None}
    base = PUBLISHED.get(config.network, Recipe())
    return replace(base, epochs=config.epochs, released=config.compat == "released", **changes)


def evaluation_rows(recipe: Recipe) -> int:
    """Rows of a batch when losses are measured, as published; the released perplexity depends on it."""
    return 5 * recipe.batch_size


def generation_rows(recipe: Recipe) -> int:
    """Sequences of a batch when writing, as published; with beams, each beam is one."""
    return 25 * recipe.batch_size


@dataclass(frozen=True)
class Decoder:
    """How continuations are written.

    Attributes:
        kind: "nucleus" draws each token from the smallest set of tokens whose probability reaches `top_p` (Holtzman
            et al. 2020); "beam" searches for a likely continuation; "greedy" takes the likeliest token.
        new_tokens: tokens of a continuation at most.
        top_p: of "nucleus", above 0 up to 1; 1 draws from all tokens.
        beams: of "beam", how many continuations of a prompt are followed.
        length_penalty: of "beam", the power of the length that a continuation's log-probability is divided by.
        released_length: of "beam", lengths as in the published code, prompt counted (`compat.ReleasedScoring`).
        batch_tokens: tokens of a batch at most, padding, new ones and all beams included: what memory allows.
        batch_rows: sequences of a batch at most; each beam is one.
    """

    kind: Kind = "nucleus"
    new_tokens: int = 20
    top_p: float = 0.9
    beams: int = 10
    length_penalty: float = 1.0
    released_length: bool = False
    batch_tokens: int = 16_384
    batch_rows: int = 400

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidInput(f"no decoder is called {self.kind!r}; use {', '.join(KINDS)}")
        if not 0 < self.top_p <= 1:
            raise InvalidInput(f"top_p of the decoder is {self.top_p}; set a share above 0, up to 1")
        for name in ("new_tokens", "beams", "batch_tokens", "batch_rows"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} of the decoder is {getattr(self, name)}; set 1 or more")

    @property
    def width(self) -> int:
        """Sequences that are followed for each prompt."""
        return self.beams if self.kind == "beam" else 1
