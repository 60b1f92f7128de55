"""What a preset may say: the typed experiment."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from biasloop.contract.batching import Star
from biasloop.errors import InvalidInput

Scalar = bool | int | float | str


class Strict(BaseModel):
    """A section of a preset: no unknown keys, no silent conversions."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class DomainSection(BaseModel):
    """Which plugin; every other key belongs to that plugin's `Config`."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    name: str = Field(description="The domain: the name of an installed plugin (`biasloop plugins`).")

    @property
    def settings(self) -> dict[str, Any]:
        """The plugin's keys."""
        return dict(self.model_extra or {})


Start = Annotated[
    Annotated[int, Field(ge=1), Tag("number")] | Annotated[Literal["all"], Tag("all")],
    Discriminator(lambda value: "all" if value == "all" else "number"),
]


class AccumulateSettings(Strict):
    """The training set grows each round (Taori & Hashimoto 2022, Algorithm 1).

    In a preset, `per_round` may stand for `model`: then `model = per_round - human`.
    """

    rule: Literal["accumulate"] = "accumulate"
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

    @field_validator("rule", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if isinstance(value, str) and value not in RULES:
            raise ValueError(f"input should be {' or '.join(map(repr, RULES))}")
        return value

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
    def _check(self) -> "AccumulateSettings":
        if self.human + self.model == 0 and self.rounds is None:
            raise ValueError("with `human` and `model` both 0 nothing ends the loop; set `rounds`")
        if self.human + self.model == 0 and self.keep == "replace":
            raise ValueError('`keep = "replace"` trains on the newest `human + model` rows, which are 0')
        if self.start == "all" and self.human + self.model:
            raise ValueError('`start = "all"` leaves no sample for `human` and `model`; set a number')
        return self

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


class GenerationsSettings(Strict):
    """Generators and classifiers learn from the generation before (Wyllie et al. 2024)."""

    rule: Literal["generations"]
    rounds: int = Field(ge=1, description="Generations.")
    generator: Literal["sequential", "frozen"] = Field(
        "sequential", description='"frozen": all classifiers learn from samples of the first generator.'
    )
    labels: Literal["sequential", "annotator"] = Field(
        "sequential", description="Samples are labelled by the classifier before, or always by the annotator."
    )
    synthetic: float = Field(1.0, ge=0, le=1, description="Share of samples in a later generator's batches.")
    classifier_synthetic: float = Field(1.0, ge=0, le=1, description="Share of samples in a classifier's batches.")
    keep: Literal["replace", "subsample", "all"] = Field(
        "replace",
        description='Samples of which generators are learnt from: "replace", of the newest; "subsample", of all so far '
        'in equal shares, with as many steps; "all", likewise, with as many times the passes as there are generators.',
    )
    star: Literal["none", "classifier", "generator", "both"] = Field(
        "none", description="Whose batches are filled by quota over strata of label and groups (STAR)."
    )
    star_budget: int = Field(64, description="Samples drawn beyond the size of a batch before it is filled.")
    star_ideal: list[float] = Field(default_factory=list, description="Share of each stratum; empty for equal ones.")
    star_refill: Literal["until-met", "surplus-first", "single"] = Field(
        "until-met", description='What fills places that quotas leave; "single" is as published.'
    )
    star_draws: float = Field(4.0, description='Of "until-met": samples for a batch at most, times its size.')

    @model_validator(mode="after")
    def _check(self) -> "GenerationsSettings":
        if self.generator == "frozen" and self.star in {"generator", "both"}:
            raise ValueError(f'`star = "{self.star}"` is for later generators, and `generator = "frozen"` has none')
        try:
            self.reparation()
        except InvalidInput as error:
            raise ValueError(str(error)) from error
        return self

    def reparation(self) -> Star | None:
        """STAR as set, or None."""
        if self.star == "none":
            return None
        return Star(tuple(self.star_ideal), self.star_budget, self.star_refill, self.star_draws)

    def trained(self, round_number: int) -> int:
        """Work of a round, in units of its own: each generation costs the same unless what was made is kept."""
        return round_number + 1 if self.keep == "all" else 1


def _rule_of(loop: Any) -> str:
    named = loop.get("rule", "accumulate") if isinstance(loop, dict) else getattr(loop, "rule", "accumulate")
    # Any other, of whatever type, is refused by `accumulate`, which says what is allowed.
    return named if isinstance(named, str) and named in RULES else "accumulate"


LoopSettings = Annotated[
    Annotated[AccumulateSettings, Tag("accumulate")] | Annotated[GenerationsSettings, Tag("generations")],
    Discriminator(_rule_of),
]
RULES: dict[str, type[Strict]] = {"accumulate": AccumulateSettings, "generations": GenerationsSettings}


class BoundSection(Strict):
    """Which metric the bound of Theorem 1 speaks of."""

    metric: str = Field(description="The metric that feedback moves, measured on predictions.")
    baseline: str = Field(description="The same statistic under true labels: a metric, constant over the run.")
    train: str | None = Field(None, description="The same statistic on the training labels, for the per-round bound.")


class PlotSection(Strict):
    """How a run is drawn."""

    series: list[str] = Field(default_factory=list, description="Metrics to draw; default: the bound's metric.")
    x: str | None = Field(
        None,
        description='What stands on the x axis instead of rounds: a setting that the grid varies, or "epoch" of '
        "snapshots; what was measured after the last round is drawn.",
    )
    pool: list[str] = Field(default_factory=list, description="Settings whose values are replicates, as seeds are.")
    baseline: str | None = Field(None, description="The metric of the horizontal line.")
    labels: dict[str, str] = Field(default_factory=dict, description="metric -> axis label.")
    quality: str = Field("accuracy", description="The metric of the table's quality column.")
    published: str | None = Field(
        None, description='Which released curves belong to it, for example "ColoredMNIST|MC": data set and experiment.'
    )


class Experiment(Strict):
    """A preset with overrides, validated."""

    name: str
    summary: str = ""
    source: str = Field("", description="What it reproduces: a citation.")
    parameters: Literal["ours"] | None = Field(
        None, description='"ours" where the publication does not give the settings, so that these are a guess.'
    )
    compat: Literal["fixed", "released"] = Field(
        "fixed", description='"released" switches on every defect of the published code that changes numbers.'
    )
    seeds: str = Field("0", description='What the publication ran, for example "0-2".')
    domain: DomainSection
    loop: LoopSettings
    grid: dict[str, list[Any]] = Field(default_factory=dict)
    bound: BoundSection | None = None
    plot: PlotSection = PlotSection()
    resolved: dict[str, Any] = Field(
        default_factory=dict,
        exclude=True,
        description="What `presets show --json` says beside a preset: what settings left open come to. It is not read.",
    )

    @field_validator("resolved", mode="after")
    @classmethod
    def _not_read(cls, _: dict[str, Any]) -> dict[str, Any]:
        return {}

    @model_validator(mode="after")
    def _bounded(self) -> "Experiment":
        if self.bound is not None and isinstance(self.loop, AccumulateSettings) and self.loop.start == "all":
            raise ValueError('[bound] needs loop.start as a number, and it is "all"')
        return self

    def identity(self, seed: int) -> dict[str, Any]:
        """All that determines the results of a run, and nothing else: what a resume compares.

        `loop.rounds` is not part of it, so a finished run can be extended.
        """
        loop = self.loop.model_dump(exclude_none=True, exclude={"rounds"})
        return {
            "seed": seed,
            "compat": self.compat,
            "domain": _without_none(self.domain.model_dump()),
            "loop": loop,
        }

    def nesting(self) -> dict[str, Any]:
        """The resolved experiment in the nesting of a preset (`presets show NAME --json`)."""
        return _without_none(self.model_dump(mode="json"))


def _without_none(value: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(inner) if isinstance(inner, dict) else inner
        for key, inner in value.items()
        if inner is not None
    }
