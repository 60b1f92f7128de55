"""Whether a launcher (torchrun, `accelerate launch`) started several processes of one command, and which this one is.

The first one does all that one process does; the others help it to train, say nothing and write nothing.
"""

import os
import signal
import sys
from pathlib import Path

_NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def count() -> int:
    """How many processes there are; 1 without a launcher."""
    several = all(name in os.environ for name in _NEEDED)
    return max(1, _number("WORLD_SIZE", 1)) if several else 1


def rank() -> int:
    """The number of this process, from 0."""
    return _number("RANK", 0) if count() > 1 else 0


def here() -> int:
    """How many of them run on this machine."""
    return _number("LOCAL_WORLD_SIZE", count()) if count() > 1 else 1


def first() -> bool:
    """Whether this process is the one that runs, writes and prints."""
    return rank() == 0


def hush() -> None:
    """In a process that only helps: prints nothing from now on; Ctrl-C and a closed terminal concern the first one.

    What must be said all the same goes to `sys.__stderr__`.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdout = sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open until the end


def _number(name: str, otherwise: int) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else otherwise
