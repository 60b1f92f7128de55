"""What the `[domain.bias]` table of a preset may say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Merged = Annotated[list[Annotated[list[str], Field(min_length=1)]], Field(min_length=2)]


class Bias(BaseModel):
    """Classes merged into tasks, and a group of each image that depends on its task to a chosen degree."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    epsilon: Annotated[int | float, Field(ge=0, le=50)] | None = Field(
        None, description="Dependence of group and task in percent: 0 is none, 50 is that one tells the other."
    )
    attribute: Literal["inverted", "overlay"] = Field(
        "inverted",
        description='What makes the group: "inverted", colours that are inverted or not; "overlay", the class of '
        "another image that is blended in.",
    )
    eta: Annotated[int | float, Field(ge=0, le=100)] | None = Field(
        None, description="Of overlays: percent of the image that is blended in; 0 hides the group, 100 the task."
    )
    assignment: int = Field(
        0,
        ge=0,
        le=10_000,
        description="Which merge of the classes into tasks, and which draw of the training groups.",
    )
    task_count: int = Field(2, ge=2, description="Tasks that the classes are merged into, as equal as can be.")
    shuffled_by: Literal["python", "numpy"] = Field(
        "python",
        description='What shuffles classes into tasks: "python", as published; "numpy", as in its unused variant.',
    )
    tasks: Merged | None = Field(
        None,
        description="The merge itself: for each task the names of its classes; images of other classes are left out.",
    )
    groups: Merged | None = Field(
        None, description="Of overlays with tasks: for each group the names of the classes that are blended in."
    )
    probabilities: Literal["fixed", "shuffled", "evenly-spaced"] | list[Share] | list[list[Share]] = Field(
        "fixed",
        description='How likely the group is in each task: "fixed", 50 + epsilon percent in the tasks `high`, '
        '50 - epsilon in others; "shuffled", as many high tasks, drawn; "evenly-spaced", from 50 - epsilon to '
        "50 + epsilon; or a list, for each task the share of inverted images, or of the first group; with more groups "
        "a list of the shares of all groups.",
    )
    high: list[Annotated[int, Field(ge=0)]] = Field(
        default=[0], description='Numbers of the tasks, from 0, in which the group is likely; of "shuffled" how many.'
    )
    high_seed: int = Field(0, ge=0, description='Of "shuffled": seed of the draw.')
    swap: bool = Field(False, description="Exchange the roles: the model learns the group, tasks are the groups.")
    fraction: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None,
        description="Of inversion: share of each class that the pool keeps, as in the published training-size study; "
        "its groups are drawn anew, also for 1.",
    )
    own_test_lists: bool = Field(
        False, description="Draw the test set's groups anew for every assignment; as published all share one draw."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Bias:
        given, overlay = isinstance(self.probabilities, list), self.attribute == "overlay"
        wrong = {
            "set epsilon, or list the probabilities, and not both": given == (self.epsilon is not None),
            'eta (percent of the image blended in) goes with attribute = "overlay", which needs it': (
                overlay == (self.eta is None)
            ),
            'groups goes with attribute = "overlay" and tasks; of overlays set both or neither': (
                (self.groups is not None) != (self.tasks is not None) if overlay else self.groups is not None
            ),
            'fraction goes with attribute = "inverted"; for smaller sets of overlays set loop.start': (
                overlay and self.fraction is not None
            ),
            "set tasks (the merge itself), or how classes are merged (task_count, shuffled_by), and not both": (
                self.tasks is not None and not {"task_count", "shuffled_by"}.isdisjoint(self._changed())
            ),
            "overlays are of two tasks unless you name them: set tasks and groups, and not task_count or shuffled_by": (
                overlay and not {"task_count", "shuffled_by"}.isdisjoint(self._changed())
            ),
        }
        for message, broken in wrong.items():
            if broken:
                raise ValueError(message)
        return self

    def _changed(self) -> set[str]:
        """Settings that are not the defaults; a stored experiment has them all."""
        return {name for name, field in type(self).model_fields.items() if getattr(self, name) != field.default}
