"""Finds a scenario by name or path and reads it; every mistake names file, key, value and the nearest valid key."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from biasloop.config.preset_files import is_path, is_there, search_path
from biasloop.config.presets import Preset, parse_sets
from biasloop.config.validation import explained
from biasloop.errors import InvalidInput
from biasloop.parsing import parse_toml
from biasloop.scenario.settings import Scenario

FOLDER = "scenarios"  # in a directory of presets


@dataclass(frozen=True)
class Listed:
    """One line of the list of scenarios."""

    name: str
    summary: str
    path: Path


def files() -> dict[str, Path]:
    """Every scenario that a name means: shipped ones go before those of `./presets/scenarios` of the same name."""
    paths = [path for directory in search_path() for path in sorted((directory / FOLDER).glob("*.toml"))]
    return {path.stem: path for path in paths}  # the shipped directory is the last one of the search path


def listing() -> list[Listed]:
    """Every scenario by name; the summary of one that cannot be read says why."""
    listed = []
    for name, path in sorted(files().items()):
        try:
            summary = str(parse_toml(path).get("summary", ""))
        except InvalidInput as error:
            summary = str(error)
        listed.append(Listed(name, summary, path))
    return listed


def locate(name: str) -> Path:
    """The file of a scenario.

    Args:
        name: its name, or the path of a TOML file.

    Raises:
        InvalidInput: there is none; with the nearest name, and all names.
    """
    known = files()
    if is_path(name):
        if is_there(Path(name)):
            return Path(name)
        raise InvalidInput(f"there is no scenario file {name[:300]}; `biasloop bound --scenario list` lists names")
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name[:100], known, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InvalidInput(
        f"there is no scenario {name[:100]!r}; {hint}known: {', '.join(sorted(known))}; or give a path that ends in "
        ".toml"
    )


def read(name: str, sets: Iterable[str] = ()) -> Scenario:
    """A scenario, checked and completed.

    Args:
        name: of a scenario, or a path.
        sets: overrides, each KEY=VALUE as `--set` takes them.

    Raises:
        InvalidInput: one line a mistake, all of them at once.
    """
    path = locate(name)
    values = parse_toml(path)
    written = Preset(path.stem, path, values, {(key,): str(path) for key in values})
    changed = written.override(parse_sets(sets), "--set")
    try:
        scenario = Scenario.model_validate(changed.values)
    except ValidationError as error:
        raise InvalidInput("\n".join(explained(changed, error, Scenario))) from error
    if mistakes := scenario.mistakes():
        raise InvalidInput("\n".join(f"{path}: {mistake}" for mistake in mistakes))
    return scenario
