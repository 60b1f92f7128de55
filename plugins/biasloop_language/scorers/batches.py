"""Batches of texts of similar length, so that little is padded."""

from collections.abc import Iterator, Sequence

import numpy as np

from biasloop.contract.data import Ints


def by_length(lengths: Sequence[int], size: int) -> Iterator[Ints]:
    """Positions of all texts, `size` at a time, the longest first (what does not fit in memory shows at once).

    Args:
        lengths: of each text.
        size: texts a batch.
    """
    order = np.argsort(-np.asarray(lengths, np.int64), kind="stable")
    for start in range(0, len(order), size):
        yield order[start : start + size]
