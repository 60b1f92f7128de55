"""Find, read, extend and override presets. What they say is checked by `biasloop.config.validation`."""

import filecmp
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from biasloop.config import arms, other_names
from biasloop.config.displacing import Displaced, displaced, switches_of
from biasloop.config.merging import copied, merge, paths, unset
from biasloop.config.overrides import Key, parse_grid, parse_grids, parse_seeds, parse_set, parse_sets, parse_value
from biasloop.config.preset_files import (
    exists,
    files,
    is_path,
    is_shipped,
    is_there,
    locate,
    packaged,
    passed_over,
    search_path,
    unchanging,
)
from biasloop.errors import InvalidInput
from biasloop.parsing import parse_toml, shown

__all__ = [
    "MINI", "Key", "Listed", "Preset", "files", "is_shipped", "listing", "packaged", "parse_grid", "parse_grids",
    "parse_seeds", "parse_set", "parse_sets", "parse_toml", "parse_value", "passed_over", "read", "search_path",
    "unchanging",
]  # fmt: skip

MINI = "-mini"
_LONGEST_CHAIN = 20  # presets that extend each other
_RUNS_PROGRAMS = "command"  # the domain


@dataclass(frozen=True)
class Preset:
    """A preset as read, with its ancestors and overrides merged, not yet validated.

    Attributes:
        name: what was asked for.
        path: the file.
        values: the merged tables.
        origins: for each key, the file or option that gave its value.
        notes: what has to be told of whose it is: another one has its name, or it runs programs; a sentence each.
        whose: where it lies, if its name is none of those that come with biasloop and no note says so; a sentence.
        arm: which of its [arms] this is, with that one's overrides merged; empty for none.
    """

    name: str
    path: Path
    values: dict[str, Any]
    origins: dict[Key, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    whose: str = ""
    arm: str = ""

    @property
    def mini(self) -> bool:
        """Whether this is a file's `[mini]` rather than the file itself."""
        return Path(self.name.removesuffix(".toml")).name != self.path.stem

    def override(self, changes: Mapping[Key, Any], origin: str) -> "Preset":
        """The preset and its arms with some keys set; one that the grid varies is fixed by that and leaves the grid."""
        # A grid of thousands of combinations copies no other tables.
        changed = {"grid", arms.ARMS, *(key[0] for key in changes)}
        values = {name: copied(value) if name in changed else value for name, value in self.values.items()}
        origins, grid = dict(self.origins), values.get("grid", {})
        switches = self._switches(changes)
        for key, value in sorted(changes.items(), key=lambda change: change[0] not in switches):  # these first
            nested: Any = value
            for part in reversed(key):
                nested = {part: nested}
            for fixed in paths(nested, ()):
                if isinstance(grid, dict):
                    grid.pop(".".join(fixed), None)
            of_arms = arms.go_over(values, nested, origin)
            merge(values, nested, origins, origin)
            origins |= of_arms
        return replace(self, values=values, origins=origins)

    def _switches(self, changes: Mapping[Key, Any]) -> set[Key]:
        """The settings among which are all that are switched on here and stand for several others."""
        if True not in changes.values():
            return set()
        domain = self.values.get("domain")
        named = changes.get(("domain", "name"), domain.get("name") if isinstance(domain, dict) else None)
        return {("domain", name) for name in switches_of(named)}

    def vary(self, grid: Mapping[str, list[Any]], origin: str) -> "Preset":
        """The preset with more keys in its grid."""
        values, origins = copied(self.values), dict(self.origins)
        merge(values, {"grid": dict(grid)}, origins, origin)
        return replace(self, values=values, origins=origins)

    def origin(self, key: Key) -> str:
        """Where a key's value came from; for a missing key, where its table did."""
        while key:
            below = [name for place, name in self.origins.items() if place[: len(key)] == key]
            if below:
                return self._latest(below)
            key = key[:-1]
        return str(self.path)

    def _latest(self, origins: list[str]) -> str:
        """Where a table was changed last: what a person typed, then the preset's own file, then what it extends."""
        typed = [name for name in origins if name.startswith("--")]
        own = [name for name in origins if name in {str(self.path), f"{self.path} [mini]"}]
        return (typed or own or origins)[-1]


def read(name: str) -> Preset:
    """A preset by name or by path, with what it extends; `NAME-mini` is NAME with its `[mini]` applied.

    A name means the shipped preset before one in `./presets` or `$BIASLOOP_PRESETS`; a path means what lies there.

    Raises:
        InvalidInput: unknown name (with the nearest), unreadable file, invalid TOML, a circle of `extends`.
    """
    mini = name.endswith(MINI) and not exists(name)
    known = name.removesuffix(MINI) if mini else name
    whose = ""
    if not exists(known) and not is_path(known):
        typed, known = known, other_names.meant(known) or known
        if known != typed:
            name = known + MINI if mini else known
            whose = f"{typed} is what its publication calls the preset {known}"
    path = locate(known)
    preset = _read_chain(name, path, (), by_path=is_path(known))
    overrides = preset.values.pop("mini", {})
    if mini:
        preset = _applied(preset, overrides)
    if is_path(known):
        return preset
    attributed = _attributed(known, preset)
    return replace(attributed, whose=whose) if whose else attributed


def _applied(preset: Preset, overrides: Any) -> Preset:
    """The preset with its `[mini]`."""
    name, path = preset.name, preset.path
    if not overrides or not isinstance(overrides, dict):
        raise InvalidInput(f"{path} has no [mini] section, so there is no preset {name!r}")
    origins = dict(preset.origins)
    unset(preset.values, origins, overrides.pop("unset", []), f"{path} [mini]")
    for table, value in overrides.items():  # a mini's grid stands in place of the full one
        if table == "grid":
            preset.values["grid"] = {}
        arms.give_way(preset.values, {table: value})
        merge(preset.values, {table: value}, origins, f"{path} [mini]")
    return replace(preset, origins=origins)


def _attributed(name: str, preset: Preset) -> Preset:
    """The preset that a name means, with whose it is."""
    if is_shipped(preset.path):
        others = [
            f"{name} is the preset that comes with biasloop; {other} has the same name, and to run that one give its "
            f"path: --preset {shlex.quote(str(other))}"
            for other in passed_over(name)
            if _differ(preset.path, other)
        ]
        return replace(preset, notes=(*others, *preset.notes))
    whose = f"{name} is not one of the presets that come with biasloop; it lies in {preset.path}"
    programs = _programs(preset)
    if programs:
        return replace(preset, notes=(f"{whose} and {programs}", *preset.notes))
    return replace(preset, whose=whose)


def _differ(path: Path, other: Path) -> bool:
    """Whether two preset files say different things; what cannot be read is different."""
    try:
        return not filecmp.cmp(path, other, shallow=False)
    except OSError:
        return True


def _programs(preset: Preset) -> str:
    """That a preset runs programs, and which, as the end of a sentence; empty if it does not."""
    domain = preset.values.get("domain")
    if not isinstance(domain, dict) or domain.get("name") != _RUNS_PROGRAMS:
        return ""
    commands = [domain.get(name) for name in ("train", "predict")]
    typed = [shlex.join(map(str, command)) for command in commands if isinstance(command, list)]
    return f"runs programs: {'; '.join(typed)}" if typed else "runs programs"


def _read_chain(
    name: str, path: Path, seen: tuple[Path, ...], *, by_path: bool, displaced: Displaced = displaced
) -> Preset:
    here = path.resolve()
    if here in seen:
        raise InvalidInput(f"{path} extends itself through {' -> '.join(p.stem for p in seen)}")
    if len(seen) >= _LONGEST_CHAIN:
        raise InvalidInput(
            f"{seen[0]} extends more than {_LONGEST_CHAIN} presets one after another; let it extend fewer"
        )
    layer = parse_toml(path)
    parent = layer.pop("extends", None)
    values: dict[str, Any] = {}
    origins: dict[Key, str] = {}
    notes: tuple[str, ...] = ()
    own_names = layer.pop(other_names.KEY, None)
    if parent is not None:
        if not isinstance(parent, str):
            raise InvalidInput(f"{path}: extends = {shown(parent)}: expected the name of a preset")
        try:
            base_path = _parent(path, parent, by_path=by_path)
        except InvalidInput as error:
            if parent.endswith(MINI):
                plain = parent.removesuffix(MINI)
                raise InvalidInput(
                    f"{path}: extends = {shown(parent)}: a mini cannot be extended; extend {plain!r}, and run your "
                    f"preset as NAME{MINI}"
                ) from error
            raise InvalidInput(f"{path}: extends = {shown(parent)}: {error}") from error
        base = _read_chain(parent, base_path, (*seen, here), by_path=by_path or is_path(parent), displaced=displaced)
        values, origins, notes = base.values, base.origins, base.notes
        values.pop(other_names.KEY, None)
        beside = path.parent / base_path.name
        if base_path != beside and is_shipped(base_path) and is_there(beside) and beside != path and not by_path:
            notes += (f"{path} extends the {parent} that comes with biasloop, not {beside}",)
    unset(values, origins, layer.pop("unset", []), str(path))
    arms.give_way(values, layer)
    merge(values, layer, origins, str(path), displaced=displaced)
    if own_names is not None:
        values[other_names.KEY] = own_names
    return Preset(name, path, values, origins, notes)


def _parent(path: Path, name: str, *, by_path: bool) -> Path:
    """The file that one extends: beside it, unless neither was given as a path and biasloop has one of that name."""
    beside = path.parent / f"{name}.toml"
    if beside.name == path.name or not is_there(beside):
        return locate(name)
    known = files().get(name)
    return known if known is not None and is_shipped(known) and not by_path else beside


@dataclass(frozen=True)
class Listed:
    """One line of `biasloop presets`."""

    name: str
    domain: str
    source: str
    summary: str
    path: Path
    mini: bool = False
    problem: str = ""
    parameters: str = ""
    also: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


def mini_of(listed: Listed) -> Mapping[str, Any]:
    """What a preset's mini says; the preset's own values where it has none."""
    values = copied(dict(listed.values))
    overrides = values.pop("mini", {})
    return _applied(Preset(listed.name + MINI, listed.path, values), overrides).values if overrides else values


def listing() -> list[Listed]:
    """Every preset, also those that cannot be read (with the reason); loads no plugin."""
    with unchanging():
        return _listing()


def _listing() -> list[Listed]:
    listed = []
    for name, path in files().items():
        try:
            values = _read_chain(name, path, (), by_path=False, displaced=lambda *_: set()).values
            domain = values.get("domain")
            listed.append(
                Listed(
                    name,
                    str(domain.get("name", "")) if isinstance(domain, dict) else "",
                    str(values.get("source", "")),
                    str(values.get("summary", "")),
                    path,
                    bool(values.get("mini")),
                    parameters=str(values.get("parameters", "")),
                    also=other_names.of(values),
                    values=values,
                )
            )
        except InvalidInput as error:
            listed.append(Listed(name, "", "", "", path, problem=str(error)))
    return listed
