"""A lock that the operating system gives back when a process ends, however it ends."""

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from biasloop.errors import BiasloopError

SWITCH = "BIASLOOP_NO_LOCK"
"""The environment variable that does without locks, if it is 1."""


class Taken(Exception):
    """Another process has the lock."""


class NoLocks(BiasloopError):
    """The file system has no locks, or does not give this one."""


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which is made if it is not there, and neither read nor written.

    Raises:
        Taken: another process holds it.
        NoLocks: the file system cannot say.
        OSError: the file is a link, or cannot be made.
    """
    if os.environ.get(SWITCH) == "1":
        yield
        return
    handle = _locked(path)
    try:
        yield
    finally:
        os.close(handle)  # which gives the lock back


@contextmanager
def alone(path: Path, doing: str, notice: Callable[[str], None]) -> Iterator[bool]:
    """Be the only process that makes this file or directory; a second one says so and waits.

    The operating system gives the lock back when a process ends, however it ends.

    Args:
        path: where it will be; its directory is there.
        doing: what the other process does, for the notice.
        notice: told once if there is another.

    Yields:
        Whether it had to wait.

    Raises:
        NoLocks: the file system cannot say.
    """
    lock, waited = path.with_name(f".{path.name}.lock"), False
    while True:
        try:
            with exclusive(lock):
                try:
                    yield waited
                finally:
                    with suppress(OSError):  # while it is held: who waits notices that it is gone, and asks anew
                        lock.unlink(missing_ok=True)
            return
        except Taken:
            if not waited:
                notice(f"another process is {doing} {path.name}; waiting for it to finish")
            waited = True
            time.sleep(0.1)


def _locked(path: Path) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        try:
            _lock(handle, path)
            if _is_there(handle, path):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # whoever held it has removed it: locked is what has no name any more


def _lock(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN):
            raise Taken from error
        raise NoLocks(
            f"{path.parent} lies on a file system that gives no locks ({error.strerror or error}); choose a directory "
            f"on a local disk, or set {SWITCH}=1 and see to it yourself that one process at a time writes there"
        ) from error


def _is_there(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.lstat(path))
    except FileNotFoundError:
        return False
