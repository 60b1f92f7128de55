"""What comes in each round, before chance: sizes and shares, from the settings alone."""

from __future__ import annotations

from dataclasses import dataclass

from biasloop.scenario.settings import Scenario, Source


@dataclass(frozen=True)
class Arriving:
    """What a round has before filters.

    Attributes:
        stream: samples of the stream.
        generated: the share of them that models have labelled or generated.
        human: samples that people label for this purpose.
    """

    stream: int
    generated: float
    human: int


def arriving(scenario: Scenario, t: int, human: int | None = None) -> Arriving:
    """Of round t >= 1.

    Args:
        scenario: what was asked.
        t: the round.
        human: samples that people label in round 1, in place of `human.samples`.
    """
    stream, people = scenario.stream, scenario.human
    first = people.samples if human is None else human
    return Arriving(
        grown(stream.samples, stream.growth, t), generated_share(scenario, t), grown(first, people.growth, t)
    )


def grown(samples: int, growth: float, t: int) -> int:
    """Samples of round t where those of round 1 grow by a factor each round, to the nearest whole one."""
    return samples if growth == 1 else round(samples * growth ** (t - 1))


def generated_share(scenario: Scenario, t: int) -> float:
    """The share of round t's stream that models have labelled or generated."""
    stream = scenario.stream
    if stream.generated_to is not None:
        first, last = stream.generated[0], stream.generated_to
        return first if scenario.rounds == 1 else first + (last - first) * (t - 1) / (scenario.rounds - 1)
    return stream.generated[min(t, len(stream.generated)) - 1]


def left(source: Source, scenario: Scenario) -> float:
    """The share of a source's samples that are accepted and not removed by the detector."""
    return source.acceptance * (1 - (scenario.detector.tpr if scenario.detector else 0.0))


def left_of_people(scenario: Scenario) -> float:
    """The share of people's samples in the stream that the detector does not remove."""
    return 1 - (scenario.detector.fpr if scenario.detector else 0.0)


def error_of_labels(source: Source, scenario: Scenario) -> float:
    """By how much a source's labels leave the share that its model learnt from, in round 1 for one of others."""
    return scenario.model.delta if source.delta is None else source.delta
