"""How CLIP, the generator and the reader are trained, from the settings; no torch."""

import math

from biasloop.training.recipe import Recipe
from biasloop_clip.config import Config
from biasloop_clip.shards_config import Config as ShardsConfig

_READER_BATCH, _READER_RATE = 128, 3e-3


def of_clip(config: Config) -> Recipe:
    """AdamW with a warm-up and half a cosine; biases, gains and the logit scale do not decay."""
    return Recipe(
        epochs=config.epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        optimizer="adamw",
        beta1=config.beta1,
        beta2=config.beta2,
        epsilon=config.epsilon,
        weight_decay=config.weight_decay,
        decay_vectors=False,
        schedule="cosine",
        warm_up=config.warm_up,
        drop_last=True,
    )


def of_maker(config: Config) -> Recipe:
    """AdamW without decay."""
    maker = config.maker
    return Recipe(
        epochs=maker.epochs,
        batch_size=maker.batch_size,
        learning_rate=maker.learning_rate,
        optimizer="adamw",
        schedule="cosine",
        warm_up=0.05,
        drop_last=True,
    )


def of_reader(config: Config) -> Recipe:
    """AdamW."""
    return Recipe(
        epochs=config.measures.reader_epochs,
        batch_size=_READER_BATCH,
        learning_rate=_READER_RATE,
        optimizer="adamw",
        weight_decay=0.05,
        schedule="cosine",
        warm_up=0.1,
    )


def of_shards(config: ShardsConfig, samples: int, *, is_vision_transformer: bool) -> Recipe:
    """As open_clip trains CLIP; betas and epsilon by architecture unless they are set."""
    epoch_steps = None if config.epoch_samples is None else math.ceil(config.epoch_samples / config.batch_size)
    steps = epoch_steps or max(1, samples // config.batch_size)
    beta2, epsilon = (0.98, 1e-6) if is_vision_transformer else (0.999, 1e-8)
    return Recipe(
        epochs=config.epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        optimizer="adamw",
        beta1=config.beta1,
        beta2=beta2 if config.beta2 is None else config.beta2,
        epsilon=epsilon if config.epsilon is None else config.epsilon,
        weight_decay=config.weight_decay,
        decay_vectors=False,
        schedule="late-cosine",
        warm_up=config.warm_up / (config.epochs * steps),
        drop_last=True,
        epoch_steps=epoch_steps,
    )
