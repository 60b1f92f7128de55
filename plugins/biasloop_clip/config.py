"""What the `[domain]` table of a preset may say."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

EMOJI: Literal["emoji-roles"] = "emoji-roles"
TRAINED_TONES = 4
"""Of six: drawings in the other two are for testing."""
DATA = frozenset({"data", "pictures"})
"""Settings that pictures and captions depend on; all others are of training and of what is measured."""


class PictureSettings(BaseModel):
    """How many pictures there are, and how many of them show women."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    roles: int = Field(
        24, ge=6, le=48, multiple_of=6, description="Roles of people: half of them mostly men's, half mostly women's."
    )
    pool: int = Field(200, ge=4, le=4000, description="Pictures of each role in the pool.")
    test: int = Field(4, ge=1, le=100, description="Pictures of each drawing in the test set.")
    majority: float = Field(
        0.9, ge=0.5, lt=1, description="Share of the pictures of a role that show the gender that has most of them."
    )
    canvas: int = Field(24, ge=16, le=64, description="Height and width of a picture in pixels.")
    smallest: float = Field(
        0.9, ge=0.25, le=1, description="Height and width of a drawing are drawn from this share of the canvas to all."
    )
    dimmest: float = Field(
        0.5, ge=0, le=1, description="Each channel of a drawing is multiplied by a number that is drawn from this to 1."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        of_majority = Fraction(str(self.majority)) * self.pool / TRAINED_TONES
        if of_majority.denominator != 1 or self.pool % TRAINED_TONES or of_majority * TRAINED_TONES == self.pool:
            raise ValueError(
                f"majority = {self.majority} of pool = {self.pool} pictures of a role cannot be as many in each of "
                f"{TRAINED_TONES} skin tones; give a pool of which both genders have a multiple of {TRAINED_TONES}, "
                "such as 40 or 200 with majority = 0.9"
            )
        return self

    def of_tone(self) -> tuple[int, int]:
        """Pictures of a role in one skin tone: of the gender that has most, and of the other."""
        most = int(Fraction(str(self.majority)) * self.pool / TRAINED_TONES)
        return most, self.pool // TRAINED_TONES - most


class MakerSettings(BaseModel):
    """The generator: a rectified flow from noise to principal components of pictures, given a caption."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    components: int = Field(96, ge=2, le=1024, description="Principal components that a picture is made of.")
    width: int = Field(256, ge=8, le=4096, description="Of its layers.")
    blocks: int = Field(3, ge=1, le=32, description="Residual blocks.")
    epochs: int = Field(40, ge=1, description="Passes over the training set.")
    batch_size: int = Field(128, ge=1, description="Pictures a step.")
    learning_rate: float = Field(2e-3, gt=0, description="Highest learning rate of AdamW; then half a cosine to 0.")
    dropped: float = Field(
        0.15, ge=0, lt=1, description="Share of captions that it is not told in training, which guidance needs."
    )
    steps: int = Field(16, ge=1, le=1000, description="Steps from noise to a picture.")
    guidance: float = Field(
        1.0, ge=0, description="Of pictures that are fed back: 1 is what it learnt, more is nearer to the caption."
    )


class MeasureSettings(BaseModel):
    """Fresh pictures of every generator, that its gender ratios are read from."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    guidance: list[float] = Field(default_factory=lambda: [1.0, 2.0], min_length=1, description="As of the generator.")
    neutral: int = Field(
        80, ge=2, description="Pictures for the caption of a role that says neither gender nor skin tone."
    )
    explicit: int = Field(40, ge=2, description="Pictures for captions of a role that say a gender, of each.")
    reader: int = Field(
        48, ge=1, description="Real pictures of each drawing of the pool that teach who reads gender and role."
    )
    reader_epochs: int = Field(6, ge=1, description="Passes over these.")
    neighbours: int = Field(3, ge=1, description="Of the k-nearest-neighbour precision and recall of pictures.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if any(guidance < 0 for guidance in self.guidance) or len(set(self.guidance)) < len(self.guidance):
            raise ValueError("guidance is a list of different numbers of 0 or more, such as [1.0, 2.0]")
        return self


class Config(BaseModel):
    """Settings of the domain "clip"."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    data: Literal["emoji-roles"] = Field(
        EMOJI, description='"emoji-roles": drawings of men and women in 48 roles with captions (comes with biasloop).'
    )
    pictures: PictureSettings = Field(default_factory=PictureSettings)
    maker: MakerSettings = Field(default_factory=MakerSettings)
    measures: MeasureSettings = Field(default_factory=MeasureSettings)
    equalised: bool = Field(
        False,
        description="Give CLIP real pictures, too, as they are of the generator's principal components, so that it "
        "cannot tell them from generated ones by what these leave out.",
    )
    patch: int = Field(8, ge=2, le=64, description="Of CLIP: height and width of a patch in pixels.")
    width: int = Field(96, ge=8, le=4096, description="Of the image tower.")
    layers: int = Field(3, ge=1, le=48, description="Of the image tower.")
    text_width: int = Field(64, ge=8, le=4096, description="Of the text tower.")
    text_layers: int = Field(1, ge=1, le=48, description="Of the text tower.")
    embedding: int = Field(64, ge=2, le=4096, description="Size of what pictures and captions become.")
    epochs: int = Field(11, ge=1, description="Passes over the training set.")
    batch_size: int = Field(128, ge=2, description="Pairs a step, which the loss compares each with each.")
    learning_rate: float = Field(1e-3, gt=0, description="Highest learning rate; then half a cosine to 0.")
    weight_decay: float = Field(0.2, ge=0, description="Of weights; not of biases, gains and the logit scale.")
    beta1: float = Field(0.9, ge=0, lt=1, description="Of AdamW.")
    beta2: float = Field(0.98, ge=0, lt=1, description="Of AdamW.")
    epsilon: float = Field(1e-6, gt=0, description="Of AdamW.")
    warm_up: float = Field(0.1, ge=0, le=1, description="Share of the steps in which the learning rate rises.")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description='Of training CLIP: "auto" is float32 on CPUs, bfloat16 (else float16) on GPUs; losses are float32.',
    )
    evaluation_batch: int = Field(256, ge=1, description="Pictures or captions a batch when CLIP is tested.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        canvas, pictures = self.pictures.canvas, self.pictures
        if canvas % self.patch:
            raise ValueError(f"pictures.canvas = {canvas} is no multiple of patch = {self.patch}")
        most = min(3 * canvas**2, pictures.roles * pictures.pool)
        if self.maker.components > most:
            raise ValueError(f"maker.components = {self.maker.components} are more than the {most} that pictures have")
        for name, width in (("width", self.width), ("text_width", self.text_width)):
            if width % HEAD and width > HEAD:
                raise ValueError(f"{name} = {width} is no multiple of {HEAD}, the width of an attention head")
        return self


HEAD = 32
"""Width of an attention head of CLIP; narrower towers have one."""
