"""A Ray that is there, or one of this machine alone that is started and ended with the command; both stay silent."""

import importlib
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from biasloop.errors import InvalidInput
from biasloop.system import cores

_STORE = 80_000_000  # bytes of Ray's object store, the least that it takes: nothing goes through it
_LONGEST = 20  # characters of the directory for temporary files: in it lie sockets, whose paths may have 107
SET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is reported to anybody
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # under `uv run` Ray would copy the working directory
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # Ray prints to stdout, where a table or JSON stands: not one line of it
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # a run that takes no GPU sees none
}


def require() -> None:
    """Whether Ray is installed; it is not imported for it.

    Raises:
        InvalidInput: it is not.
    """
    if find_spec("ray") is None:
        raise InvalidInput("--engine ray needs Ray, which is not installed; type: pip install 'biasloop[ray]'")


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """The module `ray`, connected; at the end it is disconnected, and a Ray that was started for it has ended.

    Args:
        address: of a cluster that is there, `HOST:PORT`, or `auto` for that of this machine; None for the one that
            `RAY_ADDRESS` names, else a Ray of this machine alone.

    Raises:
        InvalidInput: Ray is not installed, or no cluster answers there.
    """
    require()
    os.environ.update(SET)
    ray: Any = importlib.import_module("ray")
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    if address.startswith("ray://"):
        raise InvalidInput(
            f"--address {address}: start the command on a machine of the cluster, and give its address as HOST:PORT"
        )
    quiet = {"log_to_driver": False, "logging_level": "critical"}
    started: AbstractContextManager[dict[str, Any]] = _temporary() if address == "local" else nullcontext({})
    with started as more:
        heard = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(address, **quiet, **more)
        except (ConnectionError, TimeoutError, ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InvalidInput(
                f"no Ray cluster answers at {address} ({reason}); `ray start --head` starts one on its first machine, "
                "and says its address"
            ) from error
        signal.signal(signal.SIGTERM, heard)  # Ray has taken it for itself
        try:
            yield ray
        finally:
            ray.shutdown()


@contextmanager
def _temporary() -> Iterator[dict[str, Any]]:
    """How a Ray of this machine is started: it takes the cores that this process may use, and leaves no files."""
    how = {"num_cpus": cores.available(), "include_dashboard": False, "object_store_memory": _STORE}
    if len(tempfile.gettempdir()) > _LONGEST:
        yield how
        return
    with tempfile.TemporaryDirectory(prefix="biasloop-ray-", ignore_cleanup_errors=True) as directory:
        yield {**how, "_temp_dir": str(Path(directory))}
