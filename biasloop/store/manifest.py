"""`manifest.json`: which files a run has, each with size and SHA-256, and what made each step."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from biasloop.errors import DamagedStore, NewerFormat
from biasloop.store.files import write_atomically

NAME = "manifest.json"
EXPERIMENT = "experiment.toml"
FORMAT = "biasloop-run"
VERSION = 1
SETUP = "setup"


def round_name(number: int) -> str:
    """The step's name: `round-0003`."""
    return f"round-{number:04d}"


def round_number(step: str) -> int:
    """-1 for the set-up, r for a round."""
    return -1 if step == SETUP else int(step.removeprefix("round-"))


def model_file(step: str) -> str:
    """The file that holds a step's models: `model-0003.h5`."""
    return f"model-{step.removeprefix('round-')}.h5"


@dataclass(frozen=True)
class Entry:
    """A file of the run.

    Attributes:
        name: file name, relative to the run's directory.
        bytes: size.
        sha256: of the content.
        seconds: what the step took; None for a model file or an adopted step.
        environment: index into the manifest's environments; None for a model file.
    """

    name: str
    bytes: int
    sha256: str
    seconds: float | None = None
    environment: int | None = None


@dataclass
class Manifest:
    """The list of what a run holds. A file that it does not name does not exist."""

    experiment: str
    about: dict[str, Any] = field(default_factory=dict)
    environments: list[dict[str, str]] = field(default_factory=list)
    files: dict[str, Entry] = field(default_factory=dict)
    lines: dict[str, str] = field(default_factory=dict, repr=False)

    def add(self, entry: Entry) -> None:
        """Name a file."""
        self.files[entry.name] = entry
        self.lines[entry.name] = json.dumps(vars(entry))

    def drop(self, name: str) -> None:
        """Stop naming a file."""
        self.files.pop(name, None)
        self.lines.pop(name, None)

    def steps(self) -> list[str]:
        """Committed steps in order: `setup`, `round-0000`, ..."""
        names = [name.removesuffix(".h5") for name in self.files if not name.startswith("model-")]
        return sorted(names, key=round_number)

    def environment(self, made_with: Mapping[str, str]) -> int:
        """The index of an environment, added if new."""
        if dict(made_with) not in self.environments:
            self.environments.append(dict(made_with))
        return self.environments.index(dict(made_with))

    def write(self, directory: Path) -> None:
        """Replace the manifest; each file's line was encoded when it was added, so the cost stays flat."""
        head = json.dumps(
            {
                "format": FORMAT,
                "version": VERSION,
                "experiment": self.experiment,
                "about": self.about,
                "environments": self.environments,
            },
            indent=1,
        )
        lines = ",\n  ".join(self.lines.values())
        text = f'{head[:-2]},\n "files": [\n  {lines}\n ]\n}}\n'
        write_atomically(directory / NAME, text.encode())


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a run.

    Raises:
        DamagedStore: missing, not readable, or of a newer version.
    """
    path = directory / NAME
    try:
        raw = json.loads(path.read_bytes())
        if raw["format"] != FORMAT:
            raise DamagedStore(f"{path} is not the manifest of a biasloop run")
        if raw["version"] > VERSION:
            raise NewerFormat(
                f"{path} has version {raw['version']}, this biasloop reads up to {VERSION}; install a newer biasloop"
            )
        manifest = Manifest(raw["experiment"], raw["about"], raw["environments"])
        for entry in raw["files"]:
            manifest.add(Entry(**entry))
            if not re.fullmatch(r"(setup|round-\d{4,}|model-(setup|\d{4,}))\.h5", entry["name"]):
                raise DamagedStore(
                    f"{path} names a file {entry['name']!r} that no run has; type: biasloop runs repair {directory}"
                )
    except FileNotFoundError as error:
        if not (directory / EXPERIMENT).exists():
            raise DamagedStore(f"{directory} is not a run: it has no {EXPERIMENT}") from error
        raise DamagedStore(f"{path} is missing; type: biasloop runs repair {directory}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedStore(f"{path} is damaged ({error}); type: biasloop runs repair {directory}") from error
    return manifest
