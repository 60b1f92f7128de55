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
from biasloop.metrics import retrieval
from biasloop.metrics.similarity import by_group

if TYPE_CHECKING:
    from biasloop.contract.data import Frame, Ints, Tables

WORDS = "words"
"""The column of a caption's group."""
OF_PICTURE, OF_CAPTION = "picture_embedding", "caption_embedding"
_KS = (1, 5, 10)
_NONE, _MAN, _WOMAN = (GROUPS.index(name) for name in ("none", "man-word", "woman-word"))


def measure(tables: Tables, train: Samples | None) -> dict[str, Metric]:
    """Metrics of a round; of the set-up those of captions alone.

    Args:
        tables: "test", with embeddings if there are some.
        train: what was trained on; perhaps nothing, or None where nothing is ever trained.
    """
    test = tables[TEST]
    words = test[WORDS]
    metrics = {"gender_words": retrieval.mean((words != _NONE).astype(np.float64))}
    if train is not None and len(train) and WORDS in train.labels:
        learnt = train.labels[WORDS] != _NONE
        metrics["gender_words_train"] = retrieval.mean(learnt.astype(np.float64))
    return metrics | (_of_clip(test, words) if OF_PICTURE in test else {})


def _of_clip(test: Frame, words: Ints) -> dict[str, Metric]:
    pictures, captions = test[OF_PICTURE], test[OF_CAPTION]
    of_pictures, of_captions = retrieval.ranks(captions, pictures), retrieval.ranks(pictures, captions)  # (n,)
    groups = {name: words == number for number, name in enumerate(GROUPS)}
    women, men = groups[GROUPS[_WOMAN]], groups[GROUPS[_MAN]]
    metrics = {f"recall_at_{k}": retrieval.recall(of_pictures, k) for k in _KS}
    metrics |= {f"caption_recall_at_{k}": retrieval.recall(of_captions, k) for k in _KS}
    for k in _KS:
        metrics |= {f"recall_at_{k}.{name}": retrieval.recall(of_pictures, k, rows) for name, rows in groups.items()}
        metrics[f"recall_at_{k}_gap"] = retrieval.gap((of_pictures < k).astype(np.float64), women, men)
    alike = dict(zip(GROUPS, by_group(pictures, words, np.eye(len(GROUPS), dtype=np.bool_)), strict=True))
    metrics |= {f"self_similarity.{name}": metric for name, metric in alike.items()}
    first, second = alike[GROUPS[_WOMAN]], alike[GROUPS[_MAN]]
    error = math.hypot(first.error, second.error)
    metrics["self_similarity_gap"] = Metric(first.value - second.value, first.n + second.n, error)
    return metrics
