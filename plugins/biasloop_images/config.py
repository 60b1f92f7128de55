"""What the `[domain]` table of a preset may say."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

_STRICT = ConfigDict(extra="forbid", strict=True, frozen=True, serialize_by_alias=True, defer_build=True)


class Imbalance(BaseModel):
    """One class that occurs `factor` times as often as each other class."""

    model_config = _STRICT

    class_name: str = Field(alias="class", description="The class that occurs more often, by its name.")
    factor: int = Field(ge=1, description="Images of that class for each image of any other class.")


class Augmentation(BaseModel):
    """Random changes to training images."""

    model_config = _STRICT

    padding: int = Field(4, ge=0, description="Zero pixels on each side before the random crop; 0 for no crop.")
    flip: bool = Field(True, description="Mirror half of the images left to right.")


class Config(BaseModel):
    """Settings of the domain "images"."""

    model_config = _STRICT

    data: str = Field("fashion-mnist-t10k", description="Data set, by its name in `biasloop fetch --list`.")
    test: int = Field(500, ge=1, description="Images of the test set.")
    holdout: int = Field(0, ge=0, description="Images kept out of both the test set and the pool.")
    imbalance: Imbalance | None = Field(
        None,
        description="Resample the data so that one class is more frequent; without it all images are used.",
    )
    network: Literal["small-cnn", "resnet18"] = Field("small-cnn", description="Kind of network.")
    width: int = Field(16, ge=1, description="Channels of the first layer; 64 is the published resnet18.")
    augment: bool | Augmentation = Field(
        True, description="Random crops and flips in training: false, true, or { padding, flip }."
    )
    epochs: int = Field(20, ge=1, description="Passes over the training set.")
    batch_size: int = Field(64, ge=1, description="Images a step.")
    learning_rate: float = Field(0.1, gt=0, description="Highest learning rate, for the mean loss of a batch.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of SGD.")
    nesterov: bool = Field(True, description="Nesterov's form of the momentum.")
    weight_decay: float = Field(5e-4, ge=0, description="Weight decay, of all parameters.")
    schedule: Literal["triangle", "cosine", "constant"] = Field(
        "cosine", description="How the learning rate falls after the warm-up."
    )
    warm_up: float = Field(0.0, ge=0, le=1, description="Share of the steps in which the learning rate rises.")
    drop_last: bool = Field(False, description="Leave out the last batch of an epoch if it is not full.")
    evaluation_batch: int = Field(500, ge=1, description="Images a batch when predicting and labelling.")

    @property
    def augmentation(self) -> Augmentation:
        """What is done to training images."""
        if isinstance(self.augment, Augmentation):
            return self.augment
        return Augmentation() if self.augment else Augmentation(padding=0, flip=False)
