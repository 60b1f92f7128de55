"""How a classifier of texts is trained, from the settings; no torch."""

from biasloop.training.recipe import Recipe
from biasloop_textclass.config import Config


def recipe(config: Config) -> Recipe:
    """The recipe of one fit: AdamW."""
    return Recipe(
        epochs=config.epochs,
        batch_size=config.batch_size,
        learning_rate=config.rate,
        optimizer="adamw",
        weight_decay=config.weight_decay,
        schedule=config.schedule,
        warm_up=config.warm_up,
    )
