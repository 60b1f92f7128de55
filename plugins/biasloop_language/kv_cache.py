"""A batch of token sequences in a network, continued by a token at a time; what was computed is kept."""

import inspect
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from biasloop.contract.data import Column
from biasloop.datasets.tokens import left_padded


def context(model: nn.Module) -> int | None:
    """Tokens that a network can hold at once, or None where its settings name no limit."""
    config: Any = model.config
    return getattr(config, "max_position_embeddings", None)


class Reserved(DynamicLayer):  # type: ignore[no-untyped-call]
    """Keys and values of a layer in memory set aside at the start; joining them anew at each step costs much more.

    Args:
        room: tokens that there is memory for.
    """

    def __init__(self, room: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.room = room
        self.buffers: list[Tensor] = []

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Adds tokens at the end; all keys and values so far, `(n, heads, tokens, width)`."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.buffers = [
                new.new_empty(*new.shape[:2], self.room, new.shape[3]) for new in (key_states, value_states)
            ]
        begin = self.get_seq_length()
        end = begin + key_states.shape[2]
        for buffer, new in zip(self.buffers, (key_states, value_states), strict=True):
            buffer[:, :, begin:end] = new
        self.keys, self.values = (buffer[:, :, :end] for buffer in self.buffers)
        return self.keys, self.values

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Each row so many times, one after another."""
        seen = self.get_seq_length()
        self.buffers = [buffer.repeat_interleave(repeats, 0) for buffer in self.buffers]
        self.keys, self.values = (buffer[:, :, :seen] for buffer in self.buffers)

    def exchange(self, rows: Tensor, begin: int) -> None:
        """Row i becomes what rows[i] was, from a token on."""
        for buffer in (buffer[:, :, : self.get_seq_length()] for buffer in self.buffers):
            buffer[:, :, begin:] = buffer[:, :, begin:].index_select(0, rows)


class Sequences:
    """Sequences of one batch, padded on the left, with the keys and values of all their tokens.

    Args:
        model: a causal language model, in evaluation mode.
        prompts: `(n,)` ragged token ids, at least one a row.
        new_tokens: how many will follow at most.
        pad: token id to pad with; it is masked, so any will do.
    """

    def __init__(self, model: nn.Module, prompts: Column, new_tokens: int, pad: int) -> None:
        ids, real = left_padded(prompts, pad)
        device = next(model.parameters()).device
        self.model = model
        self.ids = torch.from_numpy(ids).to(device)
        self.prompt = ids.shape[1]
        self.length = 0
        mask = torch.from_numpy(real).to(device, torch.int64)
        self.mask = torch.cat([mask, mask.new_ones(len(mask), new_tokens)], 1)
        config: Any = model.config
        self.cache = DynamicCache(config=config)
        room = self.prompt + new_tokens
        layers = [Reserved(room) if type(layer) is DynamicLayer else layer for layer in self.cache.layers]
        self.cache.layers = layers
        self.accepts = inspect.signature(model.forward).parameters

    def start(self) -> Tensor:
        """`(n, vocabulary)` float32 logits of the first new token."""
        return self._forward(self.ids)

    def feed(self, tokens: Tensor) -> Tensor:
        """`(n, vocabulary)` float32 logits of the token after the given ones, `(n,)` int64."""
        return self._forward(tokens[:, None])

    def repeat(self, times: int) -> None:
        """Each sequence so many times, one after another."""
        self.mask = self.mask.repeat_interleave(times, 0)
        self.cache.batch_repeat_interleave(times)

    def reorder(self, rows: Tensor) -> None:
        """Sequence i becomes what sequence rows[i] was; only among sequences of the same prompt."""
        for layer in self.cache.layers:
            if isinstance(layer, Reserved):
                layer.exchange(rows, self.prompt)  # what comes before is the same in both
            else:
                layer.reorder_cache(cast(torch.LongTensor, rows))

    def _forward(self, ids: Tensor) -> Tensor:
        seen = self.length + ids.shape[1]
        mask = self.mask[:, :seen]
        arguments: dict[str, Any] = {}
        if "position_ids" in self.accepts:
            arguments["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)[:, self.length :]
        if "logits_to_keep" in self.accepts:
            arguments["logits_to_keep"] = 1
        # Later releases of transformers warn of the old name.
        arguments["cache" if "cache" in self.accepts else "past_key_values"] = self.cache
        output = self.model(input_ids=ids, attention_mask=mask, use_cache=True, return_dict=True, **arguments)
        self.length = seen
        logits: Tensor = output.logits[:, -1].float()
        return logits
