"""How a network is trained, from the settings."""

from biasloop.training.schedule import Recipe, epochs_of, unrounded_epochs
from biasloop_images import compat
from biasloop_images.config import Config


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
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=compat.released_weight_decay(config) if released else config.weight_decay,
        decay_norms=config.decay_norms,
        unrounded=unrounded_epochs(config.epochs, samples, config.epochs_for),
        schedule=config.schedule,
        warm_up=config.warm_up,
        whole_epochs=config.warm_up_whole_epochs,
        drop_last=config.drop_last,
        summed=config.precision == "released" and config.network in compat.SUMMED,
    )
