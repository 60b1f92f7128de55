"""One process at a time writes a run; a second is told who does, and what to do if that one is dead."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from biasloop.errors import StoreError
from biasloop.store.entries import HOLDER, LOCK, check_entries
from biasloop.store.files import write_atomically
from biasloop.system.locking import Taken, exclusive


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a run's lock. The operating system gives it back when the process ends, however it ends.

    Raises:
        StoreError: naming the process, host and time of who holds it, and for how long it has written nothing.
        NoLocks: the file system has no locks.
    """
    check_entries(directory)
    try:
        with exclusive(directory / LOCK):
            started = time.strftime("%Y-%m-%d %H:%M:%S")
            holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": started}
            write_atomically(directory / HOLDER, json.dumps(holder).encode())
            yield
    except Taken as error:
        raise StoreError(f"{directory} is being written by {_describe(directory)}") from error


def _describe(directory: Path) -> str:
    """Who holds the lock, and what to do. On this host a dead process holds none."""
    wait = "wait for it, or use another --out"
    try:
        holder = json.loads((directory / HOLDER).read_bytes())
        pid, host, since = holder["pid"], holder["host"], holder["since"]
    except (OSError, ValueError, KeyError, TypeError):
        return f"another process; {wait}"
    who = f"process {pid} on {host} since {since}"
    if host == socket.gethostname():
        return f"{who}; {wait}"
    return (
        f"{who}, which has written nothing for {_silence(directory)}; {wait}; if {host} is down or the process is "
        f"dead, delete {directory / LOCK} and {directory / HOLDER}, and nothing else: every finished round stays"
    )


def _silence(directory: Path) -> str:
    """How long nothing was written into a run: rounds, checkpoints, or the lock itself."""
    newest = 0.0
    for pattern in ("*.h5", "*.json", HOLDER, "partial/*"):
        for path in directory.glob(pattern):
            with suppress(OSError):  # gone since it was listed
                newest = max(newest, path.lstat().st_mtime)
    seconds = max(0, round(time.time() - newest))
    hours, minutes = divmod(seconds // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{seconds} s"
