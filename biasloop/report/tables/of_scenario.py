"""A scenario as tables, sentences and JSON: by round, by share of human labels, and what a level takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from biasloop.report.tables.formatting import MISSING, count, percent
from biasloop.scenario.planning import Outcome
from biasloop.scenario.settings import Scenario

if TYPE_CHECKING:
    from biasloop.scenario.simulation import Simulated

SHOWN = 11  # rounds of a table
LARGE = 10**7  # from which on a table has counts in millions, billions or trillions
_LETTERS = (("T", 10**12), ("B", 10**9), ("M", 10**6))
_SAME = 1e-9  # up to which bias and bound are the same number


@dataclass(frozen=True)
class Answer:
    """All that was worked out of a scenario.

    Attributes:
        name: of the scenario.
        scenario: as read.
        outcome: of the human labels asked for, or of those that the level takes.
        shares: what other shares of human labels would come to.
        level: the bias to keep to, or None.
        simulated: with chance, or None.
    """

    name: str
    scenario: Scenario
    outcome: Outcome
    shares: list[Outcome]
    level: float | None = None
    simulated: Simulated | None = None

    @property
    def bounded_apart(self) -> bool:
        """Whether errors of both signs make the bound another number than the expected bias."""
        course = self.outcome.course
        return any(abs(abs(a) - b) > _SAME for a, b in zip(course.bias, course.bound, strict=True))

    def as_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        course = self.outcome.course
        simulated = self.simulated
        low, high = (None, None) if simulated is None else simulated.band()
        rounds = [
            {
                "round": t,
                "train": course.train[t],
                "human": course.human[t],
                "generated": course.generated[t],
                "bias": course.bias[t],
                "bound": course.bound[t],
            }
            | (
                {}
                if simulated is None or low is None or high is None
                else {"simulated": {"mean": float(simulated.mean[t]), "se": float(simulated.error[t]),
                                    "low": float(low[t]), "high": float(high[t])}}
            )
            for t in range(len(course.bias))
        ]  # fmt: skip
        return {
            "scenario": self.name,
            "settings": self.scenario.model_dump(mode="json"),
            "rounds": rounds,
            "limit": course.limit,
            **_priced(self.outcome, self.scenario),
            "keep_under": self.level,
            "simulations": 0 if simulated is None else len(simulated.bias),
            "simulated_under": None if simulated is None or self.level is None else simulated.under(self.level),
            "shares": [
                {**_priced(other, self.scenario), "bias": other.course.bias[-1], "bound": other.course.bound[-1],
                 "limit": other.course.limit}
                for other in self.shares
            ],
        }  # fmt: skip


def _priced(outcome: Outcome, scenario: Scenario) -> dict[str, Any]:
    return {
        "human": outcome.human,
        "share": outcome.share,
        "amplification": outcome.amplification,
        "labels": outcome.labels,
        "cost": outcome.cost,
        "currency": scenario.human.currency or None,
    }


def by_round(answer: Answer) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of up to eleven rounds, first and last among them."""
    course, last, simulated = answer.outcome.course, answer.scenario.rounds, answer.simulated
    rounds = sorted({round(step * last / (SHOWN - 1)) for step in range(SHOWN)})
    columns = {
        "round": [str(t) for t in rounds],
        "train": _counts(round(course.train[t]) for t in rounds),
        "human": _counts(course.human[t] for t in rounds),
        "generated": _column(course.generated[t] for t in rounds),
        "bias": _column((course.bias[t] for t in rounds), signed=True),
    }
    if answer.bounded_apart:
        columns["bound"] = _column(course.bound[t] for t in rounds)
    if simulated is not None:
        ends = _column((float(end[t]) for end in simulated.band() for t in rounds), signed=True)
        pairs = zip(ends[: len(rounds)], ends[len(rounds) :], strict=True)
        columns["95 % of simulations"] = [f"{low} to {high}" for low, high in pairs]
    return list(columns), [list(row) for row in zip(*columns.values(), strict=True)]


def by_share(answer: Answer) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of shares of human labels; what the bias tends to is cut to what a share can be."""
    shares, scenario = answer.shares, answer.scenario
    limits = [_possible(other.course.limit, scenario) for other in shares]
    factors = [other.amplification for other in shares]
    columns = {
        "human": _column(other.share for other in shares),
        "labels a round": _counts(other.human for other in shares),
        "labels in all": _counts(other.labels for other in shares),
        "amplification": [MISSING if factor is None else f"{factor:,.3f}" for factor in factors],
        "at most": _column(other.course.bound[-1] for other in shares),
        "tends to": _column(limits, signed=True),
    }
    if scenario.human.price is not None:
        costs = _counts(round(other.cost or 0) for other in shares)
        del columns["labels in all"]  # the price of which is shown, and both would be too wide for a terminal
        columns[f"cost, {scenario.human.currency}" if scenario.human.currency else "cost"] = costs
    return list(columns), [list(row) for row in zip(*columns.values(), strict=True)]


def cost(outcome: Outcome, scenario: Scenario) -> str:
    """All human labels in the scenario's currency."""
    if outcome.cost is None:
        return MISSING
    written = f"{outcome.cost:,.2f}" if 0 < outcome.cost < 1000 else f"{outcome.cost:,.0f}"
    return f"{written} {scenario.human.currency}".rstrip()


