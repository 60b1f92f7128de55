"""Beam search over a batch of prompts."""

import torch
from torch import Tensor

from biasloop.errors import InvalidInput
from biasloop_language.kv_cache import Sequences
from biasloop_language.scoring import Scoring

_NEVER = float("-inf")


def search(sequences: Sequences, new_tokens: int, beams: int, eos: int, scoring: Scoring) -> Tensor:
    """The best continuation of each prompt that a search with so many beams finds.

    The rule is that of transformers (early stopping off): at each step the 2 x beams likeliest candidates of a
    prompt are ranked; those among the first `beams` that end are kept with their score, the best `beams` that do
    not end go on; a prompt is settled when `beams` are kept and none that goes on promises more than the worst.

    Args:
        sequences: one a prompt.
        new_tokens: the most that a continuation has.
        beams: how many are followed.
        eos: id of the end-of-text token.
        scoring: compares continuations of different lengths.

    Returns:
        `(prompts, new_tokens)` int64 token ids, end-of-text from the end on.

    Raises:
        InvalidInput: if there are not more tokens than beams.
    """
    logits = sequences.start()  # (prompts, vocabulary), later (prompts x beams, vocabulary)
    prompts, vocabulary = logits.shape
    if vocabulary <= beams:
        raise InvalidInput(f"{beams} beams need a vocabulary of more than {vocabulary} tokens; set fewer beams")
    sequences.repeat(beams)
    first = torch.arange(prompts, device=logits.device)[:, None] * beams  # (prompts, 1)
    scores = logits.new_zeros(prompts, 1)  # later (prompts, beams)
    tokens = torch.full((prompts, 1, new_tokens), eos, device=logits.device)  # later (prompts, beams, new_tokens)
    finished = logits.new_full((prompts, beams), _NEVER)  # (prompts, beams) scores of the best that ended
    best = tokens[:, 0]  # (prompts, new_tokens)
    still = torch.ones(prompts, dtype=torch.bool, device=logits.device)
    for step in range(new_tokens):
        ranked, origin, token = _candidates(logits, scores, 2 * beams)  # (prompts, at most 2 x beams) each
        ends = token == eos
        stops = ends | (step + 1 == new_tokens)
        done = scoring.ended(ranked[:, :beams], ends[:, :beams], step)  # (prompts, beams)
        done = done.masked_fill(~stops[:, :beams] | ~still[:, None], _NEVER)
        top, winner = done.max(1, keepdim=True)  # (prompts, 1)
        ending = tokens.gather(1, origin.gather(1, winner)[:, :, None].expand(-1, -1, new_tokens))[:, 0]
        ending[:, step] = token.gather(1, winner)[:, 0]
        best = torch.where(top > finished[:, :1], ending, best)
        finished = torch.cat([finished, done], 1).topk(beams).values
        if step + 1 == new_tokens:
            break
        scores, going = ranked.masked_fill(ends, _NEVER).topk(beams)  # (prompts, beams)
        still = still & (scoring.hope(scores, ranked, step) > finished[:, -1])
        if not still.any():
            break
        origin, token = origin.gather(1, going), token.gather(1, going)
        tokens = tokens.gather(1, origin[:, :, None].expand(-1, -1, new_tokens))
        tokens[:, :, step] = token
        if step:
            sequences.reorder((first + origin).flatten())
        logits = sequences.feed(token.flatten())
    return best


def _candidates(logits: Tensor, scores: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The likeliest continuations of all beams of a prompt by one token.

    Args:
        logits: `(prompts x beams, vocabulary)`.
        scores: `(prompts, beams)` log-probabilities so far.
        count: how many.

    Returns:
        Of each, best first, `(prompts, count)`: log-probability, beam that it continues, token.
    """
    prompts, beams = scores.shape
    # The first `count` of all are among the first `count` of each, so most of the vocabulary is never added up.
    top = logits.topk(min(count, logits.shape[1]))
    chances = top.values - logits.logsumexp(1, keepdim=True)  # (prompts x beams, each)
    each = top.values.shape[1]
    ranked = (scores[:, :, None] + chances.view(prompts, beams, each)).flatten(1)  # (prompts, beams x each)
    ranked, index = ranked.topk(min(count, ranked.shape[1]))
    return ranked, index // each, top.indices.view(prompts, -1).gather(1, index)
