"""The expected bias of a scenario, round by round, and its bound: Theorem 1 with weights, filters and sources.

With W_t the weight of all samples that round t trains on and S_t that of their bias, beta_t = S_t / W_t is the bias
of the training set and alpha_t = beta_t + delta that of the predictions. Equations are numbered as in
`docs/scenarios.md`. One source of the model of before, a constant stream and no filter give `biasloop.bound`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from biasloop.errors import InvalidInput
from biasloop.scenario.arriving import arriving, error_of_labels, left, left_of_people
from biasloop.scenario.settings import Scenario

Signed = Callable[[float], float]


@dataclass(frozen=True)
class Course:
    """A scenario by round, t = 0 to T.

    Attributes:
        train: samples that round t trains on.
        human: samples that people labelled for this purpose in round t.
        generated: share of the training set's weight that is generated.
        bias: alpha_t, expected, signed.
        bound: the same with every error by its magnitude; >= |bias|.
        limit: what the bias tends to if all further rounds are like the last one; None without a limit.
    """

    train: list[float]
    human: list[int]
    generated: list[float]
    bias: list[float]
    bound: list[float]
    limit: float | None


@dataclass(frozen=True)
class _Added:
    """What a round adds, after filters.

    Attributes:
        samples: how many.
        weight: of them.
        generated: of those that models have labelled.
        anchored: of those whose labels do not come from the model of the round before.
        bias: the weighted sum of their biases.
    """

    samples: float
    weight: float
    generated: float
    anchored: float
    bias: float


def course(scenario: Scenario, human: int | None = None) -> Course:
    """The scenario by recurrence; O(rounds x sources).

    Args:
        scenario: what was asked.
        human: samples that people label in round 1, in place of `human.samples`.

    Raises:
        InvalidInput: a round that replaces the training set brings nothing.

    Example:
        >>> scenario = Scenario.model_validate({
        ...     "baseline": 0.5, "rounds": 1, "start": 100, "model": {"delta": 0.1},
        ...     "stream": {"samples": 100, "generated": 1}})
        >>> course(scenario).bias  # half of round 1 has the error of round 0
        [0.1, 0.15000000000000002]
    """
    train, generated, expected = _by_round(scenario, human, lambda error: error)
    _, _, worst = _by_round(scenario, human, abs)
    people = [0, *(arriving(scenario, t, human).human for t in range(1, scenario.rounds + 1))]
    delta = scenario.model.delta
    return Course(
        train,
        people,
        generated,
        [beta + delta for beta in expected],
        [beta + abs(delta) for beta in worst],
        _limit(scenario, human, expected[0], expected[-1]),
    )


def bound_of(scenario: Scenario, human: int) -> float:
    """The largest bound of all rounds; it never rises with `human`."""
    return max(_by_round(scenario, human, abs)[2]) + abs(scenario.model.delta)


def _by_round(scenario: Scenario, human: int | None, signed: Signed) -> tuple[list[float], list[float], list[float]]:
    """Samples of the training set, its generated share and its bias beta_t, for t = 0 to T (equations 1 to 4)."""
    first = signed(scenario.start_bias)
    samples, weight, of_models, bias = float(scenario.start), float(scenario.start), 0.0, scenario.start * first
    train, generated, betas = [samples], [0.0], [first]
    for t in range(1, scenario.rounds + 1):
        added = _added(scenario, t, human, betas[-1], first, signed)
        if scenario.keep == "replace":
            samples, weight, of_models, bias = 0.0, 0.0, 0.0, 0.0
        samples, weight = samples + added.samples, weight + added.weight
        of_models, bias = of_models + added.generated, bias + added.bias
        if weight <= 0:
            raise InvalidInput(f'round {t} brings no samples, and keep = "replace" leaves no others to train on')
        train.append(min(samples, scenario.start) if scenario.keep == "subsample" else samples)
        generated.append(of_models / weight)
        betas.append(bias / weight)
    return train, generated, betas


def _added(scenario: Scenario, t: int, human: int | None, before: float, first: float, signed: Signed) -> _Added:
    """What round t adds (equations 1 and 2).

    Args:
        scenario: what was asked.
        t: the round.
        human: samples that people label in round 1, or None for the scenario's own.
        before: the bias of the training set of round t - 1.
        first: that of round 0.
        signed: what errors count as.
    """
    come = arriving(scenario, t, human)
    by_models = come.stream * come.generated
    by_people = (come.stream - by_models) * left_of_people(scenario)
    if scenario.human.instead_of == "generated":
        by_models = max(by_models - come.human, 0.0)
    samples, weight = by_people + come.human, by_people + scenario.human.weight * come.human
    anchored, generated, bias = weight, 0.0, 0.0
    for source in scenario.sources:
        accepted = by_models * source.share * left(source, scenario)
        error = error_of_labels(source, scenario)
        if source.labelled_by == "other":
            given = signed(error + source.drift * (t - 1))
        else:
            given = (before if source.labelled_by == "previous" else first) + signed(error)
        samples += accepted
        anchored += 0.0 if source.labelled_by == "previous" else source.weight * accepted
        generated += source.weight * accepted
        bias += source.weight * accepted * given
    return _Added(samples, weight + generated, generated, anchored, bias)


def _limit(scenario: Scenario, human: int | None, first: float, last: float) -> float | None:
    """What alpha_t tends to where every further round is like the last one (equation 5).

    Args:
        scenario: what was asked.
        human: as `course`.
        first: the bias of the training set of round 0.
        last: that of round T.
    """
    if any(source.drift and source.share for source in scenario.sources):
        return None
    further = _added(scenario, scenario.rounds, human, 0.0, first, lambda error: error)
    if further.anchored > 0:
        return further.bias / further.anchored + scenario.model.delta
    return last + scenario.model.delta if further.bias == 0 else None
