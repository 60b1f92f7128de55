"""Settings of what stands between data and fits: class shares of a stream, wrong labels."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

STRICT = ConfigDict(extra="forbid", strict=True, frozen=True, serialize_by_alias=True, defer_build=True)


def _named(value: object) -> object:
    """A class that is called by a number: `--set` and TOML read one where its name was meant."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Name = Annotated[str, BeforeValidator(_named)]
"""A class, by its name, or its number from 0."""


class Sampling(BaseModel):
    """One class that has another share of what every fit learns from; the test set stays as it is."""

    model_config = STRICT

    class_name: Name = Field(alias="class", description="The class, by its name, or its number from 0.")
    share: float = Field(gt=0, lt=1, description="Its share; the other classes have equal parts of the rest.")
    by: Literal["weights", "dropping"] = Field(
        "weights",
        description='"weights": an epoch draws as many samples as there are, with replacement, by weights; "dropping": '
        "samples of the class are left out until it has at most that share.",
    )
    balanced: bool = Field(
        True,
        description='Of "weights": divide the share of a class among its samples; false, and with compat = "released": '
        "each sample has the weight of its class, as published, which comes to the same where classes are equally "
        "large.",
    )


class Noise(BaseModel):
    """Human labels of the pool that are wrong; those of test set and holdout are right."""

    model_config = STRICT

    share: float = Field(ge=0, le=1, description="Share of the pool's labels, or of those of each class of a pair.")
    kind: Literal["uniform", "structured"] = Field(
        "uniform",
        description='"uniform": a class drawn at random, the right one among them, so that (C - 1) / C of that share '
        'are wrong; "structured": of each pair of classes, the first images of the one are labelled as the other.',
    )
    pairs: list[Annotated[list[Name], Field(min_length=2, max_length=2)]] | None = Field(
        None, min_length=1, description='Of "structured": [class, the class that its images are labelled as], ...'
    )

    @model_validator(mode="after")
    def _check(self) -> Noise:
        if (self.pairs is not None) != (self.kind == "structured"):
            raise ValueError('pairs go with kind = "structured", and with no other')
        if self.pairs is not None and len({pair[0] for pair in self.pairs}) < len(self.pairs):
            raise ValueError("pairs name a class twice whose images are labelled as another")
        return self
