"""Which process of which machine is which, and whether it lives."""

import os
import socket
from functools import lru_cache
from pathlib import Path

_DEAD = frozenset("ZXx")  # ended, though its parent has not asked yet
_START = 19  # of the fields after the state: when the process started


@lru_cache(maxsize=1)
def machine() -> str:
    """What processes have in common that see each other: of one machine since its start, in one container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 - it leads to no path
    except OSError:
        return socket.gethostname()


def started(pid: int) -> str:
    """When a process started, in a form that only tells it from another one; empty if the system does not say."""
    fields = _fields(pid)
    return fields[_START] if fields else ""


def alive(pid: int, start: str) -> bool:
    """Whether a process of this machine lives.

    Args:
        pid: its number.
        start: as `started` gave it; empty if it is not known.
    """
    fields = _fields(pid)
    if fields:
        return fields[0] not in _DEAD and start in {"", fields[_START]}
    if start:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's, and there
        return True
    return True


def _fields(pid: int) -> list[str]:
    """What the system says of a process, from its state on; nothing if it is not there, or the system never says."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()  # its name, in brackets, may hold anything
