"""What the `[domain]` table of a preset may say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from biasloop.contract import names
from biasloop.contract.variants import Shared

# Settings that neither texts nor labels nor splits depend on; one that is not named here is taken to matter.
TRAINING = frozenset({
    "network", "small", "length", "epochs", "batch_size", "learning_rate", "weight_decay", "schedule", "warm_up",
    "precision", "evaluation_batch", "follow",
})  # fmt: skip
_INPUTS = frozenset({"length"})
_BATCHES = _INPUTS | {"epochs", "batch_size", "evaluation_batch", "follow"}
# Those that a model beside the run's own may have for itself, by what it shares with it.
BESIDE: Mapping[Shared, frozenset[str]] = {
    "data": TRAINING, "inputs": TRAINING - _INPUTS, "batches": TRAINING - _BATCHES,
}  # fmt: skip
DRAWN = frozenset({"test", "holdout", "balanced_holdout", "imbalance"})  # what is drawn of the data
FILE = "file"
BUILT_IN = "small"
_STRICT = ConfigDict(extra="forbid", strict=True, frozen=True, serialize_by_alias=True, defer_build=True)


def _as_name(value: object) -> object:
    """A class that is called by a number, which `--set` and TOML read as one."""
    return value if isinstance(value, bool) or not isinstance(value, int) else str(value)


Name = Annotated[str, Field(min_length=1)]
ClassName = Annotated[str, BeforeValidator(_as_name), Field(min_length=1)]


class Imbalance(BaseModel):
    """One class that occurs `factor` times as often as each other class."""

    model_config = _STRICT

    class_name: ClassName = Field(
        alias="class", description="The class that occurs more often, by its name, or its number from 0."
    )
    factor: int = Field(ge=1, description="Texts of that class for each text of any other class.")


class Columns(BaseModel):
    """Which columns of a person's table are read; others are ignored."""

    model_config = _STRICT

    text: Name = Field("text", description="Column of the texts.")
    text2: Name | None = Field(None, description="Column of second texts, where a label is of a pair.")
    label: Name = Field("label", description="Column of the classes; a row without one only a model can label.")
    group: list[Name] = Field(default_factory=list, description="Columns of groups to compare; no model sees them.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        named = [self.text, self.label, *self.group, *([] if self.text2 is None else [self.text2])]
        double = sorted({name for name in named if named.count(name) > 1})
        if double:
            raise ValueError(f"the column {double[0]!r} is named twice")
        if any("/" in name or "\0" in name for name in self.group):
            raise ValueError("the name of a column in `group` cannot have a '/'; rename it")
        return self

    @property
    def groups(self) -> dict[str, str]:
        """What each column of groups is called in a run's tables."""
        alone = len(self.group) == 1
        return {name: names.GROUP if alone else f"{names.GROUP_OF}{name}" for name in self.group}


class Small(BaseModel):
    """The built-in encoder: byte pairs, a transformer, a mean over tokens, a hidden layer."""

    model_config = _STRICT

    vocabulary: int = Field(
        4096, ge=257, le=1_000_000, description="Entries of its byte-pair vocabulary, which is learnt from the texts."
    )
    width: int = Field(64, ge=4, le=65_536, multiple_of=4, description="Of token embeddings and layers.")
    layers: int = Field(
        0, ge=0, le=1000, description="Transformer layers of four attention heads; 0 is a bag of embeddings."
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of activations that are left out in training.")


class Config(BaseModel):
    """Settings of the domain "textclass"."""

    model_config = _STRICT

    data: str = Field(
        "sotu-halves",
        description='"sotu-halves": which half of the 20th century a sentence of a State of the Union address is from '
        '(comes with biasloop); "mnli", "qqp", "sst2" of `biasloop fetch`; or "file", a table of your own (see path).',
    )
    path: str | None = Field(
        None, description='Of data = "file": a .csv, .tsv, .jsonl, .json or .parquet file with a row a text.'
    )
    columns: Columns = Field(default_factory=Columns)
    classes: list[ClassName] | None = Field(
        None,
        min_length=2,
        description='Of data = "file": names of the classes; without it those in the data, by the alphabet.',
    )
    follow: ClassName | None = Field(
        None, description="A class whose share and bias are measured; without it the one of `imbalance`, if any."
    )
    test: Annotated[int, Field(ge=1)] | Literal["published"] = Field(
        1000,
        description='Texts of the test set; "published": pool, holdout and test set of mnli, qqp and sst2 as in the '
        "published study of REDUCR, and no draw.",
    )
    holdout: int = Field(0, ge=0, description="Texts kept out of both the test set and the pool, where they are drawn.")
    balanced_holdout: bool = Field(
        False, description='Of test = "published": leave out texts of the holdout until its classes are equally many.'
    )
    imbalance: Imbalance | None = Field(
        None, description="Resample the data so that one class is more frequent; without it all texts are used."
    )
    network: str = Field(
        "small",
        min_length=1,
        description='"small" (built in), "bert-base-uncased" of `biasloop fetch`, or a directory with an encoder: '
        "config.json, *.safetensors and tokenizer.json.",
    )
    small: Small = Field(default_factory=Small)
    length: int = Field(128, ge=4, le=100_000, description="Tokens of a text, or a pair, at most; longer ones are cut.")
    epochs: int = Field(10, ge=1, description="Passes over the training set.")
    batch_size: int = Field(32, ge=1, description="Texts a step.")
    learning_rate: float | None = Field(
        None, gt=0, description="Highest learning rate of AdamW; by default 0.003 of small, 2e-5 of other networks."
    )
    weight_decay: float = Field(0.01, ge=0, description="Taken off the weights, of all parameters.")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        "constant", description="How the learning rate goes on after the warm-up."
    )
    warm_up: float = Field(0.0, ge=0, le=1, description="Share of the steps in which the learning rate rises.")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description='Of training: "auto" is float32 on CPUs, bfloat16 (else float16) on GPUs; weights, predictions and '
        "labels are float32.",
    )
    evaluation_batch: int = Field(256, ge=1, description="Texts a batch when predicting and labelling.")

    def effective(self) -> dict[str, object]:
        """What settings that are left open come to."""
        return {"learning_rate": self.rate} if self.learning_rate is None else {}

    @property
    def rate(self) -> float:
        """The highest learning rate."""
        if self.learning_rate is not None:
            return self.learning_rate
        return 3e-3 if self.network == BUILT_IN else 2e-5

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.classes is not None and len(set(self.classes)) < len(self.classes):
            raise ValueError("`classes` names a class twice")
        if (self.data == FILE) != (self.path is not None):
            missing = 'data = "file" needs path' if self.path is None else f"path is given, and data is {self.data!r}"
            raise ValueError(f'{missing}; path goes with data = "file"')
        if self.data != FILE and (self.classes is not None or self.columns != Columns()):
            raise ValueError('`classes` and `columns` are of data = "file"; the named data have their own')
        if self.test == "published" and (self.holdout or self.imbalance is not None):
            raise ValueError('test = "published" stands for all splits as published; leave out holdout and imbalance')
        if self.balanced_holdout and self.test != "published":
            raise ValueError('balanced_holdout goes with test = "published"')
        return self
