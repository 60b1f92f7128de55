"""The feedback rules by name."""

from typing import Any

from biasloop.config.experiment import AccumulateSettings, GenerationsSettings
from biasloop.contract.randomness import Streams
from biasloop.feedback.accumulate import Accumulate
from biasloop.feedback.generations import Generations


def build(
    settings: AccumulateSettings | GenerationsSettings, domain: Any, name: str, streams: Streams
) -> Accumulate | Generations:
    """The rule that settings are for, over a domain.

    Raises:
        Mismatch: if the domain cannot do what the rule needs.
    """
    if isinstance(settings, GenerationsSettings):
        return Generations(settings, domain, name, streams)
    return Accumulate(settings, domain, name, streams)
