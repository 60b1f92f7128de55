"""A fit as a message to the processes that help with it; they need no corpus, no vocabulary and no weights on disk."""

from dataclasses import asdict
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from biasloop.contract.data import Arrays, Column, Floats
from biasloop.contract.randomness import Streams
from biasloop.training.distributed import Message
from biasloop.training.recipe import Recipe
from biasloop.training.weights import prefixed, under
from biasloop_language.tokens import TokenRows

_STATE = "state"


def packed(
    model: nn.Module,
    rows: TokenRows,
    recipe: Recipe,
    streams: Streams,
    state: Arrays,
    *,
    weights: Floats | None = None,
    released: bool = False,
) -> Message:
    """All that another process needs to fit the same.

    Args:
        model: a causal language model of transformers; its settings are sent, its weights are in the state.
        rows: what to train on.
        recipe: how.
        streams: of the fit.
        state: as checkpoints hold it.
        weights: `(n,)` of the rows, or None.
        released: whether updates are those of the published code.
    """
    config: Any = model.config
    header = {
        "network": config.to_dict(),
        "recipe": asdict(recipe),
        "streams": streams.path,
        "released": released,
    }
    both = {"prompts": rows.prompts, "continuations": rows.continuations}
    arrays = {f"{name}.values": column.values for name, column in both.items()}
    offsets = {f"{name}.offsets": column.offsets for name, column in both.items() if column.offsets is not None}
    weighted = {} if weights is None else {"weights": weights}
    return Message(header, {**arrays, **offsets, **weighted, **prefixed(_STATE, state)})


def network(message: Message) -> nn.Module:
    """A network of the same shape, on the host; its weights are not yet those of the state."""
    settings = dict(message.header["network"])
    source: Any = AutoModelForCausalLM
    with torch.random.fork_rng([]):
        made: nn.Module = source.from_config(
            AutoConfig.for_model(settings.pop("model_type"), **settings), dtype=torch.float32
        )
    return made


def rows(message: Message) -> TokenRows:
    """What to train on."""
    columns = [
        Column(message.arrays[f"{name}.values"], message.arrays[f"{name}.offsets"])
        for name in ("prompts", "continuations")
    ]
    return TokenRows(*columns)


def recipe(message: Message) -> Recipe:
    """How to train."""
    settings = message.header["recipe"]
    return Recipe(**{**settings, "changes": tuple(map(tuple, settings["changes"]))})


def weights(message: Message) -> Floats | None:
    """What each row counts."""
    return message.arrays.get("weights")


def released(message: Message) -> bool:
    """Whether updates are those of the published code."""
    return bool(message.header["released"])


def streams(message: Message) -> Streams:
    """Randomness of the fit."""
    return Streams(tuple(message.header["streams"]))


def state(message: Message) -> Arrays:
    """Where to begin."""
    return under(_STATE, message.arrays)
