"""The section [loop] of the rule `accumulate`, and what follows from it alone."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from biasloop.bound import Theorem1
from biasloop.config.strict import Strict
from biasloop.contract.domains import EPOCHS, Demands, Labelling, Pretrained, Sampled, Storing
from biasloop.errors import InvalidInput

Start = Annotated[
    Annotated[int, Field(ge=1), Tag("number")] | Annotated[Literal["all"], Tag("all")],
    Discriminator(lambda value: "all" if value == "all" else "number"),
]


class AccumulateSettings(Strict):
    """The training set grows each round (Taori & Hashimoto 2022, Algorithm 1).

    In a preset, `per_round` may stand for `model`: then `model = per_round - human`.
    """

    rule: Literal["accumulate"] = Field(
        "accumulate", description="Which feedback rule: the training set grows by what humans and models label."
    )
    start: Start = Field(
        description='n0: human-labelled samples in the training set of round 0; "all" of the pool, where no round adds '
        "any."
    )
    human: int = Field(0, ge=0, description="m: human-labelled samples that each later round adds.")
    model: int = Field(
        0, ge=0, description="k: samples labelled by the previous round's model that each later round adds."
    )
    rounds: int | None = Field(None, ge=1, description="Trained models; without it, until the reserve is used up.")
    keep: Literal["all", "subsample", "replace"] = Field(
        "all",
        description="Train on all rows, on n0 of them redrawn every round, or on the newest m + k only.",
    )
    label_by: str | None = Field(
        None, description='How a model labels: "argmax", "sample", ...; without it, the domain\'s default.'
    )
    snapshots: int | None = Field(
        None, ge=1, description="Also evaluate the model of a round after every so many epochs of its training."
    )
    pretrained: bool = Field(False, description="Also evaluate the untouched pretrained model, as round -1.")

    @model_validator(mode="before")
    @classmethod
    def _resolve_per_round(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "per_round" not in data:
            return data
        data = dict(data)
        per_round, human = data.pop("per_round"), data.get("human", 0)
        if "model" in data:
            raise ValueError("give `model` or `per_round`, not both")
        if type(per_round) is not int or type(human) is not int:  # True is no number of samples
            raise ValueError("`per_round` and `human` are whole numbers")
        if human > per_round:
            raise ValueError(f"`human` ({human}) is more than `per_round` ({per_round})")
        return {**data, "model": per_round - human}

    @model_validator(mode="after")
    def _check(self) -> AccumulateSettings:
        if self.human + self.model == 0 and self.rounds is None:
            raise ValueError("with `human` and `model` both 0 nothing ends the loop; set `rounds`")
        if self.human + self.model == 0 and self.keep == "replace":
            raise ValueError('`keep = "replace"` trains on the newest `human + model` rows, which are 0')
        if self.start == "all" and self.human + self.model:
            raise ValueError('`start = "all"` leaves no sample for `human` and `model`; set a number')
        return self

    def requires(self) -> tuple[type, ...]:
        """Samples with stable ids, and models that label them."""
        return (Sampled, Labelling, Storing, *((Pretrained,) if self.pretrained else ()))

    def demands(self) -> Demands:
        """The end of every epoch, for snapshots; training sets of some size, and labels."""
        rows = None if self.start == "all" else self.start
        if rows is not None and self.keep == "replace" and self.rounds != 1:
            rows = min(rows, self.human + self.model)
        return Demands(frozenset() if self.snapshots is None else frozenset({EPOCHS}), rows, self.label_by)

    def size(self, round_number: int) -> int:
        """n_t: rows of the accumulated training set at that round."""
        return self._start + round_number * (self.human + self.model)

    def trained(self, round_number: int) -> int:
        """Rows that the model of that round is trained on."""
        if self.keep == "all" or round_number == 0:
            return self.size(round_number)
        return self._start if self.keep == "subsample" else self.human + self.model

    @property
    def _start(self) -> int:
        return 1 if self.start == "all" else self.start  # rounds then cost the same, whatever that is

    def columns(self) -> tuple[str, ...]:
        """Rows of the training set, and who labelled them."""
        return ("train", "human", "model")

    def bound(self) -> Theorem1:
        """Theorem 1 with the sizes of the loop.

        Raises:
            InvalidInput: how many samples the loop starts from is not known.
        """
        if self.start == "all":
            raise InvalidInput('[bound] needs loop.start as a number, and it is "all"')
        return Theorem1(self.start, self.human, self.model, replace=self.keep == "replace")

    def arm_label(self, differing: Collection[str]) -> str | None:
        """The human share, where only that differs."""
        if not {*differing} <= {"human", "model"} or not self.human + self.model:
            return None
        return f"{100 * self.human / (self.human + self.model):.4g} % human"
