"""What a run takes of a machine, from its preset, from how the command was given, and from what the machine has."""

from collections.abc import Iterable

from biasloop import discovery
from biasloop.config.experiment import Experiment
from biasloop.contract.domains import Computing, missing_methods
from biasloop.running.engine import Options
from biasloop.running.room import Needs
from biasloop.running.study import Planned
from biasloop.system import cores, gpus, threads


def cores_of(experiment: Experiment, options: Options) -> int:
    """CPU cores of a run: `resources.cpus`, else its threads, else all that this process may use; at least one."""
    resources = experiment.resources
    return resources.cpus or resources.threads_with(options.threads) or cores.available()


def gpus_of(experiment: Experiment, options: Options) -> float:
    """GPUs of a run: `resources.gpus`, else 1 if it computes on one, else 0; torch is not asked.

    With --device auto it computes on one if there is any, unless its domain chooses no device.
    """
    if experiment.resources.gpus is not None:
        return experiment.resources.gpus
    if options.device == "auto":
        return float(gpus.visible() > 0 and _computes(experiment))
    return float(options.device != "cpu")


def memory_of(experiment: Experiment) -> int | None:
    """Bytes of main memory of a run: `resources.memory`; None where it does not say."""
    return experiment.resources.memory


def needs_of(planned: Iterable[Planned], options: Options) -> list[Needs]:
    """What each run takes of a machine, worked out once for each experiment."""
    known: dict[int, Needs] = {}
    for item in planned:
        experiment = item.experiment
        if id(experiment) not in known:
            known[id(experiment)] = Needs(
                cores_of(experiment, options), gpus_of(experiment, options), memory_of(experiment) or 0
            )
    return [known[id(item.experiment)] for item in planned]


def unset_threads(experiments: Iterable[Experiment], options: Options) -> str:
    """What to tell a person who set threads nowhere; empty if they are set, or nothing to be run depends on them."""
    unset = {
        experiment.domain.name: experiment
        for experiment in experiments
        if options.threads is None and experiment.resources.threads is None
    }
    if not any(map(_computes, unset.values())):
        return ""
    number = threads.chosen()
    return (
        f"no number of CPU threads is set, so that torch takes {number} on this machine; results depend on it: to get "
        f"them on another one, set resources.threads = {number} in the preset, or give --threads {number}"
    )


def _computes(experiment: Experiment) -> bool:
    """Whether the experiment's domain computes on a device, with threads; its class is looked at, nothing is built."""
    return not missing_methods(discovery.load(experiment.domain.name), Computing)
