"""How much memory this process has had at most, as the system counts it: resident, shared pages among it."""

import resource
import sys
from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_REFERENCES = Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"


def forget() -> None:
    """Count from now on, where the system can do so (Linux); elsewhere the peak is that since the process started."""
    with suppress(OSError):
        _REFERENCES.write_text(_FORGET_PEAK)


def bytes_at_most() -> int:
    """The peak since `forget`, in bytes."""
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "VmHWM":
                return int(value.split()[0]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
