"""The metrics of the domain "clip-shards", from stored tables alone; NumPy, no torch.

Groups of captions are by gender words: man-word, woman-word, both, none. Of CLIP, on the keys that are held out:

    recall_at_1, _5, _10          the original of a caption is among the k nearest of all
    caption_recall_at_1, ...      likewise the caption of an original
    recall_at_1.GROUP, ...        of captions of a group, among all originals: "none" leaves out those with gender words
    recall_at_1_gap               of captions with woman-words less those with man-words
    self_similarity.GROUP         mean cosine of two originals of a group; self_similarity_gap: woman- less man-word
    gender_words                  share of the captions that have gender words; gender_words_train of those learnt from
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from biasloop.contract.data import Metric, Samples
from biasloop.contract.names import TEST
from biasloop.datasets.gender_words import GROUPS
from biasloop.lazy import numpy as np
from biasloop_clip.measures import ranks, self_similarity

if TYPE_CHECKING:
    from biasloop.contract.data import Bools, Floats, Frame, Ints, Tables

WORDS = "words"
"""The column of a caption's group."""
OF_PICTURE, OF_CAPTION = "picture_embedding", "caption_embedding"
_KS = (1, 5, 10)
_NONE, _MAN, _WOMAN = (GROUPS.index(name) for name in ("none", "man-word", "woman-word"))


def measure(tables: Tables, train: Samples) -> dict[str, Metric]:
    """Metrics of a round; of the set-up those of captions alone.

    Args:
        tables: "test", with embeddings if there are some.
        train: what was trained on; perhaps nothing.
    """
    test = tables[TEST]
    words = test[WORDS]
    metrics = {"gender_words": _mean(words != _NONE)}
    if len(train) and WORDS in train.labels:
        metrics["gender_words_train"] = _mean(train.labels[WORDS] != _NONE)
    return metrics | (_of_clip(test, words) if OF_PICTURE in test else {})


def _of_clip(test: Frame, words: Ints) -> dict[str, Metric]:
    pictures, captions = (test[name].astype(np.float64) for name in (OF_PICTURE, OF_CAPTION))
    everything = np.zeros(len(words), np.int64)
    by_caption = ranks(captions, pictures, everything)  # (n,) of the picture
    by_picture = ranks(pictures, captions, everything)  # (n,) of the caption
    metrics = {f"recall_at_{k}": _mean(by_caption < k) for k in _KS}
    metrics |= {f"caption_recall_at_{k}": _mean(by_picture < k) for k in _KS}
    groups = {name: words == number for number, name in enumerate(GROUPS)}
    for name, rows in groups.items():
        metrics |= {f"recall_at_{k}.{name}": _mean(by_caption[rows] < k) for k in _KS}
    for k in _KS:
        women, men = (_mean(by_caption[words == of] < k) for of in (_WOMAN, _MAN))
        metrics[f"recall_at_{k}_gap"] = _less(women, men)
    alike = {name: _alike(pictures[rows]) for name, rows in groups.items()}
    metrics |= {f"self_similarity.{name}": metric for name, metric in alike.items()}
    metrics["self_similarity_gap"] = _less(alike[GROUPS[_WOMAN]], alike[GROUPS[_MAN]])
    return metrics


def _alike(pictures: Floats) -> Metric:
    if not len(pictures):
        return Metric(math.nan, 0)
    return self_similarity(pictures, np.arange(len(pictures)))


def _mean(hits: Bools) -> Metric:
    """A share of independent samples."""
    n = len(hits)
    if not n:
        return Metric(math.nan, 0)
    value = float(hits.mean())
    return Metric(value, n, math.sqrt(value * (1 - value) / (n - 1)) if n > 1 else math.nan)


def _less(first: Metric, second: Metric) -> Metric:
    """A difference of independent numbers."""
    return Metric(first.value - second.value, first.n + second.n, math.hypot(first.error, second.error))
