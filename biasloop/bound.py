"""The bound on bias amplification: Theorem 1 of "Data Feedback Loops" (Taori & Hashimoto, 2022).

A training set of n_0 = `start` samples grows every round by m = `human` human-labelled and k = `model`
model-labelled samples: n_t = n_0 + t (m + k). If one fit moves the statistic away from its share in the
training set by at most delta, the bias of the predictions of round t is at most B_t = delta (1 + V_t),
where V_t is

    the sum over i = 1..t of (k / n_i) times the product over j = i+1..t of (n_j - m) / n_j.

Here V_t comes from the recurrence V_t = ((n_t - m) V_{t-1} + k) / n_t, which makes the whole curve O(T).

Where a round replaces the training set instead of adding to it (`replace=True`), nothing old remains and
the same argument gives the recurrence with n_t = m + k throughout: the same limit, reached geometrically.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from biasloop.errors import BiasloopError, InvalidInput

if TYPE_CHECKING:  # the calculator of the command line answers before NumPy is loaded
    from biasloop.contract.data import Floats

MOST = 10**15  # samples; beyond some 10^16 a computer's numbers leave out every other whole one
MOST_ROUNDS = 1_000_000  # of a curve, which has a value for each
MOST_SOLVED = 10_000  # rounds for which the fewest samples are looked for, with exact fractions
_SCALE = 2**256  # of fixed-point numbers
_COUNTED = 100_000  # rounds that are stepped through one by one before the asymptotic form takes over


def factors(start: int, human: int, model: int, rounds: int, *, replace: bool = False) -> list[float]:
    """Amplification factors 1 + V_t of the initial calibration error, for t = 0 to `rounds`.

    Args:
        start: n_0, samples the first round trains on; >= 0.
        human: m, human-labelled samples a round; >= 0.
        model: k, model-labelled samples a round; >= 0.
        rounds: T, the index of the last round; >= 0.
        replace: whether a round trains on the newest m + k samples alone.

    Returns:
        One factor for each of the rounds 0 to T; never below 1, never decreasing.

    Raises:
        InvalidInput: if an argument is out of range, or the training set of round 1 would be empty.
    """
    _check(start, human, model, rounds)
    curve = [1.0]
    size, growth = _sizes(start, human, model, replace=replace)
    excess, m, k = 0.0, float(human), float(model)
    for _ in range(rounds):
        size += growth
        excess += (k - m * excess) / size
        curve.append(1 + excess)
    return curve


def amplification_curve(start: int, human: int, model: int, rounds: int, *, replace: bool = False) -> Floats:
    """`factors` as an array, `(rounds + 1,)`."""
    import numpy as np

    return np.array(factors(start, human, model, rounds, replace=replace))


def bound(start: int, human: int, model: int, delta: float, rounds: int, *, replace: bool = False) -> Floats:
    """The bound B_t on the bias of the predictions; a negative `delta` mirrors it.

    Args:
        start: n_0, samples the first round trains on.
        human: m, human-labelled samples a round.
        model: k, model-labelled samples a round.
        delta: calibration error of the first round: share in the predictions minus the baseline share.
        rounds: T, the index of the last round.
        replace: whether a round trains on the newest m + k samples alone.

    Returns:
        `(rounds + 1,)`; add the baseline to compare with measured shares.

    Raises:
        InvalidInput: as `amplification_curve`, and if `delta` is not finite.
    """
    _check_delta(delta)
    return delta * amplification_curve(start, human, model, rounds, replace=replace)


def limit(human: int, model: int, delta: float = 1.0) -> float | None:
    """What the bound tends to as rounds go on: delta (m + k) / m, whatever the size at the start.

    Returns:
        The limit, or None where the bound grows without end (no human labels: like the logarithm of the
        rounds, or linearly if every round replaces the training set).

    Raises:
        InvalidInput: if a count is negative or `delta` is not finite.
    """
    _check_counts(human=human, model=model)
    _check_delta(delta)
    if model == 0 or delta == 0:
        return delta
    return delta * (human + model) / human if human else None


def rounds_to_half(start: int, human: int, model: int) -> int | None:
    """The first round at which half of the excess over delta is reached: V_t >= k / (2 m).

    The rest of the excess, P_t = 1 - V_t m / k, is the product of 1 - m / n_j for j = 1..t. It is counted
    through for 100,000 rounds; beyond that, where it falls like (t + n_0 / (m + k) + (1 - p) / 2) to the
    power -p with the human fraction p = m / (m + k), it is solved for t.

    Returns:
        The round; 0 if nothing is model-labelled; None if it never comes, or not within 10^300 rounds.

    Raises:
        InvalidInput: as `amplification_curve`.
    """
    _check(start, human, model, 0)
    if model == 0:
        return 0
    if human == 0:
        return None
    size, rest = float(start), 1.0
    for t in range(1, _COUNTED + 1):
        size += human + model
        rest *= 1 - human / size
        if rest <= 0.5:
            return t
    fraction = human / (human + model)
    offset = start / (human + model) + (1 - fraction) / 2
    exponent = math.log10(_COUNTED + offset) + math.log10(2 * rest) / fraction
    return math.ceil(10**exponent - offset) if exponent < 300 else None


def smallest_human(
    start: int,
    *,
    max_amplification: float,
    rounds: int | None = None,
    model: int | None = None,
    per_round: int | None = None,
) -> int:
    """The fewest human-labelled samples a round that keep the amplification factor at or below a maximum.

    The factor never rises with m (for a fixed k, and for a fixed m + k), so bisection finds the smallest one.
    Near equality the factor is compared as an exact fraction, and `max_amplification` means the decimal
    number that it prints as: 1.2 is 12/10.

    Args:
        start: n_0, samples the first round trains on.
        max_amplification: the largest factor B_T / delta allowed; >= 1.
        rounds: T, the index of the last round; None for however many.
        model: k, model-labelled samples a round; give this or `per_round`.
        per_round: m + k, samples a round; give this or `model`.

    Raises:
        BiasloopError: if no number of human-labelled samples suffices.
        InvalidInput: if an argument is out of range, or `model` and `per_round` are both given or both
            lacking.
    """
    if (model is None) == (per_round is None):
        raise InvalidInput("give either the model-labelled samples a round or all samples a round, not both or neither")
    if not (math.isfinite(max_amplification) and max_amplification >= 1):
        raise InvalidInput(f"the largest amplification must be a finite number >= 1, not {max_amplification}")
    _check_counts(start=start, model=model or 0, per_round=per_round or 0)
    _check_rounds(rounds or 0, MOST_SOLVED)
    if start == 0 and per_round == 0:
        raise InvalidInput("the training set stays empty: start or the samples a round must be above 0")
    target = Fraction(str(max_amplification))

    def holds(human: int) -> bool:
        labelled = (per_round or 0) - human if model is None else model
        return _at_most(target, start, human, labelled, rounds)

    low = 1 if start == 0 and model == 0 else 0
    if holds(low):
        return low
    if model is not None and target == 1:
        raise BiasloopError(
            f"no number of human-labelled samples keeps the amplification at 1 while {model:,} samples a "
            "round are model-labelled; allow more than 1, or no model-labelled samples"
        )
    high = math.ceil(model / (target - 1)) if model is not None else per_round or 0
    while high - low > 1:  # holds(high) and not holds(low)
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def per_round_bound(
    start: int, human: int, model: int, deltas: Sequence[float] | Floats, *, replace: bool = False
) -> Floats:
    """The bound with a calibration error measured in every round, instead of the first one for all.

    With beta_0 = 0, beta_t = ((n_t - m) beta_{t-1} + k delta_{t-1}) / n_t bounds the bias of the training set
    of round t, and alpha_t = beta_t + delta_t that of its predictions. Magnitudes of delta give a bound;
    signed deltas give the bias to expect. Equal deltas give `bound`.

    Args:
        start: n_0, samples the first round trains on.
        human: m, human-labelled samples a round.
        model: k, model-labelled samples a round.
        deltas: `(rounds + 1,)`, share in the predictions minus share in the training set, by round.
        replace: whether a round trains on the newest m + k samples alone.

    Returns:
        alpha, `(rounds + 1,)`.

    Raises:
        InvalidInput: as `amplification_curve`, and if a delta is not finite or there is none.
    """
    import numpy as np

    measured = np.asarray(deltas, np.float64)
    if measured.ndim != 1 or not len(measured):
        raise InvalidInput(f"the bound needs one calibration error a round, not an array of shape {measured.shape}")
    bad = np.flatnonzero(~np.isfinite(measured))
    if len(bad):
        raise InvalidInput(f"the calibration error of round {bad[0]} is {measured[bad[0]]}, not a finite number")
    _check(start, human, model, len(measured) - 1)
    alpha = measured.copy()
    size, growth = _sizes(start, human, model, replace=replace)
    beta = 0.0
    for t in range(1, len(measured)):
        size += growth
        beta = ((size - human) * beta + model * measured[t - 1]) / size
        alpha[t] += beta
    return alpha


@dataclass(frozen=True)
class Theorem1:
    """The bound in a loop of given sizes, as a rule says it of itself (`biasloop.feedback.rule.LoopBound`)."""

    start: int
    human: int
    model: int
    replace: bool

    def over_rounds(self, delta: float, last: int) -> Floats:
        """`(last + 1,)`, from the calibration error of round 0."""
        return bound(self.start, self.human, self.model, delta, last, replace=self.replace)

    def per_round(self, deltas: Floats) -> Floats:
        """`(rounds,)`, from the calibration error of every round."""
        return per_round_bound(self.start, self.human, self.model, deltas, replace=self.replace)

    def limit(self, delta: float) -> float | None:
        """What it tends to; None without human labels."""
        return limit(self.human, self.model, delta)


def _at_most(target: Fraction, start: int, human: int, model: int, rounds: int | None) -> bool:
    """Whether 1 + V_T <= target, exactly."""
    if model == 0 or rounds == 0:
        return True
    if human and Fraction(human + model, human) <= target:
        return True  # the limit, which no round exceeds
    if rounds is None:
        return False
    factor = factors(start, human, model, rounds)[-1]
    error = 8 * (rounds + 1) * sys.float_info.epsilon * factor  # three roundings a round, with room to spare
    if abs(factor - target) > error:
        return factor < target
    low, high = _enclosed(start, human, model, rounds)
    if high <= target - 1 or low > target - 1:
        return high <= target - 1
    numerator, denominator, size = 0, 1, start  # V as a fraction of whole numbers, which grow with every round
    for _ in range(rounds):
        size += human + model
        numerator, denominator = (size - human) * numerator + model * denominator, denominator * size
    return numerator * target.denominator <= (target - 1).numerator * denominator


def _enclosed(start: int, human: int, model: int, rounds: int) -> tuple[Fraction, Fraction]:
    """V_T from below and above, some 10^-70 apart: in fixed point, rounded down and up."""
    low = high = 0
    size = start
    for _ in range(rounds):
        size += human + model
        low = ((size - human) * low + model * _SCALE) // size
        high = -(((human - size) * high - model * _SCALE) // size)
    return Fraction(low, _SCALE), Fraction(high, _SCALE)


def _check(start: int, human: int, model: int, rounds: int) -> None:
    _check_counts(start=start, human=human, model=model)
    _check_rounds(rounds, MOST_ROUNDS)
    if start + human + model == 0:
        raise InvalidInput("the training set stays empty: one of start, human and model must be above 0")


def _sizes(start: int, human: int, model: int, *, replace: bool) -> tuple[float, float]:
    """The size that the training set starts from, and by how much it grows each round.

    A round that keeps nothing obeys the same recurrence with n_t = m + k throughout.
    """
    step = human + model
    if replace and step == 0:
        raise InvalidInput("a round that replaces the training set needs human or model above 0")
    return (float(step), 0.0) if replace else (float(start), float(step))


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        if count < 0:
            raise InvalidInput(f"{name} must be a whole number >= 0, not {count}")
        if count > MOST:
            raise InvalidInput(f"{name} must be at most {MOST:,}, which is more samples than anybody has")


def _check_rounds(rounds: int, most: int) -> None:
    if rounds < 0:
        raise InvalidInput(f"rounds must be a whole number >= 0, not {rounds}")
    if rounds > most:
        raise InvalidInput(f"rounds must be at most {most:,} here, or inf (None) for what they tend to")


def _check_delta(delta: float) -> None:
    if not math.isfinite(delta):
        raise InvalidInput(f"the calibration error delta must be a finite number, not {delta}")
