"""What the `[domain]` table of a preset may say."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from biasloop_roles.emoji import EmojiSettings
from biasloop_roles.gender import GenderSettings

EMOJI: Literal["emoji-roles"] = "emoji-roles"
IMSITU: Literal["imsitu"] = "imsitu"
FOLDER: Literal["folder"] = "folder"
SMALL: Literal["small"] = "small"
# Settings that neither pictures nor labels nor splits depend on; one that is not named here is taken to matter.
TRAINING = frozenset({
    "network", "width", "pretrained", "epochs", "batch_size", "optimizer", "learning_rate", "weight_decay", "schedule",
    "warm_up", "side", "prediction", "precision", "evaluation_batch", "genders", "compat",
})  # fmt: skip
_DRAWN_ALONE = "pictures"  # settings of the pictures that come with biasloop


class Config(BaseModel):
    """Settings of the domain "roles"."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    data: Literal["emoji-roles", "imsitu", "folder"] = Field(
        EMOJI,
        description='"emoji-roles": drawings of men and women in 48 roles (comes with biasloop); "imsitu" of `biasloop '
        'fetch`; or "folder", images of your own with annotations in imSitu\'s format (see path).',
    )
    path: str | None = Field(
        None, description='Of data = "folder": a folder with annotations (*.json) and images, or a folder of images.'
    )
    pictures: EmojiSettings = Field(default_factory=EmojiSettings)
    frames: int = Field(3, ge=1, le=100, description='Of data = "folder": annotated frames of every image.')
    test_per_verb: int = Field(
        50, ge=1, description='Images of each verb in the test set; of "emoji-roles" pictures.test says.'
    )
    holdout: int = Field(
        0,
        ge=0,
        description="Images of the pool that are held out of training, drawn at random: what selection learns from.",
    )
    skip_missing: bool = Field(False, description="Leave out images that are missing or do not read, and count them.")
    network: Literal["small", "resnet18", "resnet34", "resnet50", "resnet101"] = Field(
        SMALL, description='"small", four convolutions for pictures of few pixels, or a residual network.'
    )
    width: int = Field(10, ge=1, le=1024, description="Of small: channels of its first convolution.")
    pretrained: bool = Field(
        False,
        description="Begin with torchvision's weights of ImageNet, as `biasloop fetch resnet18-imagenet` gets them.",
    )
    side: int | None = Field(
        None,
        ge=16,
        le=1024,
        description="Height and width of what a network is given; in training a random crop is resized to it. Without "
        "it images as they are, not augmented.",
    )
    epochs: Annotated[int, Field(ge=1)] | Literal["by-size"] = Field(
        18,
        description='Passes over the training set; "by-size": as published, 50 up to 20,000 images down to 30 from '
        "75,000 on.",
    )
    batch_size: int = Field(64, ge=1, description="Images a step.")
    optimizer: Literal["adam", "adamw"] = Field(
        "adamw", description='"adam", whose decay is added to the gradient (as published), or "adamw".'
    )
    learning_rate: float = Field(4e-3, gt=0, description="Highest learning rate.")
    weight_decay: float = Field(0.01, ge=0, description="Of all parameters.")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        "cosine", description="How the learning rate goes on after the warm-up."
    )
    warm_up: float = Field(0.25, ge=0, le=1, description="Share of the steps in which the learning rate rises.")
    prediction: Literal["max_max", "max_marginal"] = Field(
        "max_max",
        description='Which verb is predicted: that of the most probable situation (as published), or "max_marginal", '
        "the most probable verb, whatever its nouns.",
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description='Of training: "auto" is float32 on CPUs, bfloat16 (else float16) on GPUs; weights, predictions, '
        "labels and the partition function are float32.",
    )
    evaluation_batch: int = Field(256, ge=1, description="Images a batch when predicting and labelling.")
    genders: GenderSettings | None = Field(
        None, description="Which nouns of agents are men and women; without it the published lists, or man and woman."
    )
    compat: Literal["fixed", "released"] = Field(
        "fixed",
        description='"released": as the published code counts: agents of references by any of their frames, ratios of '
        "any number of agents, scores as means over images.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.data == FOLDER) != (self.path is not None):
            missing = 'data = "folder" needs path' if self.path is None else f"path is given, and data is {self.data!r}"
            raise ValueError(f'{missing}; path goes with data = "folder"')
        if self.data != EMOJI and _DRAWN_ALONE in self.model_fields_set and self.pictures != EmojiSettings():
            raise ValueError('`pictures` is of data = "emoji-roles"; other data have their own')
        if self.data != FOLDER and self.frames != 3:
            raise ValueError('`frames` is of data = "folder"; the named data have their own')
        if self.pretrained and self.network == SMALL:
            raise ValueError('`pretrained` needs a residual network; set network = "resnet18"')
        if self.network != SMALL and self.side is None and self.data != EMOJI:
            raise ValueError(f"{self.network} needs side, as published side = 224")
        return self
