"""`manifest.json`: which files a run has, each with size and SHA-256, and what made each step.

It ends with a digest of all that it says, so that an edit by hand is noticed by whoever reads it.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from biasloop.errors import DamagedStore, NewerFormat
from biasloop.store.entries import EXPERIMENT, MANIFEST, check_entries
from biasloop.store.files import sha256, write_atomically
from biasloop.store.shapes import check
from biasloop.system.claims import Claim
from biasloop.system.regular import irregular

NAME = MANIFEST
FORMAT = "biasloop-run"
VERSION = 1
SETUP = "setup"
MEMORY = "memory"  # of `about`: bytes that the process had at most which made the run
_FILE = re.compile(r"(setup|round-\d{4,}|model-(setup|\d{4,}))\.h5", re.ASCII)
_DIGITS = re.compile(r"[0-9a-f]{64}")
_JSON = (str, int, float, bool, list, dict, None)
_ABOUT: dict[Any, Any] = {
    **dict.fromkeys(("name?", "arm?", "summary?", "source?", "parameters?", "finished?", "failed?"), str),
    "rounds?": (int, None),
    "bound?": {"metric": str, "baseline": str, "train?": (str, None), str: _JSON},
    "plot?": {
        "series?": [str],
        "x?": (str, None),
        "pool?": [str],
        "baseline?": (str, None),
        "labels?": {str: str},
        "quality?": str,
        "published?": (str, None),
        str: _JSON,
    },
    str: _JSON,
}
_SHAPE: dict[Any, Any] = {
    "experiment": str,
    "about": _ABOUT,
    "environments": [{str: _JSON}],
    "files": [{"name": str, "bytes": int, "sha256": str, "seconds?": (float, None), "environment?": (int, None)}],
    "sha256?": str,
    str: _JSON,
}


def round_name(number: int) -> str:
    """The step's name: `round-0003`."""
    return f"round-{number:04d}"


def round_number(step: str) -> int:
    """-1 for the set-up, r for a round."""
    return -1 if step == SETUP else int(step.removeprefix("round-"))


def model_file(step: str) -> str:
    """The file that holds a step's models: `model-0003.h5`."""
    return f"model-{step.removeprefix('round-')}.h5"


def step_of(name: str) -> str:
    """The step that a file belongs to: `round-0003` of `round-0003.h5` and of `model-0003.h5`."""
    stem = name.removesuffix(".h5")
    number = stem.removeprefix("model-")
    return stem if number == stem else number if number == SETUP else f"round-{number}"


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

    @property
    def head(self) -> str:
        """SHA-256 of the newest step's file; empty before the set-up."""
        steps = self.steps()
        return self.files[f"{steps[-1]}.h5"].sha256 if steps else ""

    def steps(self) -> list[str]:
        """Committed steps in order: `setup`, `round-0000`, ..."""
        names = [name.removesuffix(".h5") for name in self.files if not name.startswith("model-")]
        return sorted(names, key=round_number)

    def environment(self, made_with: Mapping[str, str]) -> int:
        """The index of an environment, added if new."""
        if dict(made_with) not in self.environments:
            self.environments.append(dict(made_with))
        return self.environments.index(dict(made_with))

    def write(self, directory: Path, claim: Claim) -> None:
        """Replace the manifest; each file's line was encoded when it was added, so the cost stays flat.

        Raises:
            StoreError: it could not be written.
            Lost: another process has taken the claim on the directory over.
        """
        head = {
            "format": FORMAT,
            "version": VERSION,
            "experiment": self.experiment,
            "about": self.about,
            "environments": self.environments,
        }
        lines = list(self.lines.values())
        files, digest = ",\n  ".join(lines), _digest(head, lines)
        text = f'{json.dumps(head, indent=1)[:-2]},\n "files": [\n  {files}\n ],\n "sha256": "{digest}"\n}}\n'
        write_atomically(directory / NAME, text.encode(), claim=claim)


