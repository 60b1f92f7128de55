"""What the published code does otherwise (Wyllie et al. 2024)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biasloop.lazy import numpy as np
from biasloop_generators.coloring import draws
from biasloop_generators.optimizers import Optimizer, published

if TYPE_CHECKING:
    from biasloop.contract.context import Context
    from biasloop.contract.data import Floats
    from biasloop_generators.config import Config

_ONE_SEED = 0
_SEEDED_BY_RUN = "colored-svhn"


def released_coloring_seed(data: str, context: Context) -> int:
    """The seed of label noise and colours.

    ColoredMNIST was built once, and that one data set served all released runs; ColoredSVHN was built for each run,
    from the run's own seed.
    """
    if data != _SEEDED_BY_RUN:
        return _ONE_SEED
    seed, *_ = context.streams.path
    return int(seed) % 2**32


def coloring_seed_in_words(config: Config) -> int | str:
    """The seed of label noise and colours where it is the same in all runs, else what it depends on."""
    if config.coloring_seed is not None or not config.released:
        return "a number of each run's own" if config.coloring_seed is None else config.coloring_seed
    return "the run's seed" if config.data == _SEEDED_BY_RUN else _ONE_SEED


def released_draws(data: str, seed: int, count: int, test: int) -> Floats:
    """`coloring.draws`; the generator of ColoredSVHN is seeded anew, with the same seed, for the test images.

    Args:
        data: name of the data set.
        seed: as `coloring.draws`.
        count: of all images.
        test: how many of them, the last, are the test set.
    """
    if data != _SEEDED_BY_RUN:
        return draws(seed, count)
    return np.concatenate([draws(seed, count - test), draws(seed, test)])


def released_optimizer(kind: str, data: str, learning_rate: float) -> Optimizer:
    """The optimiser that is built, whatever weight decay is asked for.

    Args:
        kind: "adam" or "published" give the one of the data set; all other names plain SGD.
        data: name of the data set; with "celeba", Adam ignores the learning rate.
        learning_rate: as asked for.
    """
    if kind not in {"adam", "published"}:
        return Optimizer("sgd", learning_rate, 0.0)
    usual = published(data)
    return usual if data == "celeba" else Optimizer(usual.kind, learning_rate, usual.weight_decay)
