"""Where preset files lie, and which of two with one name is meant: the shipped one, unless a path is given."""

import difflib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from biasloop.errors import InvalidInput


def search_path() -> list[Path]:
    """Directories of presets and layouts: `./presets`, those of `$BIASLOOP_PRESETS`, the package's own."""
    directories = [Path("presets")]
    directories += [Path(entry) for entry in os.environ.get("BIASLOOP_PRESETS", "").split(os.pathsep) if entry]
    directories.append(packaged())
    return [path for path in dict.fromkeys(path.resolve() for path in directories) if path.is_dir()]


def packaged() -> Path:
    """The shipped presets: inside the installed package, or beside it in a source tree."""
    package = Path(__file__).parents[1]
    inside = package / "presets"
    return inside if inside.is_dir() else package.parent / "presets"


def files() -> dict[str, Path]:
    """Every preset that a name means, by name: shipped ones first, then along the search path."""
    return {name: paths[0] for name, paths in _all_files().items()}


def passed_over(name: str) -> list[Path]:
    """Further files of that name on the search path, which only their paths mean."""
    return _all_files().get(name, [])[1:]


@contextmanager
def unchanging() -> Iterator[None]:
    """Inside, the directories are looked through once: a list of all presets asks for them a thousand times."""
    before = _memory["files"]
    _memory["files"] = before or _looked_for()
    try:
        yield
    finally:
        _memory["files"] = before


_memory: dict[str, dict[str, list[Path]] | None] = {"files": None}


def _all_files() -> dict[str, list[Path]]:
    return _memory["files"] or _looked_for()


def _looked_for() -> dict[str, list[Path]]:
    directories = search_path()
    # A preset that somebody left in the working directory must not take the name of one that is known.
    directories.sort(key=lambda directory: not is_shipped(directory))
    named: dict[str, list[Path]] = {}
    for directory in directories:
        for path in sorted(directory.glob("*.toml")):
            named.setdefault(path.stem, []).append(path)
    return dict(sorted(named.items()))


def is_shipped(path: Path) -> bool:
    """Whether a preset, or a directory of presets, comes with biasloop."""
    shipped, resolved = packaged().resolve(), path.resolve()
    return shipped in (resolved, resolved.parent)


def is_path(name: str) -> bool:
    """Whether it is a path rather than the name of a preset."""
    return name.endswith(".toml") or "/" in name or os.sep in name


def exists(name: str) -> bool:
    """Whether there is a preset of that path or name."""
    return (is_path(name) and is_there(Path(name))) or name in files()


def is_there(path: Path) -> bool:
    """Whether anything but a directory lies there; what it is, whoever reads it finds out."""
    try:
        return path.exists() and not path.is_dir()
    except (OSError, ValueError):  # a name that is too long, or has NUL
        return False


def locate(name: str) -> Path:
    """The file of a preset.

    Args:
        name: its name, or the path of any TOML file.

    Raises:
        InvalidInput: there is none; with the file of that name in the working directory, or the nearest name.
    """
    if is_path(name):
        path = Path(name)
        if is_there(path):
            return path
        raise InvalidInput(f"there is no preset file {_short(name)}")
    known = files()
    if name in known:
        return known[name]
    if name and is_there(Path(f"{name}.toml")):
        hint = f"did you mean ./{name}.toml? "
    else:
        near = difflib.get_close_matches(name[:100], known, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
    raise InvalidInput(f"there is no preset {_short(name)!r}; {hint}`biasloop presets` lists them")


def _short(name: str) -> str:
    return name if len(name) <= 300 else f"{name[:300]}..."
