"""How many human labels a round keep the bias below a level, what they cost, and what other shares would do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from biasloop.bound import MOST
from biasloop.errors import BiasloopError, InvalidInput
from biasloop.scenario.arriving import arriving
from biasloop.scenario.recurrence import Course, bound_of, course
from biasloop.scenario.settings import Scenario, largest_sum
from biasloop.scenario.simulation import simulate

SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)


@dataclass(frozen=True)
class Outcome:
    """What a number of human labels a round comes to.

    Attributes:
        human: in round 1.
        share: of the samples of round 1, before filters.
        course: the scenario with them.
        labels: of all rounds.
        cost: of all labels, in the scenario's currency; None without a price.
        amplification: the last round's bound over the magnitude of delta; None where delta is 0.
    """

    human: int
    share: float
    course: Course
    labels: int
    cost: float | None
    amplification: float | None


@dataclass(frozen=True)
class Chance:
    """A part of all simulations that have to keep to a level.

    Attributes:
        confidence: the share of simulations, 0 to 1.
        simulations: how many there are.
        seed: of all their draws.
    """

    confidence: float
    simulations: int
    seed: int

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1:
            raise InvalidInput(f"the confidence must be between 0 and 1 (100 %), not {self.confidence:g}")

    @property
    def words(self) -> str:
        """For messages."""
        return f" in {100 * self.confidence:.4g} % of simulations"

    def holds(self, scenario: Scenario, human: int, most: float) -> bool:
        """Whether so many simulations keep to a level in every round."""
        return simulate(scenario, self.simulations, self.seed, human).under(most) >= self.confidence


def outcome(scenario: Scenario, human: int | None = None) -> Outcome:
    """Of a number of samples that people label in round 1, `human.samples` unless given.

    Raises:
        InvalidInput: as `course`.
    """
    labelled = scenario.human.samples if human is None else human
    by_round = course(scenario, labelled)
    labels, price, delta = sum(by_round.human), scenario.human.price, abs(scenario.model.delta)
    new = _new(scenario, labelled)
    return Outcome(
        labelled,
        labelled / new if new else 0.0,
        by_round,
        labels,
        None if price is None else labels * price,
        by_round.bound[-1] / delta if delta else None,
    )


def by_share(scenario: Scenario, shares: Sequence[float] = SHARES) -> list[Outcome]:
    """What other shares of human labels among the samples of round 1 would do.

    Those that `human.growth` takes beyond what can be counted are left out.
    """
    counts = [_of_share(scenario, share) for share in shares]
    possible = [human for human in dict.fromkeys(counts) if _countable(scenario, human) and _trains(scenario, human)]
    return [outcome(scenario, human) for human in possible]


def _varies(scenario: Scenario) -> str:
    """How much the error of one model varies, for messages."""
    spread = scenario.model.spread
    return f", with a spread of {100 * spread:.4g} %" if spread else ""


def _new(scenario: Scenario, human: int) -> int:
    """Samples of round 1."""
    stream = arriving(scenario, 1).stream
    return stream if scenario.human.instead_of == "generated" else stream + human


def _of_share(scenario: Scenario, share: float) -> int:
    """How many human labels are a share of the samples of round 1."""
    stream = arriving(scenario, 1).stream
    return round(stream * share if scenario.human.instead_of == "generated" else stream * share / (1 - share))


def _countable(scenario: Scenario, human: int) -> bool:
    return scenario.start + largest_sum(human, scenario.human.growth, scenario.rounds) <= MOST


def _trains(scenario: Scenario, human: int) -> bool:
    """Whether every round has something to train on."""
    return scenario.keep != "replace" or human > 0 or scenario.stream.samples > 0


def smallest_human(scenario: Scenario, most: float, chance: Chance | None = None) -> int:
    """The fewest human labels in round 1 that keep the bias at or below a level in every round.

    Without chance it is the bound that is kept there, which never rises with that number: more human labels lower the
    share of what models have given in every round. So bisection finds the smallest one. With chance it is the bias of
    most simulations, all of one seed, for which that holds up to their noise. Further rounds have `human.growth` times
    as many labels each.

    Args:
        scenario: what was asked.
        most: the level, 0 to 1.
        chance: what simulations have to say as well.

    Raises:
        BiasloopError: no number of human labels suffices.
        InvalidInput: the level is out of range.
    """
    if not 0 < most <= 1:
        raise InvalidInput(f"the bias to stay under must be above 0 and at most 1 (100 %), not {most:g}")
    first = abs(scenario.start_bias) + abs(scenario.model.delta)
    if first > most:
        raise BiasloopError(
            f"the model of round 0 alone has a bias of up to {100 * first:.4g} %, before anything is fed back, which "
            f"is above {100 * most:.4g} %: no number of human labels a round changes that, only a better model or start"
        )

    def holds(human: int) -> bool:
        return bound_of(scenario, human) <= most and (chance is None or chance.holds(scenario, human, most))

    low = 0 if _trains(scenario, 0) else 1
    if holds(low):
        return low
    high = 1
    while not holds(high):
        high *= 2
        if not _countable(scenario, high):
            raise BiasloopError(
                f"no number of human labels up to {MOST:,} keeps the bias at or below {100 * most:.4g} %"
                f"{chance.words if chance else ''}, where one model alone has up to "
                f"{100 * abs(scenario.model.delta):.4g} %{_varies(scenario)}; allow more, or use a better model"
            )
    low = high // 2 if high > 1 else low
    while high - low > 1:  # holds(high) and not holds(low)
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
