"""Test set, holdout and pool of the texts that are used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biasloop.contract.data import Ints, Splits
from biasloop.datasets import imbalance, splitting
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop_textclass import published

if TYPE_CHECKING:
    from biasloop.contract.randomness import Streams
    from biasloop_textclass.config import Config
    from biasloop_textclass.texts import LabelledTexts


def draw(config: Config, texts: LabelledTexts, chosen: int | None, streams: Streams) -> Splits:
    """Test set, holdout and pool; each with ascending ids; texts without a label are all in the pool.

    Args:
        config: sizes.
        texts: the data.
        chosen: the class that is more frequent, if there is one.
        streams: of the data; the order of ids comes from it.

    Raises:
        InvalidInput: if nothing is left to train on, or the data have no published splits.
    """
    if config.test == "published":
        return _published(config, texts)
    used = np.flatnonzero(texts.labels >= 0)
    left = ""
    if chosen is not None and config.imbalance is not None:
        left = " left once domain.imbalance has made one class more frequent"
        factor, order = config.imbalance.factor, streams.at("data", "imbalance")
        used = imbalance.resample(texts.labels, texts.classes, chosen, factor, order, sample="text")
    has = f"{config.path or config.data} has {len(used)} labelled texts{left}"
    unlabelled: Ints = np.flatnonzero(texts.labels < 0)
    order = streams.at("data", "split")
    return splitting.draw(used, order, config.test, config.holdout, unlabelled=unlabelled, has=has)


def _published(config: Config, texts: LabelledTexts) -> Splits:
    if config.data not in published.BY_NAME:
        raise InvalidInput(
            f'domain.test is "published", and {config.data} has no published splits (those that have some: '
            f"{', '.join(published.BY_NAME)}); set domain.test to a number of texts"
        )
    parts = published.parts(published.BY_NAME[config.data], texts.labels, balanced=config.balanced_holdout)
    return Splits(test=parts.test, holdout=parts.holdout, pool=parts.pool)
