"""The section [selection] of a preset: which samples of a candidate batch the models of a run learn from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from biasloop.config.strict import Strict
from biasloop.contract.selection import Best, Scoring


class IrreducibleSettings(Strict):
    """How irreducible losses come about: those of models that human-labelled holdout samples alone have taught."""

    models: Literal["each", "heads"] = Field(
        "each",
        description='Of selectors that need a loss for each category: "each", a model a category, as published; '
        '"heads", one trunk with a head a category.',
    )
    gamma: float = Field(
        9.0,
        ge=0,
        description="In a category's model its samples weigh 1 + gamma (published: 9 for images, 4 for text).",
    )
    twins: int = Field(
        0,
        ge=0,
        description="Instead of a holdout, so many models, each taught by the first training set without its own part "
        "of ids, of which it gives the losses (2 or more).",
    )
    domain: dict[str, Any] = Field(
        default_factory=dict,
        description='Settings of [domain] in place of the run\'s for these models, such as { network = "small-cnn" }.',
    )

    updating: float | None = Field(
        None,
        gt=0,
        description="Factor on the learning rate by which these models go on learning from what is selected "
        "(published: 0.01), so that losses are theirs of candidates at every step; of selectors "
        '"rho" and "fixed-weights".',
    )

    @model_validator(mode="after")
    def _check(self) -> IrreducibleSettings:
        if self.twins and self.updating is not None:
            raise ValueError(
                "`twins` have losses of their own part alone, and with `updating` every model has those of all "
                "candidates; set one of the two"
            )
        if self.twins == 1:
            raise ValueError("`twins = 1` would score samples by the model that they taught; set 0, or 2 or more")
        return self


class SelectionSettings(Strict):
    """Which samples of every candidate batch, `domain.batch_size` of them, are learnt from."""

    name: str = Field(description="The selector: one of `biasloop plugins`.")
    share: float = Field(
        0.1, gt=0, le=1, description="Share of the candidates that is selected, k / n_B; at least one of each batch."
    )
    options: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="For each selector by its name, its options; those of others are not read, so that a grid over "
        "selection.name can set them all.",
    )
    scoring: Scoring = Field(
        "eval",
        description='Score candidates in evaluation mode, which changes nothing; or "train", as released, with batch '
        "statistics and dropout of the candidates.",
    )
    refresh: int = Field(1, ge=1, description="Epochs from one look at the holdout's losses to the next.")
    best: Best = Field(
        "last",
        description="Which epoch's model a fit gives: the last one's, or that of the highest accuracy on the holdout, "
        'or of the highest accuracy of the holdout\'s worst category ("worst_class").',
    )
    judge: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of the holdout that no model learns from and `best` is measured on; 0: on all of it.",
    )
    add_holdout: bool = Field(
        False,
        description="Train on the holdout's samples too, from the start: the control at equal human labels. Of "
        "selectors that need none.",
    )
    proxy: dict[str, Any] | None = Field(
        None, description="Settings of [domain] that a model beside is trained by, which scores in the model's place."
    )
    irreducible: IrreducibleSettings = IrreducibleSettings()

    def identity(self) -> dict[str, Any]:
        """All that determines results: options of the selector alone."""
        settings = self.model_dump(mode="json", exclude_none=True)
        return settings | {"options": {self.name: self.options.get(self.name, {})}}
