"""What the `[domain]` table of a preset may say."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from biasloop import datasets
from biasloop.contract.variants import Shared
from biasloop_images.biased.settings import Bias
from biasloop_images.compat import RELEASED_NUMBERS, UNDERFIT, released_weight_decay
from biasloop_images.options import STRICT, Name, Noise, Sampling

# Settings that neither images nor labels nor splits depend on; one that is not named here is taken to matter.
TRAINING = frozenset({
    "network", "width", "depth", "augment", "epochs", "epochs_for", "batch_size", "learning_rate", "momentum",
    "nesterov", "weight_decay", "decay_norms", "underfit", "schedule", "warm_up", "warm_up_whole_epochs", "drop_last",
    "precision", "compile", "evaluation_batch", "compat", "shape", "pixel_mean", "pixel_std", "optimizer",
    "pretrained",
})  # fmt: skip
PRETRAINED = "torchvision-resnet18"  # the network whose published weights can be fetched
_INPUTS = frozenset({"shape", "pixel_mean", "pixel_std"})
_BATCHES = _INPUTS | {"augment", "epochs", "epochs_for", "batch_size", "drop_last", "evaluation_batch", "underfit"}
# Those that a model beside the run's own may have for itself, by what it shares with it.
BESIDE: Mapping[Shared, frozenset[str]] = {
    "data": TRAINING, "inputs": TRAINING - _INPUTS, "batches": TRAINING - _BATCHES,
}  # fmt: skip
BIAS = frozenset({"bias"})
DRAWN = BIAS | {  # what is drawn of the data
    "test", "holdout", "imbalance", "balanced", "holdout_like", "split", "relevant", "sampling", "noise", "categories",
}  # fmt: skip
Pair = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2, max_length=2)]
Triple = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=3, max_length=3)]


class Imbalance(BaseModel):
    """One class that occurs `factor` times as often as each other class."""

    model_config = STRICT

    class_name: Name = Field(
        alias="class", description="The class that occurs more often, by its name, or its number from 0."
    )
    factor: int = Field(ge=1, description="Images of that class for each image of any other class.")


class Augmentation(BaseModel):
    """Random changes to training images."""

    model_config = STRICT

    padding: int = Field(4, ge=0, description="Zero pixels on each side before the random crop; 0 for no crop.")
    flip: bool = Field(True, description="Mirror half of the images left to right.")
    resized: bool = Field(
        False, description="Crop 8 % to 100 % of the padded image, and resize that, instead of shifting the image."
    )


class Config(BaseModel):
    """Settings of the domain "images"."""

    model_config = STRICT

    data: str = Field(
        "fashion-mnist-t10k",
        description='Data set, by its name in `biasloop fetch`; or "folder" or "npz", of your own images (see path).',
    )
    path: str | None = Field(
        None,
        description='Own images: of data = "folder" the folder of class folders, of data = "npz" the file; '
        'of "clothing1m" its folder, if it is not in the data directory.',
    )
    size: Annotated[int, Field(ge=1)] | Pair | None = Field(
        None,
        description='Of data = "folder": side, or [height, width], that images are resized to; of "clothing1m" the '
        "side of the square that is cut out of an image whose shorter side is 8/7 of it (the default, 224 of 256).",
    )
    shape: Triple | None = Field(
        None, description="[height, width, channels] that images get: zeros around them, grey repeated in channels."
    )
    pixel_mean: list[float] | None = Field(
        None, description="Mean of each channel of pixels from 0 to 1 that is taken out; by default the data set's own."
    )
    pixel_std: list[Annotated[float, Field(gt=0)]] | None = Field(
        None, description="Standard deviation of each channel that pixels are divided by, likewise."
    )
    test: Annotated[int, Field(ge=1)] | Literal["published"] = Field(
        500, description='Images of the test set; "published": the test split of the data set, and no draw.'
    )
    holdout: int = Field(0, ge=0, description="Images kept out of both the test set and the pool.")
    split: Literal["even-odd", "published"] | None = Field(
        None,
        description='Instead of a number of images, what is kept out of the pool beside the test set: "even-odd": '
        'images with an odd number, so that even ones are the pool; "published": the validation split of the data set.',
    )
    balanced: list[Literal["test", "holdout", "pool"]] | None = Field(
        None,
        min_length=1,
        description="Splits that have equally many images of each class; of the pool, images are left out for it.",
    )
    holdout_like: Literal["stream"] | None = Field(
        None, description='"stream": classes have the shares in the holdout that sampling gives them.'
    )
    classes: list[Name] | None = Field(
        None, min_length=2, description="The classes whose images are used, in this order; by default all."
    )
    relevant: list[Name] | None = Field(
        None, min_length=1, description="The classes that test set and holdout are of, while the pool has all of them."
    )
    sampling: Sampling | None = Field(None, description="Give one class another share of what every fit learns from.")
    noise: Noise | None = Field(None, description="Make human labels of the pool wrong; metrics know the right ones.")
    categories: Literal["superclass"] | dict[str, list[Name]] | None = Field(
        None,
        description='What selection balances over instead of classes: "superclass", as published with the data; or '
        "names of groups, each with its classes.",
    )
    imbalance: Imbalance | None = Field(
        None,
        description="Resample the data so that one class is more frequent; without it all images are used.",
    )
    bias: Bias | None = Field(
        None, description="Merge classes into tasks, and make a group of each image that depends on its task."
    )
    network: str = Field(
        "small-cnn",
        min_length=1,
        description='"small-cnn", "resnet18", "baidunet9", "cifar-resnet", "fashion-resnet", "reducr-cnn", "mlp", or a '
        'classification network of torchvision ("torchvision-resnet18", "convnext_tiny", ...).',
    )
    pretrained: bool | None = Field(
        None,
        description='Of "torchvision-resnet18": begin every fit with ImageNet\'s weights (`biasloop fetch '
        "resnet18-imagenet`) in all layers but the last.",
    )
    width: int = Field(
        16,
        ge=1,
        description="Channels of the first layer; as published 64, of cifar-resnet 16; torchvision's networks have "
        "their own.",
    )
    depth: int | None = Field(None, description="Of cifar-resnet: layers with weights, 8, 14, 20 (the default), ...")
    augment: bool | Augmentation = Field(
        True, description="Random crops and flips in training: false, true, or { padding, flip, resized }."
    )
    epochs: Annotated[int, Field(ge=1)] | Literal["by-size", "by-size-doubled"] = Field(
        20,
        description='Passes over the training set; "by-size": as published, 62 up to 20,000 images down to 25 from a '
        'million on; "by-size-doubled": twice as many.',
    )
    epochs_for: int | None = Field(
        None,
        ge=1,
        description="Training images that a number of epochs is meant for: half as many take twice the epochs.",
    )
    batch_size: int = Field(64, ge=1, description="Images a step.")
    learning_rate: float = Field(0.1, gt=0, description="Highest learning rate, for the mean loss of a batch.")
    optimizer: Literal["sgd", "adam", "adamw"] | None = Field(
        None, description='"sgd", with momentum (the default), "adam" or "adamw", whose weights decay by themselves.'
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of SGD.")
    nesterov: bool = Field(True, description="Nesterov's form of the momentum.")
    weight_decay: float = Field(5e-4, ge=0, description="Weight decay, of all parameters.")
    decay_norms: bool = Field(True, description="Whether scales and shifts of normalisation layers decay too.")
    underfit: bool = Field(
        False,
        exclude=True,
        description="Stands for the published underfitted variant of baidunet9 and resnet18: epochs = 5, "
        'learning_rate = 0.1, warm_up = 0 and schedule = "plateau", of resnet18 "cosine".',
    )
    schedule: Literal["triangle", "cosine", "constant", "plateau", "steps"] = Field(
        "cosine",
        description='How the learning rate falls after the warm-up; "steps" has a warm-up of its own, a 500th of the '
        "run at a tenth of the rate, and falls to a tenth after half and again after three quarters.",
    )
    warm_up: float = Field(0.0, ge=0, le=1, description="Share of the steps in which the learning rate rises.")
    warm_up_whole_epochs: bool = Field(
        False, description='Round the warm-up, and changes of "steps", to whole epochs, as published.'
    )
    drop_last: bool = Field(False, description="Leave out the last batch of an epoch if it is not full.")
    precision: Literal["auto", "float32", "bfloat16", "float16", "released"] = Field(
        "auto",
        description='Of training: "auto" is float32 on CPUs, bfloat16 (else float16) on GPUs; weights, predictions and '
        'labels are float32. "released" is that of the published code: of baidunet9 float16 throughout (weights, '
        "momentum, loss, predictions; nothing is scaled), made for GPUs and slow on CPUs; of resnet18 float32 on "
        "images rounded to float16; of cifar-resnet and fashion-resnet float32.",
    )
    compile: bool = Field(False, description="Compile the network for training; changes its last bits.")
    evaluation_batch: int = Field(500, ge=1, description="Images a batch when predicting and labelling.")
    compat: Literal["fixed", "released"] = Field(
        "fixed",
        description='"released": weight decay of resnet18 divided by the batch size, pixels of cinic10 normalised '
        "twice with bytes that wrap, shares of sampling not divided, validation images of clothing1m in the pool, as "
        "in the published codes. The number format of the first is asked for beside it, by precision "
        '= "released". Not to be had: the published random draws, which no seed was set for.',
    )

    @classmethod
    def switches(cls) -> dict[str, tuple[str, ...]]:
        """Settings that stand for others when they are true: those they set take the place of inherited ones."""
        return {"underfit": tuple(dict.fromkeys(name for settings in UNDERFIT.values() for name in settings))}

    @model_validator(mode="before")
    @classmethod
    def _underfitted(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("underfit") is not True:
            return data
        settings = UNDERFIT.get(str(data.get("network")))
        if settings is None:
            raise ValueError(f"underfit = true is known of {' and '.join(UNDERFIT)}; set network to one of them")
        for name, value in settings.items():
            if data.get(name, value) != value:
                raise ValueError(
                    f"underfit = true stands for {name} = {value}, and {name} = {data[name]} is set beside it; "
                    "take one of the two out"
                )
        return {**data, **settings}

    @model_validator(mode="after")
    def _check(self) -> "Config":
        if self.split is not None and self.holdout:
            raise ValueError(
                f'split = "{self.split}" says what the holdout is, and holdout is {self.holdout}; leave it out'
            )
        if self.holdout_like is not None and (self.sampling is None or not self.holdout or self.split or self.bias):
            raise ValueError(
                'holdout_like = "stream" needs sampling and a number of images as holdout, and goes with neither split '
                "nor bias"
            )
        if self.holdout_like is not None and "holdout" in (self.balanced or ()):
            raise ValueError('holdout_like = "stream" and balanced both say what the holdout is like; set one of them')
        if self.pretrained and self.network != PRETRAINED:
            raise ValueError(
                f'pretrained = true is known of "{PRETRAINED}", and network is "{self.network}"; leave pretrained out, '
                "or set it to false"
            )
        if self.categories is not None and self.bias is not None:
            raise ValueError("bias makes categories of its own, of classes and groups; leave out categories")
        if self.precision == "released" and self.network not in RELEASED_NUMBERS:
            raise ValueError(
                f'precision = "released" is known of {", ".join(RELEASED_NUMBERS)}, and network is {self.network!r}'
            )
        return self

    def effective(self) -> dict[str, object]:
        """What settings that are left open come to, and those that compat overrides, as far as no data are read."""
        values: dict[str, object] = {"depth": 20} if self.network == "cifar-resnet" else {}
        if self.data in datasets.names():
            dataset = datasets.get(self.data)
            values |= {"pixel_mean": dataset.mean and [*dataset.mean], "pixel_std": dataset.std and [*dataset.std]}
        values = {name: value for name, value in values.items() if value is not None and getattr(self, name) is None}
        if self.compat == "released":
            values["weight_decay"] = released_weight_decay(self)
        return {name: value for name, value in values.items() if value != getattr(self, name)}

    @property
    def augmentation(self) -> Augmentation:
        """What is done to training images."""
        if isinstance(self.augment, Augmentation):
            return self.augment
        return Augmentation() if self.augment else Augmentation(padding=0, flip=False)
