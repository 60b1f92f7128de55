"""How a network is trained, from the settings; durations and steps of the published studies."""

from typing import Literal

from biasloop.training.recipe import Recipe
from biasloop_images import compat
from biasloop_images.config import Config

Duration = Literal["by-size", "by-size-doubled"]
# Taori & Hashimoto 2022, released code: samples, epochs before the factor 2.5.
_BY_SIZE = ((20_000, 25), (50_000, 20), (100_000, 15), (1_000_000, 10))
# Hall et al. 2022, released code (epochs 0, 1, 250 and 375 of 500): until this share of the run, share of the rate.
_STEPS = ((1 / 500, 0.1), (1 / 2, 1.0), (3 / 4, 0.1), (1.0, 0.01))


def recipe(config: Config, samples: int) -> Recipe:
    """The recipe of one fit.

    Args:
        config: the domain's settings.
        samples: of the set trained on, which the number of epochs may depend on.
    """
    released = config.compat == "released"
    return Recipe(
        epochs=epochs_of(config.epochs, samples, config.epochs_for),
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        optimizer=config.optimizer or "sgd",
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=compat.released_weight_decay(config) if released else config.weight_decay,
        decay_norms=config.decay_norms,
        unrounded=unrounded_epochs(config.epochs, samples, config.epochs_for),
        schedule=config.schedule,
        changes=_STEPS if config.schedule == "steps" else (),
        warm_up=config.warm_up,
        whole_epochs=config.warm_up_whole_epochs,
        drop_last=config.drop_last,
        summed=config.precision == "released" and config.network in compat.SUMMED,
    )


def epochs_of(duration: int | Duration, samples: int, full: int | None = None) -> int:
    """`unrounded_epochs`, to the nearest whole number, at least 1."""
    return max(1, round(unrounded_epochs(duration, samples, full)))


def unrounded_epochs(duration: int | Duration, samples: int, full: int | None = None) -> float:
    """Epochs of a training set of that many samples.

    Args:
        duration: a number of epochs; or "by-size", floor(2.5 e) with e falling linearly from 25 at 20,000
            samples to 20 at 50,000, 15 at 100,000 and 10 at a million, constant outside (Taori & Hashimoto 2022,
            released code: 62 epochs at 20,000); or "by-size-doubled", twice as many.
        samples: >= 0.
        full: samples that a number of epochs is meant for: of fewer, or more, as many epochs are taken as make the
            number of samples seen the same (Hall et al. 2022, released code).
    """
    if isinstance(duration, int):
        return duration if full is None else duration * full / samples
    return _by_size(samples) * (2 if duration == "by-size-doubled" else 1)


def _by_size(samples: int) -> int:
    """In whole numbers, since a rounded 2.5 e could fall below the integer that it is."""
    (left, high), *rest = _BY_SIZE
    if samples <= left:
        return 5 * high // 2
    for right, low in rest:
        if samples <= right:
            return 5 * (high * (right - left) - (high - low) * (samples - left)) // (2 * (right - left))
        left, high = right, low
    return 5 * high // 2
