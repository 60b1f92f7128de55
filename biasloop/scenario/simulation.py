"""A scenario played many times with chance: who is in the stream, which label each sample gets, how a fit comes out.

Every count is drawn (`drawing`): of the stream's samples, how many models have made, and which; how many pass
acceptance and detector; how many of each have the followed label. Labels of a model are drawn with the share that it
gives, cut to 0 to 1, where the recurrence goes straight on. Equal settings, number and seed give equal numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

from biasloop.contract.data import Floats, Ints
from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.scenario.arriving import arriving, error_of_labels, left, left_of_people
from biasloop.scenario.drawing import binomial, hypergeometric
from biasloop.scenario.settings import Scenario

MOST = 100_000  # simulations
MOST_DRAWN = 10**7  # rounds of all simulations together


@dataclass(frozen=True)
class Simulated:
    """Simulations of a scenario.

    Attributes:
        bias: `(simulations, rounds + 1)`, of the predictions, signed.
    """

    bias: Floats

    @property
    def mean(self) -> Floats:
        """`(rounds + 1,)`."""
        return np.asarray(self.bias.mean(axis=0), np.float64)

    @property
    def error(self) -> Floats:
        """`(rounds + 1,)` the standard error of the mean; NaN of one simulation."""
        if len(self.bias) == 1:
            return np.full(self.bias.shape[1], np.nan)
        return np.asarray(self.bias.std(axis=0, ddof=1) / np.sqrt(len(self.bias)), np.float64)

    def band(self, share: float = 0.95) -> tuple[Floats, Floats]:
        """`(rounds + 1,)` twice: between these ends lies the middle share of the simulations of each round."""
        tail = (1 - share) / 2
        low, high = np.quantile(self.bias, [tail, 1 - tail], axis=0)
        return np.asarray(low, np.float64), np.asarray(high, np.float64)

    def under(self, most: float) -> float:
        """The share of simulations whose bias keeps to a level in every round."""
        return float((np.abs(self.bias) <= most).all(axis=1).mean())


class _Samples:
    """Samples of one origin, simulation by simulation: how many, how many with the followed label, their weight."""

    def __init__(self, count: Ints, labelled: Ints, weight: float) -> None:
        self.count = count  # (simulations,)
        self.labelled = labelled  # (simulations,)
        self.weight = weight


def simulate(scenario: Scenario, simulations: int, seed: int, human: int | None = None) -> Simulated:
    """Play a scenario.

    Args:
        scenario: what was asked.
        simulations: how often, 1 to 100,000.
        seed: of all draws.
        human: samples that people label in round 1, in place of `human.samples`.

    Raises:
        InvalidInput: too many simulations, or a round has nothing to train on.
    """
    if not 1 <= simulations <= MOST or simulations * scenario.rounds > MOST_DRAWN:
        raise InvalidInput(
            f"{simulations:,} simulations of {scenario.rounds:,} rounds: expected 1 to {MOST:,}, and at most "
            f"{MOST_DRAWN:,} rounds together; give fewer"
        )
    return Simulated(_Play(scenario, simulations, seed, human).bias())


class _Play:
    """All simulations of a scenario, side by side."""

    def __init__(self, scenario: Scenario, simulations: int, seed: int, human: int | None) -> None:
        self.scenario = scenario
        self.simulations = simulations
        self.human = human
        self.generator = Streams((seed, "scenario")).generator()
        self.origins: list[_Samples] = []

    def bias(self) -> Floats:
        """`(simulations, rounds + 1)`."""
        scenario = self.scenario
        start = self._labelled(self._all(scenario.start), scenario.baseline + scenario.start_bias, 1.0)
        self.origins = [start]
        first = before = self._fitted(0)  # (share learnt, error of this fit) of the models of round 0 and t - 1
        biases = [self._predicted(before)]
        for t in range(1, scenario.rounds + 1):
            added = self._added(t, before, first)
            # What has one origin has one weight: round by round they are put together.
            self.origins = added if scenario.keep == "replace" else _together(self.origins, added)
            before = self._fitted(t)
            biases.append(self._predicted(before))
        return np.stack(biases, axis=1)

    def _all(self, count: int) -> Ints:
        return np.full(self.simulations, count, np.int64)

    def _labelled(self, count: Ints, share: Floats | float, weight: float) -> _Samples:
        """Samples whose labels are drawn with a share, cut to 0 to 1."""
        probability = np.clip(np.broadcast_to(np.asarray(share, np.float64), count.shape), 0, 1)
        return _Samples(count, binomial(self.generator, count, probability), weight)

    def _thinned(self, count: Ints, share: float) -> Ints:
        """How many of a number of samples are left where each is with a probability."""
        return count if share == 1 else binomial(self.generator, count, np.full(len(count), share))

    def _added(self, t: int, before: tuple[Floats, Floats], first: tuple[Floats, Floats]) -> list[_Samples]:
        """What round t brings, after filters: people's of the stream, people's for this purpose, each source's."""
        scenario, come = self.scenario, arriving(self.scenario, t, self.human)
        generated = self._thinned(self._all(come.stream), come.generated)
        by_people = self._thinned(self._all(come.stream) - generated, left_of_people(scenario))
        if scenario.human.instead_of == "generated":
            generated = np.maximum(generated - come.human, 0)
        added = [
            self._labelled(by_people, scenario.baseline, 1.0),
            self._labelled(self._all(come.human), scenario.baseline, scenario.human.weight),
        ]
        undivided, divided = 1.0, generated  # the sources' shares and samples that are still to be given out
        for source in scenario.sources:
            fraction = min(source.share / undivided, 1.0) if undivided > 0 else 0.0
            its = self._thinned(divided, fraction)
            undivided, divided = undivided - source.share, divided - its
            error = error_of_labels(source, scenario)
            if source.labelled_by == "other":
                share: Floats | float = scenario.baseline + error + source.drift * (t - 1)
            else:
                learnt, of_fit = before if source.labelled_by == "previous" else first
                share = learnt + error + of_fit
            added.append(self._labelled(self._thinned(its, left(source, scenario)), share, source.weight))
        return added

    def _fitted(self, t: int) -> tuple[Floats, Floats]:
        """What the model of round t learns: the share of its training set; and its fit's own error beside delta."""
        spread = self.scenario.model.spread
        of_fit = self.generator.normal(0, spread, self.simulations) if spread else np.zeros(self.simulations)
        origins = self._subsampled() if self.scenario.keep == "subsample" else self.origins
        weight = sum((origin.weight * origin.count for origin in origins), start=np.zeros(self.simulations))
        labelled = sum((origin.weight * origin.labelled for origin in origins), start=np.zeros(self.simulations))
        if not (weight > 0).all():
            raise InvalidInput(f"round {t} has nothing to train on in some simulations; expected more samples a round")
        return labelled / weight, of_fit

    def _subsampled(self) -> list[_Samples]:
        """As many samples as the start has, drawn from all: of each origin, with and without the followed label."""
        missing = self._all(self.scenario.start)
        rest = sum((origin.count for origin in self.origins), start=self._all(0))
        drawn = []
        for origin in self.origins:
            rest = rest - origin.count
            its = hypergeometric(self.generator, origin.count, rest, missing)
            labelled = hypergeometric(self.generator, origin.labelled, origin.count - origin.labelled, its)
            drawn.append(_Samples(its, labelled, origin.weight))
            missing = missing - its
        return drawn

    def _predicted(self, model: tuple[Floats, Floats]) -> Floats:
        """The bias of a model's predictions."""
        learnt, of_fit = model
        scenario = self.scenario
        return np.clip(learnt + scenario.model.delta + of_fit, 0, 1) - scenario.baseline


def _together(earlier: list[_Samples], added: list[_Samples]) -> list[_Samples]:
    """All samples, origin by origin: those of the start are people's, as the first of what a round adds."""
    padded = [*earlier, *(None for _ in added[len(earlier) :])]
    return [
        new if old is None else _Samples(old.count + new.count, old.labelled + new.labelled, new.weight)
        for old, new in zip(padded, added, strict=True)
    ]
