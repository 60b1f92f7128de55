"""Gates: limits of what an evaluation measured, which end a command with an exit code of its own."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from biasloop.errors import InvalidInput, near
from biasloop.evaluations.result import EvaluationResult

On = Literal["value", "interval"]

# What a gate may name; a star stands for a value, or for a group.
_OVERALL = ("accuracy", "selection_rate", "tpr", "tnr", "fpr", "fnr")
AMPLIFICATION = ("bias_amp", "accuracy")
CALIBRATION = ("ece", "mce", "gap", "overconfidence", "accuracy", "confidence", "ece.*", "gap.*")
FAIRNESS = (
    "demographic_parity_difference", "equalized_odds_difference", "accuracy_difference", "demographic_parity_ratio",
    "equalized_odds_ratio", *_OVERALL, *(f"{rate}.*" for rate in _OVERALL),
)  # fmt: skip
SHARES = ("share.*", "(with --task) total_variation, largest_bias, bias.*")
SHARES_OF_TRUTH = ("total_variation", "largest_bias", "share.*", "bias.*")
"""Likewise where there are true labels."""


@dataclass(frozen=True)
class Gate:
    """A limit.

    Attributes:
        metric: of what.
        limit: the value, which itself passes.
        above: whether what is above it does not pass; else what is below.
    """

    metric: str
    limit: float
    above: bool = True

    @property
    def option(self) -> str:
        """That gave it."""
        return "--fail-above" if self.above else "--fail-below"

    def crossed(self, answer: EvaluationResult, on: On = "value") -> str:
        """A clause that says so where the gate was crossed, else nothing; a number that is missing passes none.

        Args:
            answer: what was measured.
            on: "interval": crossed where the 95 % interval lies beyond the limit from end to end, so that it is hardly
                by chance that the value does. A metric without an interval passes none.
        """
        value, ends = answer.number(self.metric)
        why = answer.reason.get(self.metric, "0/0")
        if math.isnan(value):
            return f"{self.metric} has no value ({why}), so it cannot pass {self.limit:g}"
        told = f"{self.metric} = {value:.6g}"
        if on == "interval":
            if math.isnan(ends[0]):
                return f"{told} has no interval, so it cannot pass {self.limit:g} with --gate-on interval"
            told = f"{told}, 95 % interval [{ends[0]:.6g}, {ends[1]:.6g}],"
            value = ends[0] if self.above else ends[1]
        if self.above:
            return f"{told} is above {self.limit:g}" if value > self.limit else ""
        return f"{told} is below {self.limit:g}" if value < self.limit else ""


@dataclass(frozen=True)
class Gates:
    """Limits, and what they are held against."""

    limits: tuple[Gate, ...] = ()
    on: On = "value"

    def crossed(self, answer: EvaluationResult) -> list[str]:
        """Which were crossed, a clause each, with the option that gave the limit."""
        told = ((gate, gate.crossed(answer, self.on)) for gate in self.limits)
        return [f"{clause} ({gate.option})" for gate, clause in told if clause]


def gates(
    above: Sequence[str], known: Sequence[str], *, below: Sequence[str] = (), on: str = "value"
) -> Gates:  # fmt: skip
    """Limits from METRIC=VALUE; of several for one metric the strictest.

    Args:
        above: what --fail-above was given.
        known: metrics; "share.*" is any that begins with "share.".
        below: what --fail-below was given.
        on: "value", or "interval".

    Raises:
        InvalidInput: if a text is not of that form, the metric is unknown, the value is not a number, or `on` is
            another word.
    """
    if on not in ("value", "interval"):
        raise InvalidInput(f'--gate-on {on}: expected "value" or "interval"')
    limits: dict[tuple[str, bool], Gate] = {}
    for texts, is_above in ((above, True), (below, False)):
        strictest = min if is_above else max
        for text in texts:
            gate = _parsed(text, known, above=is_above)
            earlier = limits.get((gate.metric, is_above), gate)
            limits[gate.metric, is_above] = strictest(gate, earlier, key=lambda each: each.limit)
    return Gates(tuple(limits.values()), "interval" if on == "interval" else "value")


def _parsed(text: str, known: Sequence[str], *, above: bool) -> Gate:
    option = Gate("", 0.0, above).option
    name, _, value = text.rpartition("=") if "=" in text else (text, "", "")
    if not _is_known(name, known):
        names = ", ".join(known)
        hint = near(name, names.replace("(with --task) ", "").split(", "))
        raise InvalidInput(f"{option} {text}: expected METRIC=VALUE with a metric of {names}{hint}")
    try:
        limit = float(value)
    except ValueError:
        limit = math.nan
    if math.isnan(limit):
        raise InvalidInput(f"{option} {text}: {value!r} is not a number; write {name}=0.05, for example")
    return Gate(name, limit, above)


def _is_known(name: str, known: Sequence[str]) -> bool:
    return not name.endswith("*") and any(
        name.startswith(each[:-1]) if each.endswith(".*") else name == each for each in known
    )
