"""Several processes of one command, as a launcher starts them: the first makes the runs, the others train with it."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from biasloop import discovery
from biasloop.config.experiment import Experiment
from biasloop.contract import domains
from biasloop.contract.domains import Following
from biasloop.errors import InvalidInput
from biasloop.running import engine
from biasloop.running.engine import Options
from biasloop.running.study import Planned
from biasloop.system import launcher


def check_processes(arms: Sequence[tuple[Mapping[str, Any], Experiment]]) -> None:
    """Whether all processes that a launcher started have something to do; nothing is loaded for it but the class.

    Raises:
        InvalidInput: if they have not.
    """
    if launcher.count() == 1:
        return
    names = sorted({experiment.domain.name for _, experiment in arms})
    single = [name for name in names if domains.missing_methods(discovery.load(name), Following)]
    if single:
        raise InvalidInput(
            f"the domain {single[0]!r} trains in one process, but {launcher.count()} were launched; "
            "start the command without a launcher"
        )
    if len(names) > 1:
        raise InvalidInput(
            f"several processes can train for one domain at a time, but the grid has {' and '.join(names)}; "
            "start one command for each, or start this one without a launcher"
        )


def help_first(experiment: Experiment, seed: int, options: Options) -> None:
    """In a process that is not the first: trains with it until it is done with all its runs.

    Args:
        experiment: of any of the runs; the domain is theirs in common.
        seed: of any of the runs.
        options: as the first process has them.
    """
    domain = engine.domain_of(experiment, seed, options)
    assert isinstance(domain, Following), "`check_processes` lets no other domain through"
    domain.follow()


def helped(item: Planned, options: Options) -> AbstractContextManager[None]:
    """Inside, other processes help, if there are any."""
    if launcher.count() == 1:
        return nullcontext()
    domain = engine.domain_of(item.experiment, item.seed, options)
    assert isinstance(domain, Following), "`check_processes` lets no other domain through"
    return domain.lead()
