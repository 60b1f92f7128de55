"""What the `[domain]` table of a preset may say."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from biasloop.contract import names
from biasloop_command.programs import check_placeholders

# Settings that neither the table nor splits depend on; one that is not named here is taken to matter.
TRAINING = frozenset({
    "train", "predict", "train_seconds", "predict_seconds", "model_megabytes", "output_megabytes", "version",
})  # fmt: skip
_STRICT = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

Name = Annotated[str, Field(min_length=1)]
Command = Annotated[list[str], Field(min_length=1)]
Format = Literal["csv", "parquet", "jsonl"]


class Config(BaseModel):
    """Settings of the domain "command"."""

    model_config = _STRICT

    data: Name = Field(description="The table of samples: a .csv, .tsv, .parquet, .jsonl or .json file.")
    target: Name = Field(description="Column of the labels; a row without one can only be labelled by a model.")
    train: Command = Field(
        description="The program that trains, as a list of arguments; {train} stands for the file of rows, {model} for "
        "an empty folder that the model is to be left in, {seed} for a whole number."
    )
    predict: Command = Field(
        description="The program that predicts, likewise: {model}, {input} and {output}, the file that it is to write."
    )
    id: Name | None = Field(None, description="Column of different ids; without it rows are numbered from 0.")
    group: Name | list[Name] | None = Field(
        None, description="Column or columns of attributes to compare; never shown to the programs."
    )
    split: Name | None = Field(
        None, description='Column that says what each row is for: "train", "test", "holdout" or "unlabelled".'
    )
    test: int | None = Field(None, ge=1, description="Rows of the test set, drawn at random; needed without `split`.")
    holdout: int | None = Field(None, ge=0, description="Rows kept out of both the test set and the pool.")
    classes: list[Name] | None = Field(
        None, min_length=2, description="Names of the classes; without it those in the data, by the alphabet."
    )
    follow: Name | None = Field(None, description="A class whose share and bias are measured, and fairness for it.")
    format: Format = Field("csv", description="Of the files that are exchanged with the programs.")
    train_seconds: float | None = Field(None, gt=0, description="After so long training is ended; none without it.")
    predict_seconds: float | None = Field(None, gt=0, description="After so long predicting is ended, likewise.")
    model_megabytes: int = Field(512, ge=1, description="A model with larger files is refused.")
    output_megabytes: int = Field(512, ge=1, description="A larger file of predictions is refused.")
    version: str = Field("", description="Of your programs: another one makes another experiment.")

    @field_validator("train")
    @classmethod
    def _train(cls, argv: list[str]) -> list[str]:
        check_placeholders(argv, needed=("train", "model"), optional=("seed",))
        return argv

    @field_validator("predict")
    @classmethod
    def _predict(cls, argv: list[str]) -> list[str]:
        check_placeholders(argv, needed=("model", "input", "output"), optional=("seed",))
        return argv

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.split is None and self.test is None:
            raise ValueError("`test` or `split` is needed: how many rows are the test set, or the column that says so")
        if self.split is not None and (self.test is not None or self.holdout is not None):
            raise ValueError("`split` says what each row is for; `test` and `holdout` are for data without it")
        named = [name for name in (self.id, self.target, self.split, *self.groups) if name is not None]
        double = sorted({name for name in named if named.count(name) > 1})
        if double:
            raise ValueError(f"the column {double[0]!r} is named twice among `id`, `target`, `group` and `split`")
        if self.classes is not None and len(set(self.classes)) < len(self.classes):
            raise ValueError("`classes` names a class twice")
        if any("/" in name or "\0" in name for name in self.groups):
            raise ValueError("the name of a column in `group` cannot have a '/'; rename it")
        return self

    @property
    def groups(self) -> tuple[str, ...]:
        """Columns of attributes."""
        if self.group is None:
            return ()
        return (self.group,) if isinstance(self.group, str) else tuple(self.group)


def group_column(name: str, groups: Collection[str]) -> str:
    """What the column of an attribute is called in a run's tables.

    Args:
        name: of the attribute.
        groups: all attributes.
    """
    return names.GROUP if len(groups) == 1 else f"{names.GROUP_OF}{name}"