def _digest(head: Mapping[str, Any], lines: list[str]) -> str:
    """SHA-256 of what a manifest says, however it is laid out."""
    return sha256("\n".join([json.dumps(head, sort_keys=True), *lines]).encode())


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a run.

    Raises:
        DamagedStore: missing, not readable, altered, or of a newer version; or a part of the run is a link.
    """
    check_entries(directory)
    path = directory / NAME
    mend = f"type: biasloop runs repair {directory}"
    try:
        kind = irregular(path)
        if kind is not None:
            raise DamagedStore(f"{path} is {kind} and not a file; {mend}")
        return _parsed(path, mend)
    except FileNotFoundError as error:
        if not (directory / EXPERIMENT).exists():
            raise DamagedStore(f"{directory} is not a run: it has no {EXPERIMENT}") from error
        raise DamagedStore(f"{path} is missing; {mend}") from error
    except OSError as error:
        raise DamagedStore(f"{path} cannot be read ({error.strerror}); make it readable, or {mend}") from error
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise DamagedStore(f"{path} is damaged ({reason}); {mend}") from error


def _parsed(path: Path, mend: str) -> Manifest:
    content = path.read_bytes()
    raw = json.loads(content, parse_constant=_refuse_constant)
    check(raw, {"format": str, "version": int, str: _JSON}, "")
    if raw["format"] != FORMAT:
        raise DamagedStore(f"{path} is not the manifest of a biasloop run; {mend}")
    if raw["version"] > VERSION:
        raise NewerFormat(
            f"{path} has version {raw['version']}, this biasloop reads up to {VERSION}; install a newer biasloop"
        )
    check(raw, _SHAPE, "")
    if b"\\u" in content or b"\xed" in content:  # JSON can hold half a character, which can be printed nowhere
        json.dumps(raw, ensure_ascii=False).encode()
    manifest = Manifest(raw["experiment"], raw["about"], raw["environments"])
    for fields in raw["files"]:
        entry = Entry(**fields)
        if not _FILE.fullmatch(entry.name):
            raise DamagedStore(f"{path} names a file {entry.name!r} that no run has; {mend}")
        _check_entry(entry, manifest)
        manifest.add(entry)
    _check_steps(manifest)
    head = {key: value for key, value in raw.items() if key not in {"files", "sha256"}}
    # A manifest from before there was a digest has none.
    if "sha256" in raw and raw["sha256"] != _digest(head, list(manifest.lines.values())):
        raise DamagedStore(f"{path} was altered: its content does not match its digest; {mend}")
    return manifest


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}, which is no number")


def _check_entry(entry: Entry, manifest: Manifest) -> None:
    """What types do not say.

    Raises:
        ValueError: naming the file.
    """
    environments = len(manifest.environments)
    if entry.name in manifest.files:
        raise ValueError(f"it names {entry.name} twice")
    if entry.bytes < 0 or (entry.seconds or 0) < 0:
        raise ValueError(f"a size or time of {entry.name} is below 0")
    if not _DIGITS.fullmatch(entry.sha256):
        raise ValueError(f"sha256 of {entry.name} is not 64 hexadecimal digits")
    if entry.environment is not None and not 0 <= entry.environment < environments:
        raise ValueError(f"{entry.name} has environment {entry.environment} of {environments}, counted from 0")


def _check_steps(manifest: Manifest) -> None:
    """Steps follow each other without a gap, and models belong to one.

    Raises:
        ValueError: naming what does not.
    """
    if not _DIGITS.fullmatch(manifest.experiment):
        raise ValueError("experiment is not 64 hexadecimal digits")
    steps = manifest.steps()
    for number, step in enumerate(steps, -1):
        if step != (SETUP if number < 0 else round_name(number)):
            raise ValueError(f"it names {step} and not the step before it")
    strays = [name for name in manifest.files if name.startswith("model-") and step_of(name) not in steps]
    if strays:
        raise ValueError(f"it names {strays[0]} and not its round")
