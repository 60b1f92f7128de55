"""How networks of situations are trained, from the settings; no torch."""

import itertools

from biasloop.training.recipe import Recipe
from biasloop_roles.config import Config

# (images, epochs) between which epochs fall linearly, and are rounded down.
_BY_SIZE = ((20_000, 50), (35_000, 40), (50_000, 35), (75_000, 30))


def epochs_by_size(samples: int) -> int:
    """Passes over so many images, as published (Taori & Hashimoto 2022, released code).

    Example:
        >>> [epochs_by_size(n) for n in (1_000, 20_000, 25_000, 45_000, 70_000, 200_000)]
        [50, 50, 46, 36, 31, 30]
    """
    for (less, longer), (more, shorter) in itertools.pairwise(_BY_SIZE):
        if samples <= less:
            return longer
        if samples <= more:
            # In whole numbers: a floor of floating point can lose an epoch.
            return (longer * (more - less) - (longer - shorter) * (samples - less)) // (more - less)
    return _BY_SIZE[-1][1]


def recipe(config: Config, samples: int) -> Recipe:
    """The recipe of one fit on so many images."""
    return Recipe(
        epochs=epochs_by_size(samples) if config.epochs == "by-size" else config.epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        optimizer=config.optimizer,
        weight_decay=config.weight_decay,
        schedule=config.schedule,
        warm_up=config.warm_up,
    )
