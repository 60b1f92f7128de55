"""Options of selectors, the entry points of the group `biasloop.selectors`; imports no torch.

Each class is a selector of `biasloop.training.selection`, whose arithmetic it imports when it first selects. A selector
that a distribution of somebody else declares is such a class as well.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from biasloop.contract.selection import CLASS_IRREDUCIBLE, HOLDOUT, IRREDUCIBLE, LOGITS, LOSSES, PASSES
from biasloop.errors import InvalidInput

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from biasloop.training.selection import Candidates, Selected


class Options(BaseModel):
    """What all selectors are: no unknown options, no silent conversions, and a state that most do not have."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True, allow_inf_nan=False)

    def start(self, categories: int) -> list[float]:
        """No state."""
        return []


class OfLosses(Options):
    """Selectors that need no passes with dropout."""

    passes: ClassVar[int] = 0


class OfPasses(Options):
    """Selectors by what a model predicts in several passes with dropout."""

    needs: ClassVar[frozenset[str]] = frozenset({PASSES})
    passes: int = Field(10, ge=1, description="Passes with dropout that predictions are compared over.")


class Uniform(OfLosses):
    """Any samples: plain training on k of n_B candidates, and on all of them in their order where `share` is 1."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def select(self, candidates: Candidates, k: int, state: Tensor, generator: torch.Generator) -> Selected:
        """K of the candidates; see `selection.Selector.select`."""
        from biasloop.training import selection

        return selection.uniform(candidates, k, state, generator)


class TrainLoss(OfLosses):
    """Samples that the model loses much on (Loshchilov & Hutter 2016, arXiv 1511.06343, equation 2).

    By rank, k are drawn without replacement with p_i proportional to exp(log(s) / n)^-i, where the highest loss has
    i = 0: the baseline of Bankes et al. 2024.
    """

    needs: ClassVar[frozenset[str]] = frozenset({LOSSES})
    by: Literal["rank", "top"] = Field("rank", description="Draw by the rank of the loss, or take the highest losses.")
    pressure: float = Field(
        100.0, ge=1, description="s: how many times likelier the highest loss is drawn than the lowest, by rank."
    )

    def select(self, candidates: Candidates, k: int, state: Tensor, generator: torch.Generator) -> Selected:
        """K of the candidates; see `selection.Selector.select`."""
        from biasloop.training import selection

        return selection.train_loss(candidates, k, state, generator, by=self.by, pressure=self.pressure)


class GradientNorm(OfLosses):
    """The largest gradients, by their norm at the logits, |softmax - one-hot|.

    It is an upper bound of a sample's gradient (Katharopoulos & Fleuret 2018, arXiv 1803.00942); the released code of
    Mindermann et al. 2022 (arXiv 2206.07137) takes the k highest.
    """

    needs: ClassVar[frozenset[str]] = frozenset({LOSSES, LOGITS})

    def select(self, candidates: Candidates, k: int, state: Tensor, generator: torch.Generator) -> Selected:
        """K of the candidates; see `selection.Selector.select`."""
        from biasloop.training import selection

        return selection.gradient_norm(candidates, k, state, generator)


class GradientNormSampling(OfLosses):
    """Importance sampling (Katharopoulos & Fleuret 2018, arXiv 1803.00942): unbiased, with less variance.

    k are drawn with replacement with p_i proportional to the norm of the gradient at the logits, and weigh
    1 / (n_B p_i), so that the mean of weighted losses is expected to be that of all candidates.
    """

    needs: ClassVar[frozenset[str]] = frozenset({LOSSES, LOGITS})

    def select(self, candidates: Candidates, k: int, state: Tensor, generator: torch.Generator) -> Selected:
        """K of the candidates; see `selection.Selector.select`."""
        from biasloop.training import selection

        return selection.gradient_norm_sampling(candidates, k, state, generator)


class Irreducible(OfLosses):
    """Samples that a model of the holdout loses least on (Mindermann et al. 2022, arXiv 2206.07137, a baseline)."""

    needs: ClassVar[frozenset[str]] = frozenset({IRREDUCIBLE})

    def select(self, candidates: Candidates, k: int, state: Tensor, generator: torch.Generator) -> Selected:
        """K of the candidates; see `selection.Selector.select`."""
        from biasloop.training import selection

        return selection.irreducible(candidates, k, state, generator)


class Rho(OfLosses):
    """Loss less irreducible loss, the highest k (RHO-LOSS: Mindermann et al. 2022, arXiv 2206.07137, equation 3).

    Noise and what is learnt already score low. Nothing is clipped.
    """

    needs: ClassVar[frozenset[str]] = frozenset({LOSSES, IRREDUCIBLE})

    def select(self, candidates: Candidates, k: int, state: Tensor, generator: torch.Generator) -> Selected:
        """K of the candidates; see `selection.Selector.select`."""
        from biasloop.training import selection

        return selection.rho(candidates, k, state, generator)


class BoltzmannRho(OfLosses):
    """Drawn with replacement by softmax((loss - irreducible loss) / temperature).

    From the released code of Mindermann et al. 2022 (arXiv 2206.07137), whose linear schedule adds the same to the
    temperature every epoch, and whose geometric one multiplies it; here they are told by where they end.
    """

    needs: ClassVar[frozenset[str]] = frozenset({LOSSES, IRREDUCIBLE})
    temperature: float = Field(0.25, gt=0, description="Of the first epoch; the lower, the closer to `rho`.")
    schedule: Literal["fixed", "linear", "geometric"] = Field(
        "fixed", description="How the temperature goes to `last`: not at all, by equal steps, or by equal factors."
    )
    last: float | None = Field(None, gt=0, description="Temperature that a schedule ends at, and stays at.")
    over: int | None = Field(None, ge=1, description="Epochs from the first to the one that has the last temperature.")

    @model_validator(mode="after")
    def _ends(self) -> BoltzmannRho:
        if self.schedule != "fixed" and (self.last is None or self.over is None):
            raise ValueError(f"a {self.schedule} schedule needs `last` and `over`; set both, or schedule to 'fixed'")
        return self

    def temperature_at(self, epoch: int) -> float:
        """Of an epoch, counted from 0."""
        if self.schedule == "fixed" or self.last is None or self.over is None:
            return self.temperature
        passed = min(1.0, epoch / self.over)
        if self.schedule == "linear":
            return self.temperature + (self.last - self.temperature) * passed
        return self.temperature * math.pow(self.last / self.temperature, passed)

    def select(self, candidates: Candidates, k: int, state: Tensor, generator: torch.Generator) -> Selected:
        """K of the candidates; see `selection.Selector.select`."""
        from biasloop.training import selection

        temperature = self.temperature_at(candidates.epoch)
        return selection.boltzmann_rho(candidates, k, state, generator, temperature=temperature)


class Reducr(OfLosses):
    """The highest excess over class-irreducible losses, weighted by category (REDUCR: Bankes et al. 2024).

    score = sum over c of w_c max(0, loss - irreducible loss_c). Of the k selected, alpha_c = sum of excess_c - holdout
    loss_c, and w_c is multiplied by exp(-eta alpha_c) (algorithm 1): a category whose holdout loses much comes to weigh
    more. Weights are equal when a fit begins, and nothing is ever forgotten. The released code subtracts the holdout
    loss once per selected sample; the paper's notation (arXiv 2312.00486) reads as once.
    """

    eta: float = Field(
        1e-4, ge=0, description="How fast weights change; it has no scale: it depends on k and on how large losses are."
    )
    per_point: bool = Field(
        False, description="Divide alpha by k, so that weights change as fast whatever k is: eta is then of a sample."
    )
    weight_floor: float = Field(
        0.0, ge=0, lt=1, description="Every category weighs at least this share of 1 / C: (1 - floor) w + floor / C."
    )
    holdout_term: Literal["per_selected", "once"] = Field(
        "per_selected", description="Subtract the holdout loss for each selected sample, as released, or once a step."
    )
    model_loss: bool = Field(
        True, description="Score by the model's loss; without it, `clip` makes every score 0, so that chance selects."
    )
    irreducible: bool = Field(
        True, description="Subtract class-irreducible losses; without, all categories score alike."
    )
    holdout: bool = Field(True, description="Subtract holdout losses from alpha.")
    clip: bool = Field(True, description="An excess below 0 counts as 0.")

    @model_validator(mode="after")
    def _scores_by_something(self) -> Reducr:
        if not (self.model_loss or self.irreducible):
            raise ValueError("without model_loss and without irreducible nothing is left to score by; set one to true")
        return self

    @property
    def needs(self) -> frozenset[str]:
        """By what the flags leave."""
        asked = {LOSSES: self.model_loss, CLASS_IRREDUCIBLE: self.irreducible, HOLDOUT: self.holdout}
        return frozenset(name for name, needed in asked.items() if needed)

    def start(self, categories: int) -> list[float]:
        """`(C,)` zeros: the sum of alpha, of which weights are the softmax."""
        return [0.0] * categories

    def select(self, candidates: Candidates, k: int, state: Tensor, generator: torch.Generator) -> Selected:
        """K of the candidates; see `selection.Selector.select`."""
        from biasloop.training import selection

        return selection.reducr(
            candidates,
            k,
            state,
            generator,
            eta=self.eta,
            model_loss=self.model_loss,
            irreducible=self.irreducible,
            holdout=self.holdout,
            clip=self.clip,
            holdout_term=self.holdout_term,
            per_point=self.per_point,
            weight_floor=self.weight_floor,
        )


class Payoff(OfLosses):
    """The highest of the least payoffs, min over c of loss - irreducible loss_c - holdout loss_c.

    Algorithm 4 of Bankes et al. 2024 (arXiv 2312.00486), which does worse there than `reducr`.
    """

    needs: ClassVar[frozenset[str]] = frozenset({LOSSES, CLASS_IRREDUCIBLE, HOLDOUT})

    def select(self, candidates: Candidates, k: int, state: Tensor, generator: torch.Generator) -> Selected:
        """K of the candidates; see `selection.Selector.select`."""
        from biasloop.training import selection

        return selection.payoff(candidates, k, state, generator)


class FixedWeights(OfLosses):
    """Payoffs weighted by category with weights that stay (released code of Bankes et al. 2024).

    score = sum over c of w_c (loss - irreducible loss_c - holdout loss_c). Categories of weight 0 are left out, so that
    weight 1 on one category says what adaptive weights are worth.
    """

    needs: ClassVar[frozenset[str]] = frozenset({LOSSES, CLASS_IRREDUCIBLE, HOLDOUT})
    weights: list[Annotated[float, Field(ge=0)]] = Field(
        min_length=1, description="Of each category, in their order; they are divided by their sum."
    )
    clip: bool = Field(False, description="An excess below 0 counts as 0, before the holdout loss is subtracted.")
    sampler: Literal["top", "power", "softmax", "rank"] = Field(
        "top",
        description="Take the highest, or draw without replacement: by (score + |lowest|)^beta, by exp(beta score), or "
        "by rank^-beta.",
    )
    beta: float = Field(1.0, gt=0, description="How much likelier a higher score is drawn.")

    @model_validator(mode="after")
    def _weighs_something(self) -> FixedWeights:
        if not sum(self.weights) > 0:
            raise ValueError("all weights are 0; give at least one category a weight above 0")
        return self

    def start(self, categories: int) -> list[float]:
        """`(C,)` weights that sum to 1.

        Raises:
            InvalidInput: there are more weights or fewer than categories.
        """
        if len(self.weights) != categories:
            raise InvalidInput(
                f"weights of the selector 'fixed-weights' are {len(self.weights)}, for {categories} categories; "
                "set selection.options.fixed-weights.weights to one number for each"
            )
        return [weight / sum(self.weights) for weight in self.weights]

    def select(self, candidates: Candidates, k: int, state: Tensor, generator: torch.Generator) -> Selected:
        """K of the candidates; see `selection.Selector.select`."""
        from biasloop.training import selection

        return selection.fixed_weights(
            candidates, k, state, generator, clip=self.clip, sampler=self.sampler, beta=self.beta
        )


class Entropy(OfPasses):
    """The highest entropy of the mean prediction over passes with dropout; no label is looked at.

    A baseline of Mindermann et al. 2022 (arXiv 2206.07137), like the three that follow; in their released code only
    dropout layers are in training mode.
    """

    def select(self, candidates: Candidates, k: int, state: Tensor, generator: torch.Generator) -> Selected:
        """K of the candidates; see `selection.Selector.select`."""
        from biasloop.training import selection

        return selection.entropy(candidates, k, state, generator)


class ConditionalEntropy(OfPasses):
    """The highest mean entropy of predictions over passes with dropout; no label is looked at."""

    def select(self, candidates: Candidates, k: int, state: Tensor, generator: torch.Generator) -> Selected:
        """K of the candidates; see `selection.Selector.select`."""
        from biasloop.training import selection

        return selection.conditional_entropy(candidates, k, state, generator)


class Bald(OfPasses):
    """The highest entropy of the mean less mean entropy (BALD: Houlsby et al. 2011, arXiv 1112.5745)."""

    def select(self, candidates: Candidates, k: int, state: Tensor, generator: torch.Generator) -> Selected:
        """K of the candidates; see `selection.Selector.select`."""
        from biasloop.training import selection

        return selection.bald(candidates, k, state, generator)


class LossMinusConditionalEntropy(OfPasses):
    """The highest mean loss less mean entropy of predictions over passes with dropout."""

    def select(self, candidates: Candidates, k: int, state: Tensor, generator: torch.Generator) -> Selected:
        """K of the candidates; see `selection.Selector.select`."""
        from biasloop.training import selection

        return selection.loss_minus_conditional_entropy(candidates, k, state, generator)
