"""What a layout file of a figure may say: `presets/figures/NAME.toml`."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from biasloop.config import presets
from biasloop.config.strict import Strict
from biasloop.errors import InvalidInput
from biasloop.report.figures.lines import parse_look


class PanelLayout(Strict):
    """One panel of a figure whose panels show different metrics.

    A metric `tpr.*` stands for all that begin with `tpr.`, one series each; `population.share_group[1]` for the
    second of them. What STAR counted is `star.classifier.resampled` and `star.classifier.drawn.*`, and likewise of
    the generator.
    """

    title: str = ""
    y_label: str = ""
    metric: str | None = Field(None, description="What it shows.")
    metrics: dict[str, str] = Field(default_factory=dict, description="Or several: name in the legend -> metric.")
    show: Literal["value", "relative", "difference", "percent"] = Field(
        "value",
        description='"relative" to the round before; the "difference" between the largest and smallest series; '
        'or what "percent" of their sum the series are.',
    )
    lines: list[float] = Field(default_factory=list, description="Levels of guide lines.")
    stacked: bool = Field(False, description="Bars on top of each other instead of lines.")

    @model_validator(mode="after")
    def _check(self) -> "PanelLayout":
        if (self.metric is None) == (not self.metrics):
            raise ValueError("a panel needs `metric` or `metrics`, and not both")
        return self

    @property
    def named(self) -> dict[str, str]:
        """Metrics by their names in the legend."""
        return self.metrics or {"": str(self.metric)}


class Layout(Strict):
    """A figure: a panel for each of several presets (`rows`), or for each of several metrics (`panels`).

    The series of `panels` are `presets`; without any, the runs that a person names.
    """

    title: str = ""
    source: str = ""
    certainty: str = Field("", description="How sure it is that the published figure shows this.")
    rows: list[list[str]] = Field(default_factory=list, description="Preset names, row by row.")
    titles: list[list[str]] = Field(default_factory=list, description="Panel titles; default: the preset names.")
    metric: str | None = Field(None, description="Of `rows`: what they show; default: what the presets name.")
    metrics: list[str] = Field(default_factory=list, description="Or another metric in each of the `rows`.")
    baselines: list[str] = Field(
        default_factory=list,
        description="With `metrics`: of each the same statistic under human labels, which its bound starts from.",
    )
    x_label: str = "Feedback round"
    y_labels: list[str] = Field(default_factory=list)
    presets: list[str] = Field(default_factory=list, description="Of `panels`: the presets that are compared.")
    labels: list[str] = Field(default_factory=list, description="What the legend calls the `presets`.")
    panels: list[list[PanelLayout]] = Field(default_factory=list, description="Panels of metrics, row by row.")
    looks: dict[str, str] = Field(default_factory=dict, description='Name in the legend -> look, as "red dashed".')
    shade_from: int | None = Field(None, ge=0, description="The round from which on the ground is grey.")
    x_limit: int | None = Field(None, ge=1, description="The last round shown.")

    @field_validator("looks")
    @classmethod
    def _known_looks(cls, looks: dict[str, str]) -> dict[str, str]:
        for look in looks.values():
            try:
                parse_look(look)
            except InvalidInput as error:
                raise ValueError(str(error)) from error
        return looks

    @model_validator(mode="after")
    def _check(self) -> "Layout":
        if bool(self.rows) == bool(self.panels):
            raise ValueError("a figure needs `rows` of presets or `panels` of metrics, and not both")
        if self.titles and [len(row) for row in self.titles] != [len(row) for row in self.rows]:
            raise ValueError("`titles` has other rows than `rows`")
        for key in ("y_labels", "metrics", "baselines"):
            if getattr(self, key) and len(getattr(self, key)) != len(self.rows):
                raise ValueError(f"`{key}` needs one entry for each of the `rows`")
        if self.metrics and self.metric:
            raise ValueError("a figure shows one `metric`, or `metrics` row by row, and not both")
        if self.baselines and not self.metrics:
            raise ValueError("`baselines` goes with `metrics`")
        if self.presets and self.rows:
            raise ValueError("`presets` goes with `panels`; in `rows` each panel names its own")
        if len(self.labels) != len(self.presets):
            raise ValueError("`labels` needs one label for each of the `presets`")
        if self.presets and any(panel.stacked for row in self.panels for panel in row):
            raise ValueError("`stacked` panels show one run and go without `presets`")
        return self

    def minis(self) -> "Layout":
        """The layout of the minis of its presets; what is known of the published rounds says nothing of theirs."""
        return self.model_copy(
            update={
                "rows": [[preset + presets.MINI for preset in row] for row in self.rows],
                "presets": [preset + presets.MINI for preset in self.presets],
                "source": scaled_down(self.source),
                "certainty": "",
                "shade_from": None,
            }
        )


def scaled_down(source: str) -> str:
    """What a mini's source is, given that of its preset or figure."""
    return f"after {source.removeprefix('after ')}, with small data and networks" if source else ""


def read(path: Path) -> Layout:
    """A layout file.

    Raises:
        InvalidInput: it is not valid; naming file and key.
    """
    try:
        return Layout.model_validate(presets.parse_toml(path))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "figure"
        raise InvalidInput(f"{path}: {key}: {first['msg'].removeprefix('Value error, ')}") from error
