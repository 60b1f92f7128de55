"""How language models are fine-tuned and how they write; no torch, so that settings can be checked without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from biasloop.errors import InvalidInput
from biasloop.training.recipe import Recipe

if TYPE_CHECKING:
    from biasloop_language.config import Config

Kind = Literal["greedy", "nucleus", "beam"]
KINDS: tuple[Kind, ...] = ("nucleus", "beam", "greedy")

FINE_TUNING = Recipe(batch_size=16, learning_rate=5e-5, optimizer="adamw", schedule="linear")
"""AdamW (Loshchilov & Hutter 2019) with a learning rate that falls linearly to 0; no weight decay."""
PUBLISHED: Mapping[str, Recipe] = MappingProxyType({
    "gpt2": FINE_TUNING,
    "gpt2-medium": replace(FINE_TUNING, batch_size=8, accumulation=2, learning_rate=1e-5),
    "gpt2-large": replace(FINE_TUNING, batch_size=4, accumulation=4, learning_rate=1e-5),
})  # fmt: skip
"""By the name of the network (Taori & Hashimoto 2022, released code)."""


def chosen(config: Config) -> Recipe:
    """The published recipe of the network, with what the settings say."""
    names = ("batch_size", "accumulation", "learning_rate")
    changes = {name: getattr(config, name) for name in names if getattr(config, name) is not None}
    return replace(PUBLISHED.get(config.network, FINE_TUNING), epochs=config.epochs, **changes)


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
