"""Selection of a run, from its section of the experiment."""

from typing import Any, cast

from biasloop import discovery
from biasloop.config.experiment import Experiment
from biasloop.contract.randomness import Streams
from biasloop.contract.selection import Selector
from biasloop.feedback.rules import require_selecting
from biasloop.feedback.selecting import Selecting


def selecting_of(experiment: Experiment, domain: Any, seed: int) -> Selecting | None:
    """What a rule is given to select by; None where it takes all.

    Args:
        experiment: what is to be run.
        domain: of the run.
        seed: of the run.

    Raises:
        Mismatch: the rule does not select, or the domain cannot have its models select.
    """
    section = experiment.selection
    if section is None:
        return None
    require_selecting(experiment.loop)
    selector = discovery.selector(section.name).model_validate(section.options.get(section.name, {}))
    return Selecting(section, cast("Selector", selector), domain, experiment.domain.name, Streams((seed,)))
