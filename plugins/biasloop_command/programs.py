"""Running somebody's program: an argument list and never a shell, in a process group that always ends with the call."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from biasloop.domains import Work
from biasloop.errors import BiasloopError, InvalidInput

_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}|\{(\w+)\}")
_POLL = 0.1  # seconds between two looks at the program and at whether the person asked to stop
_GRACE = 2.0  # seconds that a program has to end by itself once it was asked to
_KEPT = 16 * 1024  # bytes of what a program says
_SHOWN = 400  # characters of it


class ProgramFailed(BiasloopError):
    """Somebody's program did not do what it is for; once it is mended, the same command goes on."""


@dataclass(frozen=True)
class Program:
    """A command line with placeholders.

    Attributes:
        key: the setting that it comes from, "train" or "predict".
        argv: its arguments, the program first.
        seconds: after which it is ended; None for never.
    """

    key: str
    argv: Sequence[str]
    seconds: float | None = None

    def __str__(self) -> str:
        parts = (part if part.split() == [part] else shlex.quote(part) for part in self.argv)
        return f"domain.{self.key} ({_shortened(' '.join(parts), 200)})"

    def check(self) -> None:
        """Refuse a program that is not there.

        Raises:
            InvalidInput: naming it.
        """
        name = self.argv[0]
        if shutil.which(name) is not None:
            return
        if os.sep in name:
            state = "cannot be executed (chmod +x)" if os.path.isfile(name) else "is not there"  # noqa: PTH113
            raise InvalidInput(f"domain.{self.key}: the program {name} {state}; paths start where the command is run")
        raise InvalidInput(
            f"domain.{self.key}: there is no program {name!r} on the PATH; install it, or give its path "
            "(./NAME in the directory where the command is run)"
        )


def check_placeholders(argv: Sequence[str], needed: Sequence[str], optional: Sequence[str]) -> None:
    """Refuse a placeholder that stands for nothing, and a command line without one that it cannot do without.

    Raises:
        ValueError: naming the placeholder.
    """
    if any("\0" in argument for argument in argv):
        raise ValueError("an argument cannot have a zero byte")
    known = [*needed, *optional]
    listed = ", ".join(f"{{{name}}}" for name in known)
    found = [match[2] for argument in argv for match in _PLACEHOLDER.finditer(argument) if match[2]]
    unknown = [name for name in found if name not in known]
    if unknown:
        raise ValueError(
            f"{{{unknown[0]}}} stands for nothing here (placeholders: {listed}); for the text itself write "
            f"{{{{{unknown[0]}}}}}"
        )
    missing = [name for name in needed if name not in found]
    if missing:
        raise ValueError(
            f"no argument has {{{missing[0]}}}, which the program cannot do without (placeholders: {listed})"
        )
    if _PLACEHOLDER.search(argv[0]) or not argv[0]:
        raise ValueError("the first argument names the program and cannot be empty or have a placeholder")


def filled(argv: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """Arguments with {name} replaced by its value, and {{name}} by {name}; other braces stay."""
    return [_PLACEHOLDER.sub(lambda m: f"{{{m[1]}}}" if m[1] else values[m[2]], argument) for argument in argv]


def run(program: Program, values: Mapping[str, str], work: Work) -> None:
    """Run a program to its end. What it started and did not end is ended with it, however the call ends.

    Args:
        program: what to run, in the current directory.
        values: of its placeholders.
        work: asked ten times a second whether to stop.

    Raises:
        ProgramFailed: if it cannot be started, takes too long, or ends with another exit code than 0.
        Interrupted: if the person asked to stop.
    """
    try:
        process = subprocess.Popen(
            filled(program.argv, values), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise ProgramFailed(f"{program} cannot be started: {error.strerror or error}") from error
    assert process.stdout is not None and process.stderr is not None
    out, err = _Tail(process.stdout), _Tail(process.stderr)
    in_time = False
    try:
        in_time = _wait(process, program.seconds, work)
    finally:
        _end(process)
        heard = [err.text(), out.text()]
    said = heard[0] or heard[1]
    if not in_time:
        raise ProgramFailed(
            f"{program} was ended after {program.seconds:g} seconds; domain.{program.key}_seconds is its limit"
            f"{_quoted(said)}"
        )
    if process.returncode:
        raise ProgramFailed(f"{program} ended with {_ending(process.returncode)}{_quoted(said)}")


def _wait(process: subprocess.Popen[bytes], seconds: float | None, work: Work) -> bool:
    """Whether the program ended in time."""
    begun, pause = time.monotonic(), 0.001
    while not _ended(process):
        if seconds is not None and time.monotonic() - begun >= seconds:
            return False
        time.sleep(pause)
        pause = min(2 * pause, _POLL)
        # After a program's end nothing is asked: a finished call is kept by who made it, and must not be thrown away.
        work.tick(0, 1)
    return True


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the program has ended; it is not waited for, so that its number stays that of its group."""
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return process.poll() is not None
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what is left of a program's process group: asked first if the program itself is still there, then forced."""
    with suppress(ProcessLookupError, PermissionError):  # the latter is macOS' answer for a group that has ended
        try:
            if not _ended(process):
                os.killpg(process.pid, signal.SIGTERM)
                until = time.monotonic() + _GRACE
                while not _ended(process) and time.monotonic() < until:
                    time.sleep(0.01)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _Tail:
    """The last that a program says; read all the time, so that it never waits for a reader."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._kept = stream, b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._stream:
            while chunk := os.read(self._stream.fileno(), _KEPT):
                self._kept = (self._kept + chunk)[-_KEPT:]

    def text(self) -> str:
        """Its last lines as one, without control characters; for a program that has ended."""
        self._thread.join(1.0)  # a process that left the group may hold the other end for ever
        lines = [line.strip() for line in self._kept.decode(errors="replace").splitlines()]
        joined = " / ".join(line for line in lines if line)
        return "".join(character for character in joined if character.isprintable())


def _ending(code: int) -> str:
    if code > 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return f"signal {-code} ({signal.Signals(-code).name})"
    return f"signal {-code}"


def _quoted(said: str) -> str:
    if not said:
        return "; it said nothing"
    return f"; it said last: {said if len(said) <= _SHOWN else '... ' + said[-_SHOWN:]}"


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 4]} ..."