def sentences(answer: Answer) -> list[str]:
    """What the numbers say."""
    told = [_last(answer), _tends(answer)]
    if answer.level is not None:
        told.insert(0, _keeps(answer))
    if answer.simulated is not None and answer.level is not None:
        told.insert(1, _of_simulations(answer.simulated, answer.level))
    beyond = _beyond(answer)
    return [*told, beyond] if beyond else told


def _keeps(answer: Answer) -> str:
    outcome, people, level = answer.outcome, answer.scenario.human, _percent(answer.level or 0.0)
    if outcome.human == 0:
        return f"no human label beside the stream's own is needed: the expected bias stays at or below {level}"
    grows = "" if people.growth == 1 else f" in round 1, and {people.growth:g} times as many in each further one,"
    paid = "" if outcome.cost is None else f", which cost {cost(outcome, answer.scenario)}"
    return (
        f"{outcome.human:,} human labels a round{grows} ({_percent(outcome.share)} of its new samples) keep the "
        f"expected bias at or below {level} up to round {answer.scenario.rounds:,}: "
        f"{outcome.labels:,} labels in all{paid}"
    )


def _of_simulations(simulated: Simulated, level: float) -> str:
    share = simulated.under(level)
    return f"of {len(simulated.bias):,} simulations {_percent(share)} keep to it in every round"


def _last(answer: Answer) -> str:
    outcome, delta = answer.outcome, answer.scenario.model.delta
    told = f"bias in round {answer.scenario.rounds:,}: {_signed(outcome.course.bias[-1])}"
    told += f", at most {_percent(outcome.course.bound[-1])}"
    if outcome.amplification is None:
        return told
    return f"{told}, which is {outcome.amplification:.4g} times the error of one model, {_signed(delta)}"


def _tends(answer: Answer) -> str:
    limit, scenario = answer.outcome.course.limit, answer.scenario
    if limit is None:
        return "if all went on as in the last round, the bias would grow until the share is 0 or 1"
    if _possible(limit, scenario) == limit:
        return f"if all went on as in the last round, the bias would tend to {_signed(limit)}"
    end = "none" if limit < 0 else "all"
    return f"if all went on as in the last round, {_percent(scenario.baseline)} of samples would become {end} of them"


def _beyond(answer: Answer) -> str:
    """That the straight line leaves what a share can be."""
    baseline, biases = answer.scenario.baseline, answer.outcome.course.bias
    outside = [t for t, bias in enumerate(biases) if not 0 <= baseline + bias <= 1]
    if not outside:
        return ""
    return (
        f"from round {outside[0]:,} on the expected share would be below 0 or above 1, which no share is: the "
        "recurrence is a straight line, and simulations stay within"
    )


def _possible(limit: float | None, scenario: Scenario) -> float | None:
    """The limit, cut to what leaves a share between 0 and 1."""
    return None if limit is None else min(max(limit, -scenario.baseline), 1 - scenario.baseline)


def _counts(numbers: Iterable[int]) -> list[str]:
    """Counts with their thousands apart; of a column of large ones in the letters that scenarios read."""
    values = list(numbers)
    smallest = min((value for value in values if value), default=0)
    if max(values) < LARGE or smallest < _LETTERS[-1][1]:
        return [count(value) for value in values]
    letter, times = next((letter, times) for letter, times in _LETTERS if smallest >= times)
    return [f"{value / times:,.2f} {letter}" if value else "0" for value in values]


def _column(shares: Iterable[float | None], *, signed: bool = False) -> list[str]:
    """Shares in percent, all with the decimals that show three digits of the smallest, up to three."""
    values = list(shares)
    decimals = _decimals([abs(value) for value in values if value])
    return [
        MISSING if value is None else f"{'+' if signed and value > 0 else ''}{percent(value, decimals)}"
        for value in values
    ]


def _decimals(magnitudes: Sequence[float]) -> int:
    if not magnitudes:
        return 0
    smallest, largest = (2 - _exponent(100 * end) for end in (min(magnitudes), max(magnitudes)))
    return max(1, min(smallest, 3), largest)


def _exponent(value: float) -> int:
    """The power of ten of the leading digit once rounded to three digits: 0.9999 is 1."""
    return int(f"{value:.2e}".partition("e")[2])


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def _signed(bias: float) -> str:
    return f"{100 * bias:+.4g} %"
