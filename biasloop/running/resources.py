"""What a run takes of a machine, from its preset, from how the command was given, and from what the machine has."""

from biasloop import discovery
from biasloop.config.experiment import Experiment
from biasloop.contract.domains import Computing, missing_methods
from biasloop.running.engine import Options
from biasloop.system import cores, gpus


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


def _computes(experiment: Experiment) -> bool:
    """Whether the experiment's domain computes on a device, with threads; its class is looked at, nothing is built."""
    return not missing_methods(discovery.load(experiment.domain.name), Computing)
