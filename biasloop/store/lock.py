"""One process at a time writes a run; a second is told who does."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from biasloop.errors import StoreError


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a run's lock. The operating system gives it back when the process ends, however it ends.

    Raises:
        StoreError: naming the process, host and time of who holds it.
    """
    holder = directory / ".holder.json"
    try:
        with FileLock(directory / ".lock", timeout=0):
            started = time.strftime("%Y-%m-%d %H:%M:%S")
            holder.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": started}))
            yield
    except Timeout as error:
        raise StoreError(
            f"{directory} is being written by {_describe(holder)}; wait for it, or use another --out"
        ) from error


def _describe(holder: Path) -> str:
    try:
        who = json.loads(holder.read_text())
        return f"process {who['pid']} on {who['host']} since {who['since']}"
    except (OSError, ValueError, KeyError):
        return "another process"
