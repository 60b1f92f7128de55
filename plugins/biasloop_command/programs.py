"""Running somebody's program: an argument list and never a shell, and nothing of it outlives the call."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from tempfile import gettempdir

from biasloop.contract.context import Work
from biasloop.errors import BiasloopError, InvalidInput
from biasloop_command.supervised import NotStarted, Supervised, SupervisorLost

_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}|\{(\w+)\}")
_POLL = 0.1  # seconds between two looks at the program and at whether the person asked to stop
_GRACE = 2.0  # seconds that a program has to end by itself once it was asked to
_SHOWN = 400  # characters of what it says last


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
        parts = (escaped(part if part.split() == [part] else shlex.quote(part)) for part in self.argv)
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
            raise InvalidInput(
                f"domain.{self.key}: the program {escaped(name)} {state}; paths start where the command is run"
            )
        raise InvalidInput(
            f"domain.{self.key}: there is no program {name!r} on the PATH; install it, or give its path "
            "(./NAME in the directory where the command is run)"
        )


def escaped(text: str) -> str:
    """The text with escape sequences for what a terminal could take as an order."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def check_placeholders(argv: Sequence[str], needed: Sequence[str], optional: Sequence[str]) -> None:
    """Refuse a placeholder that stands for nothing, and a command line without one that it cannot do without.

    Raises:
        ValueError: naming the placeholder.
    """
    if any("\0" in argument for argument in argv):
        raise ValueError("an argument cannot have a zero byte")
    known = [*needed, *optional]
    listed = ", ".join(f"{{{name}}}" for name in known)
    used = [match[2] for argument in argv for match in _PLACEHOLDER.finditer(argument) if match[2]]
    unknown = [name for name in used if name not in known]
    if unknown:
        raise ValueError(
            f"{{{unknown[0]}}} stands for nothing here (placeholders: {listed}); for the text itself write "
            f"{{{{{unknown[0]}}}}}"
        )
    missing = [name for name in needed if name not in used]
    if missing:
        raise ValueError(
            f"no argument has {{{missing[0]}}}, which the program cannot do without (placeholders: {listed})"
        )
    if _PLACEHOLDER.search(argv[0]) or not argv[0]:
        raise ValueError("the first argument names the program and cannot be empty or have a placeholder")


def filled(argv: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """Arguments with {name} replaced by its value, and {{name}} by {name}; other braces stay."""
    return [_PLACEHOLDER.sub(lambda m: f"{{{m[1]}}}" if m[1] else values[m[2]], argument) for argument in argv]


def run(
    program: Program,
    values: Mapping[str, str],
    work: Work,
    supervised: Supervised | None = None,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Run a program to its end. What it started and did not end is ended with it, however the call or biasloop ends.

    Args:
        program: what to run, in the current directory.
        values: of its placeholders.
        work: asked ten times a second whether to stop.
        supervised: where it runs; None for a supervisor of its own.
        check: called as often; what it raises ends the program.

    Raises:
        ProgramFailed: if it cannot be started, takes too long, or ends with another exit code than 0.
        Interrupted: if the person asked to stop.
    """
    if supervised is None:
        with starting(program) as started:
            run(program, values, work, started, check)
        return
    supervised.start(filled(program.argv, values))
    try:
        in_time = _wait(supervised, program.seconds, work, check)
    except NotStarted as error:
        raise ProgramFailed(f"{program} cannot be started: {error}") from error
    except SupervisorLost as error:
        raise ProgramFailed(
            f"{program} was lost: the process that watches over it was killed; the same command goes on"
        ) from error
    finally:
        supervised.end(_GRACE)
    out, err = (_text(said) for said in supervised.last_words())
    said = err or out
    if not in_time:
        raise ProgramFailed(
            f"{program} was ended after {program.seconds:g} seconds; domain.{program.key}_seconds is its limit"
            f"{_quoted(said)}"
        )
    if supervised.status:
        raise ProgramFailed(f"{program} ended with {_ending(supervised.status)}{_quoted(said)}")


@contextmanager
def starting(program: Program) -> Iterator[Supervised]:
    """A folder for a program, and somebody who watches over both.

    Raises:
        ProgramFailed: if there cannot be one.
    """
    with ExitStack() as stack:
        try:
            supervised = stack.enter_context(Supervised())
        except (OSError, NotStarted, SupervisorLost) as error:
            reason = str(error) or "the process that is to watch over it has ended"
            raise ProgramFailed(
                f"{program} cannot be started: no temporary folder could be made for it in {gettempdir()} ({reason})"
            ) from error
        yield supervised


def _wait(supervised: Supervised, seconds: float | None, work: Work, check: Callable[[], None]) -> bool:
    """Whether the program ended in time."""
    begun, pause = time.monotonic(), 0.001
    while not supervised.wait(pause):
        if seconds is not None and time.monotonic() - begun >= seconds:
            return False
        pause = min(2 * pause, _POLL)
        check()
        # After a program's end nothing is asked: a finished call is kept by who made it, and must not be thrown away.
        work.tick(0, 1)
    return True


def _text(said: bytes) -> str:
    """Lines as one, without control characters."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines()]
    joined = " / ".join(line for line in lines if line)
    return "".join(character for character in joined if character.isprintable())


def _ending(code: int) -> str:
    ending = f"exit code {code}" if code > 0 else f"signal {-code}"
    with suppress(ValueError):
        if code < 0:
            ending += f" ({signal.Signals(-code).name})"
    if code in (-signal.SIGKILL, 128 + signal.SIGKILL):  # a shell says the latter of what it has started
        ending += ", as the system does to a program for which there is not enough memory"
    return ending


def _quoted(said: str) -> str:
    if not said:
        return "; it said nothing"
    return f"; it said last: {said if len(said) <= _SHOWN else '... ' + said[-_SHOWN:]}"


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 4]} ..."
