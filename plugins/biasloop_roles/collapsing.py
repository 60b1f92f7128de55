"""One frame of several: of each role what most annotators say, else what one of them says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biasloop.lazy import numpy as np
from biasloop_roles.annotations import blank
from biasloop_roles.situations import EMPTY, PADDING

if TYPE_CHECKING:
    from biasloop.contract.data import Bools, Ints
    from biasloop.contract.randomness import Streams
    from biasloop_roles.situations import Vocabulary


def collapsed(frames: Ints, vocabulary: Vocabulary, ids: Ints, streams: Streams) -> Ints:
    """Of each role the noun that occurs most often in the frames of an image (Taori & Hashimoto 2022, code).

    Blank nouns ("" and white space) do not count. The most frequent noun is taken if it occurs twice or more, of two
    equally frequent ones the first; if all occur once, a uniformly random one of them. A draw is a function of
    (stream, id, role), whichever other images are collapsed. A role that is blank in all frames is "", or, where no
    frame has that very noun, what the first frame has.

    Args:
        frames: `(n, frames, roles)` noun ids, `PADDING` where a verb has no further role.
        vocabulary: of the nouns.
        ids: `(n,)` of the images.
        streams: of the draws.

    Returns:
        `(n, roles)` noun ids, `PADDING` where frames have it.
    """
    if not frames.size:
        return np.zeros((len(ids), frames.shape[2]), np.int64)
    real = frames != PADDING
    said = real & ~blank(vocabulary)[frames]  # (n, frames, roles); padding is masked, whatever it indexes
    alike = (frames[:, :, None] == frames[:, None]) & said[:, None]  # (n, frames, frames, roles)
    counts = np.where(said, alike.sum(2), 0)  # (n, frames, roles) how often each noun occurs
    answers = said.sum(1)  # (n, roles)
    drawn = np.floor(streams.uniform(ids, frames.shape[2]) * answers)  # (n, roles) below answers, or 0
    random = said & (said.cumsum(1) == drawn[:, None] + 1)
    empty = _empty(frames, vocabulary)
    chosen = np.where(counts.max(1) > 1, counts.argmax(1), random.argmax(1))  # (n, roles) a frame
    chosen = np.where(answers > 0, chosen, empty.argmax(1))  # that of the first "", if there is one
    taken: Ints = np.take_along_axis(frames, chosen[:, None], 1)[:, 0]
    return taken


def _empty(frames: Ints, vocabulary: Vocabulary) -> Bools:
    number = vocabulary.nouns.index(EMPTY) if EMPTY in vocabulary.nouns else PADDING - 1
    same: Bools = frames == number
    return same
