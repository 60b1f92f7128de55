"""What the `[domain]` table of a preset may say of "clip-shards"."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

DRAWINGS = "drawings"
FETCHED = ("cc3m", "cc3m-sd")
DATA = frozenset({"originals", "pictures", "test"})
"""Settings that samples and captions depend on; all others are of training."""


class Config(BaseModel):
    """Settings of the domain "clip-shards"."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    originals: str = Field(
        "cc3m",
        min_length=1,
        description='Shards of pictures with captions: a directory, "cc3m" of `biasloop fetch`, or "drawings", a few '
        "that come with biasloop, for trials.",
    )
    pictures: str = Field(
        "cc3m-sd",
        min_length=1,
        description="Shards of pictures that were generated for these captions: a directory (of `biasloop generate`), "
        '"cc3m-sd" of `biasloop fetch`, or "drawings".',
    )
    test: int = Field(5000, ge=2, description="Keys that are held out, whose originals and captions are for testing.")
    network: str = Field(
        "RN50",
        min_length=1,
        description='Of open_clip: a configuration by name ("RN50", "ViT-B-32", ...), "local-dir:DIR", '
        '"hf-hub:OWNER/NAME", or "tiny", for trials.',
    )
    weights: str | None = Field(
        None,
        min_length=1,
        description="Where training begins: a tag that weights of this network were published under (open_clip's, such "
        'as "openai"), or a file of them; without it they are random, or those of a directory or repository.',
    )
    epochs: int = Field(
        50, ge=0, description="Passes over the training set; with 0 the network is measured as it is, untrained."
    )
    epoch_samples: int | None = Field(
        None,
        ge=1,
        description="Samples of an epoch, where this is no pass: as published, passes follow each other until so many "
        "samples are read. Without it an epoch is a pass.",
    )
    batch_size: int = Field(1440, ge=2, description="Pairs a step, which the loss compares each with each.")
    learning_rate: float = Field(5e-4, gt=0, description="Highest learning rate; then half a cosine to 0.")
    warm_up: int = Field(10_000, ge=0, description="Steps in which the learning rate rises.")
    weight_decay: float = Field(0.2, ge=0, description="Of weights; not of biases, gains and the logit scale.")
    beta1: float = Field(0.9, ge=0, lt=1, description="Of AdamW.")
    beta2: float | None = Field(
        None, ge=0, lt=1, description="Of AdamW; without it 0.98 for a vision transformer, else 0.999, as published."
    )
    epsilon: float | None = Field(
        None, gt=0, description="Of AdamW; without it 1e-6 for a vision transformer, else 1e-8, as published."
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description='Of training: "auto" is float32 on CPUs, bfloat16 (else float16) on GPUs; losses are float32.',
    )
    evaluation_batch: int = Field(256, ge=1, description="Pictures or captions a batch when CLIP is tested.")
    readers: int = Field(4, ge=1, le=256, description="Threads that read and decode pictures; they change no number.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.originals == DRAWINGS) != (self.pictures == DRAWINGS):
            raise ValueError(f'originals = "{DRAWINGS}" goes with pictures = "{DRAWINGS}", which have the same keys')
        return self
