"""Which sinks a command's runs have: named on the command line or in the environment, and looked at before a run."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from biasloop import discovery
from biasloop.contract.sinks import Sink
from biasloop.errors import BiasloopError, InvalidInput

VARIABLE = "BIASLOOP_SINKS"
FOLDER = "sinks"
"""Beside a run, what holds its sinks' files where no directory is given; the run's own holds its store alone."""


@dataclass(frozen=True)
class Choice:
    """A sink by name.

    Attributes:
        name: of the entry point.
        directory: for what it writes; None for one beside each run.
    """

    name: str
    directory: Path | None = None

    @classmethod
    def of(cls, text: str) -> "Choice":
        """What `NAME` or `NAME=DIR` says.

        Raises:
            InvalidInput: it is neither.
        """
        name, equals, directory = text.strip().partition("=")
        if not name or (equals and not directory):
            raise InvalidInput(f"--sink {text!r}: expected NAME or NAME=DIR, for example jsonl or tensorboard=logs")
        return cls(name, Path(directory).expanduser() if directory else None)

    def output(self, run: Path) -> Path:
        """Where it writes of a run: `sinks/seed-0` beside `seed-0`; below a given directory, the run's path."""
        absolute = Path(os.path.abspath(run))  # noqa: PTH100 - a link to a run stays one
        if self.directory is None:
            return run.parent / FOLDER / absolute.name
        here = Path.cwd()
        path = absolute.relative_to(here) if absolute.is_relative_to(here) else absolute.relative_to(absolute.anchor)
        return self.directory / path

    def absolute(self) -> "Choice":
        """The same from any working directory."""
        return Choice(self.name, self.directory and self.directory.absolute())

    def make(self) -> Sink:
        """A sink for a run.

        Raises:
            InvalidInput: no sink has that name, it does not import, or what it needs is not installed.
        """
        sink = discovery.sink(self.name)
        try:
            return sink()
        except BiasloopError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".rstrip(": ")
            raise InvalidInput(f"the sink {self.name!r} cannot be made: {reason}; leave it out") from error


def chosen(texts: Sequence[str] | None, environment: Mapping[str, str] = os.environ) -> tuple[Choice, ...]:
    """The sinks that were asked for, each once, all of which can be made.

    Args:
        texts: `NAME` or `NAME=DIR` each; None where none was named.
        environment: whose `BIASLOOP_SINKS` counts then, with commas between.

    Raises:
        InvalidInput: a text is neither, a name has two directories, or a sink cannot be made.
    """
    if not texts:
        texts = [text for text in environment.get(VARIABLE, "").split(",") if text.strip()]
    choices: dict[str, Choice] = {}
    for choice in map(Choice.of, texts):
        if choices.setdefault(choice.name, choice) != choice:
            raise InvalidInput(f"--sink {choice.name} is given with two directories; give it once")
    for choice in choices.values():
        choice.make()
    return tuple(choices.values())
