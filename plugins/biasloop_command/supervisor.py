"""Watches over one folder and one program; both are gone once whoever asked for them is, whatever ended that one.

Started by its path and in Python's isolated mode, so it imports nothing but the standard library, and little of that.
Its standard input is a socket, whose other end is closed by the system even after `kill -9`. Through it come a line
of JSON with the program's arguments, then a byte for each time the program is to be asked to end; through it go lines
of JSON: {"ready": true} once the folder is there, then {"status": code} or {"error": number}.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from typing import Any, NoReturn

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36  # of prctl(2)
_PATIENCE = 5.0  # seconds for what was killed to be gone


def main(folder: str) -> None:
    """Make the folder, run the program, and leave neither behind."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: sys.exit(1))
    channel = os.dup(0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    try:
        os.mkdir(folder, 0o700)  # noqa: PTH102 - pathlib takes long to import
    except OSError as error:
        _send(channel, {"error": error.errno})
        return
    try:
        _send(channel, {"ready": True})
        _supervise(channel, nowhere)
    finally:
        _remove(folder)


def _supervise(channel: int, nowhere: int) -> None:
    arguments = _asked(channel)
    if arguments is None:
        return
    wake = _woken_by_children()
    kernel = _kernel()
    program = 0
    try:
        program = _start(arguments, kernel)
        for stream in (1, 2):
            os.dup2(nowhere, stream)  # so that they end when the program's own ends of them do
        status = _wait(program, channel, wake)
        _end(program)
        if status is not None:
            _send(channel, {"status": status})
    except OSError as error:
        _send(channel, {"error": error.errno})
    finally:
        _end(program)
    while os.read(channel, 64):  # the folder is still wanted
        pass


def _asked(channel: int) -> list[str] | None:
    """The arguments of the program; None if whoever was to send them is gone."""
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(channel, 1 << 16)
        if not piece:
            return None
        line += piece
    return [str(argument) for argument in json.loads(line)]


def _send(channel: int, message: dict[str, Any]) -> None:
    with suppress(OSError):  # whoever would read it is gone
        os.write(channel, json.dumps(message).encode() + b"\n")


def _woken_by_children() -> int:
    """A descriptor that can be read once a child has ended."""
    wake, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return wake


def _kernel() -> Any:
    """The C library where it has prctl (Linux); after that call, orphans of the program become children of ours."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        import ctypes

        kernel = ctypes.CDLL(None)
        kernel.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        return None
    return kernel


def _start(arguments: list[str], kernel: Any) -> int:
    """The number of the program's process, which is that of its group and session, too.

    Raises:
        OSError: if it cannot be started.
    """
    reader, writer = os.pipe()
    parent = os.getpid()
    program = os.fork()
    if not program:
        _become(arguments, writer, parent, kernel)
    os.close(writer)
    trouble = os.read(reader, 16)
    os.close(reader)
    if trouble:
        os.waitpid(program, 0)
        raise OSError(int(trouble), os.strerror(int(trouble)))
    return program


def _become(arguments: list[str], writer: int, parent: int, kernel: Any) -> NoReturn:
    try:
        os.setsid()
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores
            signal.signal(number, signal.SIG_DFL)
        if kernel is not None:
            kernel.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # even this process may be killed
            if os.getppid() != parent:
                os._exit(1)
        os.execvp(arguments[0], arguments)  # noqa: S606
    except OSError as error:
        os.write(writer, str(error.errno).encode())
    finally:
        os._exit(127)


def _wait(program: int, channel: int, wake: int) -> int | None:
    """The program's exit code, negative for a signal; None once whoever asked for it is gone."""
    while (status := _reaped(program)) is None:
        ready, _, _ = select.select([channel, wake], [], [])
        if channel in ready:
            if not os.read(channel, 64):
                return None
            _kill(program, signal.SIGTERM)
        if wake in ready:
            os.read(wake, 64)
    return status


def _reaped(program: int) -> int | None:
    """The program's exit code if it is among the children that have ended by now."""
    status = None
    with suppress(ChildProcessError):
        while True:
            number, code = os.waitpid(-1, os.WNOHANG)
            if not number:
                break
            if number == program:
                status = os.waitstatus_to_exitcode(code)
    return status


def _end(program: int) -> None:
    """Kill what is left of the program's group and, on Linux, all that descends from it, whatever group it is in."""
    if not program:
        return
    _kill(program, signal.SIGKILL)
    until = time.monotonic() + _PATIENCE
    while (children := _children()) and time.monotonic() < until:
        for number in children:
            with suppress(OSError):
                os.kill(number, signal.SIGKILL)
        _reaped(0)
        time.sleep(0.002)


def _kill(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # the latter is macOS' answer for a group that has ended
        os.killpg(group, number)


def _children() -> list[int]:
    """Numbers of the child processes; none where the system does not tell."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:  # noqa: PTH123
            return [int(number) for number in file.read().split()]
    except OSError:
        return []


def _remove(folder: str) -> None:
    """Remove a folder, also where folders in it had lost their permissions; links in it are not followed."""
    import shutil

    if os.path.islink(folder):  # noqa: PTH114 - the program has put it there
        os.unlink(folder)  # noqa: PTH108
        return
    for parent, inside, _ in os.walk(folder):
        for name in inside:
            path = os.path.join(parent, name)  # noqa: PTH118
            if not os.path.islink(path):  # noqa: PTH114
                with suppress(OSError):
                    os.chmod(path, 0o700)  # noqa: PTH101
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
