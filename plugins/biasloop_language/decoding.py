"""Continuations of prompts by a causal language model: greedy, nucleus or beam."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from biasloop.contract.data import Column, Ints
from biasloop.contract.randomness import Streams
from biasloop.datasets.tokens import last, lengths, ragged
from biasloop.errors import InvalidInput
from biasloop_language.beams import search
from biasloop_language.compat import ReleasedScoring
from biasloop_language.kv_cache import Sequences, context
from biasloop_language.recipes import Decoder
from biasloop_language.sampling import nucleus
from biasloop_language.scoring import Scoring

__all__ = ["Decoder", "batches", "generate"]


def generate(
    model: nn.Module,
    prompts: Column,
    decoder: Decoder,
    streams: Streams,
    ids: Ints,
    eos: int,
    tick: Callable[[int, int], None],
) -> Column:
    """New tokens after each prompt.

    A drawn token depends on (stream, id, step) and on the prompt, never on the batch. An empty prompt is
    continued as if it were the end-of-text token; of a prompt longer than the network's context less the new
    tokens, the last tokens count.

    Args:
        model: a causal language model of transformers; its mode is as before afterwards.
        prompts: `(n,)` ragged token ids.
        decoder: how.
        streams: randomness of the draws.
        ids: `(n,)` int64, of the prompts; those of equal ids and equal prompts are continued alike.
        eos: id of the end-of-text token, with which prompts are also padded (and masked).
        tick: told (prompts done, prompts in all) after each batch.

    Returns:
        `(n,)` ragged int32 new token ids, in the order of the prompts, without end-of-text; rows may be empty.

    Raises:
        InvalidInput: if the network's context is too small for the new tokens, or there are too many beams.
    """
    prompts = _within(prompts, context(model), decoder.new_tokens, eos)
    written: list[Ints] = [np.zeros(0, np.int64)] * len(prompts)
    training, done = model.training, 0
    model.eval()
    try:
        with torch.inference_mode():
            for rows in batches(lengths(prompts), decoder):
                tokens = _batch(model, prompts.take(rows), decoder, streams, ids[rows], eos)
                for row, new in zip(rows.tolist(), tokens.cpu().numpy(), strict=True):
                    written[row] = new[new != eos]
                done += len(rows)
                tick(done, len(prompts))
    finally:
        model.train(training)
    return ragged(written)


def batches(sizes: Ints, decoder: Decoder) -> list[Ints]:
    """Rows of each batch: prompts of like length together, the longest first.

    Args:
        sizes: `(n,)` int64 tokens of each prompt.
        decoder: how large a batch may be; one prompt is always possible.
    """
    order, groups = np.argsort(-sizes, kind="stable"), []
    while len(order):
        tokens = (int(sizes[order[0]]) + decoder.new_tokens) * decoder.width
        count = max(1, min(decoder.batch_rows // decoder.width, decoder.batch_tokens // tokens))
        groups.append(order[:count])
        order = order[count:]
    return groups


def _within(prompts: Column, limit: int | None, new_tokens: int, eos: int) -> Column:
    """Prompts of at least one token that leave room for the new ones."""
    if limit is not None:
        if new_tokens >= limit:
            raise InvalidInput(
                f"{new_tokens} new tokens leave no room for a prompt: the network holds {limit} tokens; "
                f"set new_tokens below {limit}"
            )
        prompts = last(prompts, limit - new_tokens)
    if lengths(prompts).all():
        return prompts
    filled = [prompts.take(np.array([row])).values if size else [eos] for row, size in enumerate(lengths(prompts))]
    return ragged(filled)


def _batch(model: nn.Module, prompts: Column, decoder: Decoder, streams: Streams, ids: Ints, eos: int) -> Tensor:
    """`(n, new_tokens)` int64, end-of-text from the end on."""
    sequences = Sequences(model, prompts, decoder.new_tokens, eos)
    if decoder.kind == "beam":
        scored = ReleasedScoring if decoder.released_length else Scoring
        counts = torch.from_numpy(lengths(prompts)).to(sequences.ids.device)
        return search(sequences, decoder.new_tokens, decoder.beams, eos, scored(decoder.length_penalty, counts))
    if decoder.kind == "greedy":
        return _extend(sequences, decoder.new_tokens, eos, lambda step, logits: logits.argmax(1))

    def draw(step: int, logits: Tensor) -> Tensor:
        def uniform(attempt: int, rows: Tensor) -> Tensor:
            drawn = streams.at("token", step, attempt).uniform(ids[rows.cpu().numpy()])
            return torch.from_numpy(drawn[:, 0]).to(logits.device)

        return nucleus(logits, decoder.top_p, uniform)

    return _extend(sequences, decoder.new_tokens, eos, draw)


def _extend(sequences: Sequences, new_tokens: int, eos: int, choose: Callable[[int, Tensor], Tensor]) -> Tensor:
    """One token at a time, chosen from the logits of a step, until all sequences have ended."""
    logits = sequences.start()  # (n, vocabulary)
    tokens = torch.full((len(logits), new_tokens), eos, device=logits.device)  # (n, new_tokens)
    ended = torch.zeros(len(logits), dtype=torch.bool, device=logits.device)  # (n,)
    for step in range(new_tokens):
        chosen = choose(step, logits).masked_fill(ended, eos)
        tokens[:, step] = chosen
        ended |= chosen == eos
        if step + 1 == new_tokens or ended.all():
            break
        logits = sequences.feed(chosen)
    return tokens
