"""Find, read, extend and override presets. What they say is checked by `biasloop.validation`."""

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli

from biasloop.errors import InvalidInput

MINI = "-mini"
_ALTERNATIVES: dict[tuple[str, ...], tuple[str, ...]] = {
    ("loop", "model"): ("loop", "per_round"),
    ("loop", "per_round"): ("loop", "model"),
}

# A switch that stands for settings of its table takes the place of those inherited; set beside it, they stay.
_STANDS_FOR: dict[tuple[str, ...], tuple[str, ...]] = {
    ("domain", "underfit"): ("epochs", "learning_rate", "schedule", "warm_up"),
}

Key = tuple[str, ...]


@dataclass(frozen=True)
class Preset:
    """A preset as read, with its ancestors and overrides merged, not yet validated.

    Attributes:
        name: what was asked for.
        path: the file.
        values: the merged tables.
        origins: for each key, the file or option that gave its value.
    """

    name: str
    path: Path
    values: dict[str, Any]
    origins: dict[Key, str] = field(default_factory=dict)

    @property
    def mini(self) -> bool:
        """Whether this is a file's `[mini]` rather than the file itself."""
        return Path(self.name.removesuffix(".toml")).name != self.path.stem

    def override(self, changes: Mapping[Key, Any], origin: str) -> "Preset":
        """The preset with some keys set; a key that the grid varies is fixed by that and leaves the grid."""
        values, origins = _copy(self.values), dict(self.origins)
        grid = values.get("grid", {})
        for key, value in sorted(changes.items(), key=lambda change: change[0] not in _STANDS_FOR):  # these first
            nested: Any = value
            for part in reversed(key):
                nested = {part: nested}
            for fixed in _paths(nested, ()):
                if isinstance(grid, dict):
                    grid.pop(".".join(fixed), None)
            _merge(values, nested, origins, origin)
        return Preset(self.name, self.path, values, origins)

    def vary(self, grid: Mapping[str, list[Any]], origin: str) -> "Preset":
        """The preset with more keys in its grid."""
        values, origins = _copy(self.values), dict(self.origins)
        _merge(values, {"grid": dict(grid)}, origins, origin)
        return Preset(self.name, self.path, values, origins)

    def origin(self, key: Key) -> str:
        """Where a key's value came from; for a missing key, where its table did."""
        while key:
            if key in self.origins:
                return self.origins[key]
            below = [name for place, name in self.origins.items() if place[: len(key)] == key]
            if below:
                return below[-1]
            key = key[:-1]
        return str(self.path)


def search_path() -> list[Path]:
    """Directories that hold presets, first wins: `./presets`, `$BIASLOOP_PRESETS`, the package's own."""
    places = [Path("presets")]
    places += [Path(entry) for entry in os.environ.get("BIASLOOP_PRESETS", "").split(os.pathsep) if entry]
    places.append(packaged())
    return [place for place in dict.fromkeys(place.resolve() for place in places) if place.is_dir()]


def packaged() -> Path:
    """The shipped presets: inside the installed package, or beside it in a source tree."""
    package = Path(__file__).parent
    inside = package / "presets"
    return inside if inside.is_dir() else package.parent / "presets"


def files() -> dict[str, Path]:
    """Every preset file on the search path, by name."""
    found: dict[str, Path] = {}
    for place in search_path():
        for path in sorted(place.glob("*.toml")):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def read(name: str) -> Preset:
    """A preset by name or by path, with what it extends; `NAME-mini` is NAME with its `[mini]` applied.

    Raises:
        InvalidInput: unknown name (with the nearest), unreadable file, invalid TOML, a circle of `extends`.
    """
    mini = name.endswith(MINI) and not _exists(name)
    path = _locate(name.removesuffix(MINI) if mini else name)
    preset = _read_chain(name, path, ())
    overrides = preset.values.pop("mini", {})
    if not mini:
        return preset
    if not overrides or not isinstance(overrides, dict):
        raise InvalidInput(f"{path} has no [mini] section, so there is no preset {name!r}")
    origins = dict(preset.origins)
    _unset(preset.values, origins, overrides.pop("unset", []), f"{path} [mini]")
    for table, value in overrides.items():  # a mini's grid stands in place of the full one
        if table == "grid":
            preset.values["grid"] = {}
        _merge(preset.values, {table: value}, origins, f"{path} [mini]")
    return Preset(name, path, preset.values, origins)


def _exists(name: str) -> bool:
    return Path(name).is_file() or name in files()


def _locate(name: str) -> Path:
    if name.endswith(".toml") or "/" in name or os.sep in name:
        path = Path(name)
        if path.is_file():
            return path
        raise InvalidInput(f"there is no preset file {name}")
    known = files()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InvalidInput(f"there is no preset {name!r}; {hint}`biasloop presets` lists them")


def parse_toml(path: Path) -> dict[str, Any]:
    """A TOML file.

    Raises:
        InvalidInput: naming the file and, for bad syntax, the line.
    """
    try:
        return tomli.loads(path.read_text(encoding="utf-8-sig"))
    except tomli.TOMLDecodeError as error:
        raise InvalidInput(f"{path} is not valid TOML: {error}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text: byte {error.start} is invalid") from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error


