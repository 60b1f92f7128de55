"""A folder and a program under a supervisor: a small process that ends the one and removes the other after us."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir
from typing import IO, TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

_SCRIPT = Path(__file__).with_name("supervisor.py")
_HEARD = 16 * 1024  # bytes of what a program says last


class NotStarted(Exception):
    """The folder could not be made, or the program not be started; the system's reason is the argument."""


class SupervisorLost(Exception):
    """The process that watches over the program has ended before it."""


class Supervised:
    """A folder in the system's temporary directory, and at most one program that works in it.

    At the end of the `with` block, and of this process however it ends, the program is ended with all that it
    started, and the folder is removed.

    Attributes:
        folder: empty at first, and nobody else's.
        status: the program's exit code, negative for a signal, once it has ended.
    """

    def __init__(self) -> None:
        # Named here, made by the supervisor: there is no instant at which nobody would remove it.
        self.folder = Path(gettempdir(), f"biasloop-{secrets.token_hex(8)}")
        self.status: int | None = None
        self._said, self._over = b"", False

    def __enter__(self) -> Self:
        """Start the supervisor.

        Raises:
            OSError: if it cannot be started.
            NotStarted: if the folder cannot be made.
            SupervisorLost: if it has ended.
        """
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_SCRIPT), str(self.folder)],
                stdin=theirs.fileno(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
        assert self._process.stdout is not None and self._process.stderr is not None
        self._out, self._err = _Tail(self._process.stdout), _Tail(self._process.stderr)
        try:
            self._answer()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End and remove everything."""
        self._close()

    def start(self, arguments: Sequence[str]) -> None:
        """Start the program in the current directory, without input, in a session of its own.

        Whether it could be started is said by `wait`.
        """
        with suppress(OSError):  # a supervisor that is gone is noticed when it is waited for
            self._channel.sendall(json.dumps(list(arguments)).encode() + b"\n")

    def wait(self, seconds: float) -> bool:
        """Wait so long for the program's end; whether it has ended.

        Raises:
            NotStarted: if it could not be started.
            SupervisorLost: if nobody knows.
        """
        if self._over:
            return True
        answer = self._answer(seconds)
        if answer is not None:
            self.status = int(answer["status"])
        return self._over

    def end(self, grace: float) -> None:
        """Ask the program to end, and end it and all that it started after so many seconds."""
        if self._over:
            return
        with suppress(OSError, NotStarted, SupervisorLost):
            self._channel.sendall(b"t")
            self.wait(grace)
        if not self._over:
            self._close()

    def last_words(self) -> tuple[bytes, bytes]:
        """The end of what the program wrote to stdout and to stderr; once it has ended."""
        return self._out.bytes(), self._err.bytes()

    def _answer(self, seconds: float | None = None) -> dict[str, Any] | None:
        """What the supervisor says next; None if it says nothing for so long."""
        until = None if seconds is None else time.monotonic() + seconds
        while b"\n" not in self._said:
            self._channel.settimeout(None if until is None else max(1e-6, until - time.monotonic()))
            try:
                piece = self._channel.recv(4096)
            except TimeoutError:
                return None
            except ConnectionError:
                piece = b""
            if not piece:
                self._over = True
                raise SupervisorLost
            self._said += piece
        line, _, self._said = self._said.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        self._over = "ready" not in answer
        if "error" in answer:
            raise NotStarted(os.strerror(answer["error"]))
        return answer

    def _close(self) -> None:
        self._channel.close()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)  # in case that the supervisor was killed


class _Tail:
    """The last that a program says; read all the time, so that it never waits for a reader."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._last = stream, b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._stream:
            while chunk := os.read(self._stream.fileno(), _HEARD):
                self._last = (self._last + chunk)[-_HEARD:]

    def bytes(self) -> bytes:
        """What came last."""
        self._thread.join(1.0)  # a process that left the group may hold the other end for ever
        return self._last
