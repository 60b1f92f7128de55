"""What a preset may say: the typed experiment."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, field_validator, model_validator

from biasloop.config.resources import Resources
from biasloop.config.strict import Strict
from biasloop.contract.names import OF_GIVEN
from biasloop.errors import InvalidInput
from biasloop.feedback import rules
from biasloop.feedback.rule import RuleSettings
from biasloop.feedback.selection_settings import SelectionSettings


class DomainSection(BaseModel):
    """Which plugin; every other key belongs to that plugin's `Config`."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    name: str = Field(description="The domain: the name of an installed plugin (`biasloop plugins`).")

    @property
    def settings(self) -> dict[str, Any]:
        """The plugin's keys."""
        return dict(self.model_extra or {})


LoopSection = Annotated[RuleSettings, PlainValidator(rules.settings_of)]
"""The section [loop]: settings of the rule that it names."""


class BoundSection(Strict):
    """Which metric the bound of Theorem 1 speaks of."""

    metric: str = Field(
        description="The metric that feedback moves, measured on predictions, or (given.NAME) on labels that models "
        "give samples of the reserve."
    )
    baseline: str = Field(
        description="The same statistic under true labels: a metric, constant over the run; of labels of the reserve "
        "given_truth.NAME."
    )
    train: str | None = Field(None, description="The same statistic on the training labels, for the per-round bound.")

    @property
    def of_labels(self) -> bool:
        """Whether the calibration error is measured on labels that models give, and not on test samples."""
        return self.metric.startswith(OF_GIVEN)

    def is_shown(self, series: Sequence[str]) -> bool:
        """Whether bias and bound stand for the metrics that a preset shows: it shows none, or that one first."""
        return not series or series[0] == self.metric

    @property
    def lag(self) -> int:
        """Rounds from a model to the round that measures it: labels are measured where they enter."""
        return int(self.of_labels)


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

    name: str = Field(description="The preset's, or the path of its file.")
    summary: str = Field("", description="What it runs, in a line of `biasloop presets`.")
    source: str = Field("", description="What it reproduces: a citation.")
    parameters: Literal["ours"] | None = Field(
        None, description='"ours" where the publication does not give the settings, so that these are a guess.'
    )
    also: list[str] | None = Field(
        None, description="What the publication, or its code, calls this setting; such a name means the preset."
    )
    compat: Literal["fixed", "released"] = Field(
        "fixed", description='"released" switches on every defect of the published code that changes numbers.'
    )
    seeds: str = Field("0", description='What the publication ran, for example "0-2".')
    domain: DomainSection
    loop: LoopSection
    grid: dict[str, list[Any]] = Field(
        default_factory=dict,
        description='Key -> list of values, such as "loop.human" = [20, 50]; every combination is a run.',
    )
    arms: dict[str, dict[str, Any]] | None = Field(None, description="Name -> what an arm has otherwise.")
    arm: str | None = Field(None, description="Which of a preset's arms this is; no key of a preset.")
    resources: Resources = Resources()
    selection: SelectionSettings | None = None
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
        if self.bound is None:
            return self
        try:
            known = self.loop.bound()
        except InvalidInput as error:
            raise ValueError(str(error)) from error
        if known is None:
            raise ValueError(
                f'[bound] needs a rule whose bound is known, and loop.rule is "{self.loop.rule}"; take [bound] out'
            )
        if self.selection is not None and self.selection.add_holdout:
            raise ValueError(
                "[bound] counts the training set from loop.start, and selection.add_holdout starts with more samples "
                "than that; take one of them out"
            )
        return self

    def identity(self, seed: int, *, domain: bool = True) -> dict[str, Any]:
        """All that determines the results of a run, and nothing else: what a resume compares.

        `loop.rounds` is not part of it, so a finished run can be extended; nor is [resources], though the last bits
        depend on threads: what a round was made with is recorded with it. Without `domain` that section is left out.
        """
        section = {"domain": _without_none(self.domain.model_dump())} if domain else {}
        loop = self.loop.model_dump(exclude_none=True, exclude={"rounds"})
        selection = {} if self.selection is None else {"selection": self.selection.identity()}
        return {"seed": seed, "compat": self.compat, **section, "loop": loop, **selection}

    def nesting(self) -> dict[str, Any]:
        """The resolved experiment in the nesting of a preset (`presets show NAME --json`)."""
        return _without_none(self.model_dump(mode="json"))


def _without_none(value: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(inner) if isinstance(inner, dict) else inner
        for key, inner in value.items()
        if inner is not None
    }