def _read_chain(name: str, path: Path, seen: tuple[Path, ...]) -> Preset:
    here = path.resolve()
    if here in seen:
        raise InvalidInput(f"{path} extends itself through {' -> '.join(p.stem for p in seen)}")
    own = parse_toml(path)
    parent = own.pop("extends", None)
    values: dict[str, Any] = {}
    origins: dict[Key, str] = {}
    if parent is not None:
        if not isinstance(parent, str):
            raise InvalidInput(f"{path}: extends = {parent!r}: expected the name of a preset")
        beside = path.parent / f"{parent}.toml"
        try:
            base_path = beside if beside.name != path.name and beside.is_file() else _locate(parent)
        except InvalidInput as error:
            raise InvalidInput(f"{path}: extends = {parent!r}: {error}") from error
        base = _read_chain(parent, base_path, (*seen, here))
        values, origins = base.values, base.origins
    _unset(values, origins, own.pop("unset", []), str(path))
    _merge(values, own, origins, str(path))
    return Preset(name, path, values, origins)


def _unset(values: dict[str, Any], origins: dict[Key, str], names: Any, origin: str) -> None:
    """Take keys off that were inherited: TOML has no value for none.

    Raises:
        InvalidInput: they are no list of keys, or one of them was not inherited.
    """
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidInput(f'{origin}: unset = {names!r}: expected a list of keys, for example ["domain.path"]')
    for name in names:
        table, _, inner = name.partition(".")
        *tables, last = key = (table, inner) if table == "grid" else tuple(name.split("."))  # its keys have dots
        place: Any = values
        for part in tables:
            place = place.get(part) if isinstance(place, dict) else None
        if not isinstance(place, dict) or last not in place:
            raise InvalidInput(f"{origin}: unset: there is no key {name!r} to take off; it is not inherited")
        del place[last]
        for inner in [inner for inner in origins if inner[: len(key)] == key]:
            del origins[inner]


def _merge(
    values: dict[str, Any], layer: Mapping[str, Any], origins: dict[Key, str], origin: str, at: Key = ()
) -> None:
    for name, value in layer.items():
        key = (*at, name)
        other = _ALTERNATIVES.get(key)
        if other and other[-1] not in layer:
            values.pop(other[-1], None)
        if value is True:
            for inherited in {*_STANDS_FOR.get(key, ())} - {*layer}:
                values.pop(inherited, None)
        tables = isinstance(value, dict) and isinstance(values.get(name), dict)
        if tables and key == ("domain",) and value.get("name", values[name].get("name")) != values[name].get("name"):
            values[name] = {}  # another domain: none of the former one's settings apply
        if tables and at != ("grid",):
            _merge(values[name], value, origins, origin, key)
        else:
            values[name] = _copy(value)
            origins[key] = origin
            for inner in _paths(value, key):
                origins[inner] = origin


def _paths(value: Any, at: Key) -> Iterator[Key]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*at, name)
            yield from _paths(inner, (*at, name))


def _copy(value: Any) -> Any:
    return {name: _copy(inner) for name, inner in value.items()} if isinstance(value, dict) else value


def parse_value(text: str) -> Any:
    """A value as TOML would read it; what is no TOML value is a string."""
    try:
        return tomli.loads(f"value = {text}")["value"]
    except tomli.TOMLDecodeError:
        return text


def parse_set(text: str) -> tuple[Key, Any]:
    """`loop.human=1000` as key and typed value."""
    name, equals, value = text.partition("=")
    key = tuple(part.strip() for part in name.split("."))
    if not equals or not all(key):
        raise InvalidInput(f"--set {text}: expected KEY=VALUE, for example --set loop.human=1000")
    return key, parse_value(value.strip())


def parse_grid(text: str) -> tuple[str, list[Any]]:
    """`loop.human=1000,2500` as key and list of values; also `[...]`, and what TOML reads between brackets."""
    key, value = parse_set(text)
    if not isinstance(value, list):
        written = text.partition("=")[2]
        value = parse_value(f"[{written}]")
        if not isinstance(value, list):
            value = [parse_value(part.strip()) for part in written.split(",")]
    if not value or "" in value:
        raise InvalidInput(f"--grid {text}: expected KEY=VALUE,VALUE, for example --grid loop.human=1000,2500")
    return ".".join(key), value


def parse_seeds(text: str) -> list[int]:
    """`0-2`, `0,3,5-7` or `5` as a list of seeds.

    Raises:
        InvalidInput: anything else.
    """
    seeds: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*([0-9]+)(?:-([0-9]+))?\s*", part)
        if not found or (found[2] and int(found[2]) < int(found[1])):
            raise InvalidInput(
                f"seeds {text!r}: expected a list of whole numbers or ranges, for example 0-2 or 0,3,5-7"
            )
        seeds += range(int(found[1]), int(found[2] or found[1]) + 1)
    return list(dict.fromkeys(seeds))


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


def listing() -> list[Listed]:
    """Every preset, also those that cannot be read (with the reason); loads no plugin."""
    found = []
    for name, path in files().items():
        try:
            values = _read_chain(name, path, ()).values
            domain = values.get("domain")
            found.append(
                Listed(
                    name,
                    str(domain.get("name", "")) if isinstance(domain, dict) else "",
                    str(values.get("source", "")),
                    str(values.get("summary", "")),
                    path,
                    bool(values.get("mini")),
                    parameters=str(values.get("parameters", "")),
                )
            )
        except InvalidInput as error:
            found.append(Listed(name, "", "", "", path, problem=str(error)))
    return found
