"""Main memory: how much this process has had at most, and how much there is."""

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_REFERENCES = Path("/proc/self/clear_refs")
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))  # of a container
_FORGET_PEAK = "5"


def forget() -> None:
    """Count from now on, where the system can do so (Linux); elsewhere the peak is that since the process started."""
    with suppress(OSError):
        _REFERENCES.write_text(_FORGET_PEAK)


def peak() -> int:
    """Bytes that were resident at most since `forget`, shared pages among them."""
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "VmHWM":
                return int(value.split()[0]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def total() -> int:
    """Bytes of this machine, or of the container that this process is in."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _LIMITS:
        with suppress(OSError, ValueError):  # "max" is no limit
            sizes.append(int(path.read_text()))
    return min(sizes)
