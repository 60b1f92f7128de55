"""How networks are trained, from the settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from biasloop.contract.names import CLASSIFIER, GENERATOR
from biasloop.training.recipe import Kind, Recipe
from biasloop_generators import compat
from biasloop_generators.config import Config
from biasloop_generators.kinds import GENERATORS, LossName
from biasloop_generators.optimizers import Optimizer, chosen

UNCOLORED = ("celeba", "fairface")  # which are not coloured
PUBLISHED_LOSSES: dict[str, LossName] = {
    "colored-fashion": "bce-sum",
    "colored-mnist": "bce-sum",
    "colored-npz": "bce-sum",
    "colored-svhn": "squared-sum",
    "celeba": "bce-mean",
    "fairface": "bce-mean",
}


def loss_of(config: Config) -> LossName:
    """The loss of generators."""
    return PUBLISHED_LOSSES[config.data] if config.loss == "published" else config.loss


def is_summed(loss: LossName) -> bool:
    """Whether the loss of a batch is a sum over its images, not a mean."""
    return loss.endswith("-sum")


def generator_recipe(config: Config, samples: int, *, star: bool = False, passes: int = 1) -> Recipe:
    """The recipe of a generator.

    Args:
        config: the domain's settings.
        samples: real training images; an epoch has as many, whatever it is trained on.
        star: whether batches are filled by quota; then the last one of an epoch is full too.
        passes: how many times the usual epochs are taken.
    """
    steps, last = _steps(samples, config.generator_batch)
    optimizer = _optimizer(
        config, config.generator_optimizer, config.generator_learning_rate, config.generator_weight_decay
    )
    last = config.generator_batch if star else last
    return _recipe(config, passes * config.generator_epochs, config.generator_batch, (steps, last), optimizer)


def classifier_recipe(config: Config, samples: int, *, star: bool = False, passes: int = 1) -> Recipe:
    """The recipe of a classifier or annotator; see `generator_recipe`.

    As published ("loader"), an epoch has as many steps as a generator's, with batches of that size unless they are
    filled by quota: 13,088 images of ColoredSVHN with STAR and 52,327 without. With `match_samples` an epoch has
    `samples` images with STAR too: as many steps of `classifier_batch` as they need, the last with what is left, a
    random part of a batch that was filled by quota.
    """
    size = config.classifier_batch if star or not config.loader_steps else config.generator_batch
    steps, last = _steps(samples, size)
    matched = not star or config.match_samples
    if config.loader_steps and not matched:
        steps, _ = _steps(samples, config.generator_batch)
    optimizer = _optimizer(
        config, config.classifier_optimizer, config.classifier_learning_rate, config.classifier_weight_decay
    )
    last = last if matched else size
    recipe = _recipe(config, passes * config.classifier_epochs, size, (steps, last), optimizer)
    return replace(recipe, freeze_norm=config.frozen_norm)


def _recipe(config: Config, epochs: int, size: int, steps: tuple[int, int], optimizer: Optimizer) -> Recipe:
    return Recipe(
        epochs=epochs,
        batch_size=size,
        learning_rate=optimizer.learning_rate,
        optimizer=optimizer.kind,
        weight_decay=optimizer.weight_decay,
        epoch_steps=steps[0],
        last_size=steps[1],
        precision=config.precision,
    )


def _steps(samples: int, batch: int) -> tuple[int, int]:
    """Steps of an epoch, and images of its last one."""
    steps = -(-samples // batch)
    return steps, samples - (steps - 1) * batch


def _optimizer(
    config: Config, kind: Literal["published"] | Kind, learning_rate: float | None, weight_decay: float | None
) -> Optimizer:
    wanted = chosen(kind, config.data, learning_rate, weight_decay)
    return compat.released_optimizer(kind, config.data, wanted.learning_rate) if config.released else wanted


def effective(config: Config) -> dict[str, object]:
    """What settings that are left open, or "published", come to, and those that compat overrides, by name."""
    fits = {GENERATOR: generator_recipe(config, 1), CLASSIFIER: classifier_recipe(config, 1)}
    names = ("optimizer", "learning_rate", "weight_decay")
    values: dict[str, object] = {
        f"{fit}_{name}": getattr(recipe, name) for fit, recipe in fits.items() for name in names
    }
    kind = GENERATORS.get(config.generator)
    values |= {
        "loss": loss_of(config),
        "latent": None if kind is None else kind.latent,
        "freeze_norm": config.frozen_norm,
        "classifier_steps": "loader" if config.loader_steps else "own",
        "mirror_evaluation": config.mirrored_evaluation if config.data == "celeba" else None,
        "test_bias": None if config.data in UNCOLORED else config.bias_of_test,
        "coloring_seed": None if config.data in UNCOLORED else compat.coloring_seed_in_words(config),
    }
    return {name: value for name, value in values.items() if value not in (None, getattr(config, name))}
