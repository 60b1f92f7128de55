"""What a shell offers where a command wants a name: presets, runs, metrics, data sets, plugins, figures.

Each takes what was typed so far. Whatever is wrong (no run there, a preset that cannot be read) offers nothing: a
completion never fails, and says nothing.
"""

import os
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer

MOST = 200  # names that are offered
_DEEPEST = 4  # folders below the one that was typed
_VISITED = 2_000  # folders that are looked into
_RUNS = "runs"

Completer = Callable[[str], list[str]]


def _quietly(complete: Callable[..., list[str]]) -> Callable[..., list[str]]:
    """The completer, with nothing to offer where it fails."""

    def offered(*given: Any) -> list[str]:
        try:
            return complete(*given)[:MOST]
        except Exception:  # noqa: BLE001 - a person is typing: an error has no place there
            return []

    return offered


def presets(incomplete: str) -> list[str]:
    """Names of presets, and of the one that is typed out its mini; files, where a path is begun."""
    return _quietly(_presets)(incomplete)


def _presets(incomplete: str) -> list[str]:
    from biasloop.config.preset_files import files

    if "/" in incomplete:
        return _files(incomplete)
    known = files()
    names = [name for name in known if name.startswith(incomplete)]
    minis = [name for name in known if names == [name] or incomplete.startswith(f"{name}-")]
    offered = [f"{name}-mini" for name in minis if "\n[mini" in known[name].read_text(encoding="utf-8")]
    return [*names, *(name for name in offered if name.startswith(incomplete))]


def runs(incomplete: str) -> list[str]:
    """Directories of runs, and of studies above them, in the one that is typed; at first those in `runs`."""
    return _quietly(_runs)(incomplete)


def _runs(incomplete: str) -> list[str]:
    above = os.path.dirname(incomplete) or ("/" if incomplete.startswith("/") else "")  # noqa: PTH120
    begun = sorted(_folders(above or "."))
    paths = [f"{above.rstrip('/')}/{name}" if above else name for name in begun]
    if not incomplete:
        paths = [_RUNS] if _RUNS in paths else []
    offered: list[str] = []
    left = [_VISITED]
    for path in paths:
        if path.startswith(incomplete):
            _collect(path, _DEEPEST, offered, left)
    return offered


def _collect(path: str, depth: int, offered: list[str], left: list[int]) -> bool:
    """Add a directory if runs are at or below it, before these; whether there are."""
    from biasloop.store.entries import EXPERIMENT

    left[0] -= 1
    if left[0] < 0:
        return False
    if Path(path, EXPERIMENT).is_file():
        offered.append(path)
        return True
    at = len(offered)
    below = [depth > 0 and _collect(f"{path}/{name}", depth - 1, offered, left) for name in sorted(_folders(path))]
    if any(below):
        offered.insert(at, path)
    return any(below)


def _folders(path: str) -> Iterator[str]:
    """Names of directories in one, hidden ones and links apart."""
    with os.scandir(path) as entries:
        for entry in entries:
            if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                yield entry.name


def plotted(incomplete: str) -> list[str]:
    """What `biasloop plot` draws: figures and runs."""
    return [*figures(incomplete), *runs(incomplete)]


def figures(incomplete: str) -> list[str]:
    """Names of figures."""
    return _quietly(_figures)(incomplete)


def _figures(incomplete: str) -> list[str]:
    from biasloop.config.preset_files import search_path

    stems = {path.stem for folder in search_path() for path in (folder / "figures").glob("*.toml")}
    return sorted(name for name in stems if name.startswith(incomplete))


def metrics(incomplete: str) -> list[str]:
    """Metrics of the first run that the command names so far."""
    return _quietly(_metrics)(incomplete)


def _metrics(incomplete: str) -> list[str]:
    from biasloop.store.finding import find_runs
    from biasloop.store.reader import Run

    # The words themselves: what a command has made of them is lost where its last option has no value yet.
    words = shlex.split(os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", ""))
    first = next(run for word in words if Path(word).is_dir() for run in find_runs(Path(word)))
    names = {name for _, values, _, _ in Run.open(first).summaries() for name in values}
    return sorted(name for name in names if name.startswith(incomplete))


def formats(incomplete: str) -> list[str]:
    """Names of formats and layouts of `biasloop export`."""
    return _quietly(_formats)(incomplete)


def _formats(incomplete: str) -> list[str]:
    from biasloop.report.tables.exporting import FORMATS, LAYOUTS

    return [name for name in (*FORMATS, *LAYOUTS) if name.startswith(incomplete)]


def scenarios(incomplete: str) -> list[str]:
    """Names of scenarios, and what lists them; files, where a path is begun."""
    return _quietly(_scenarios)(incomplete)


def _scenarios(incomplete: str) -> list[str]:
    from biasloop.cli.bound_scenario import LIST
    from biasloop.scenario.reading import files

    if "/" in incomplete:
        return _files(incomplete)
    return [name for name in (*sorted(files()), LIST) if name.startswith(incomplete)]


def _files(incomplete: str) -> list[str]:
    """TOML files whose path begins so."""
    folder, _, start = incomplete.rpartition("/")
    return [f"{folder}/{path.name}" for path in sorted(Path(folder or "/").glob("*.toml"))
            if path.name.startswith(start)]  # fmt: skip


def data_sets(incomplete: str) -> list[str]:
    """Names of data sets and weights."""
    return _quietly(_data_sets)(incomplete)


def _data_sets(incomplete: str) -> list[str]:
    from biasloop import datasets

    return [asset.name for asset in datasets.all_assets() if asset.name.startswith(incomplete)]


def domains(incomplete: str) -> list[str]:
    """Names of installed domains."""
    return _quietly(_domains)(incomplete)


def _domains(incomplete: str) -> list[str]:
    from biasloop import discovery

    return [name for name in discovery.entries() if name.startswith(incomplete)]


def plugins(incomplete: str) -> list[str]:
    """Names of installed domains, selectors and sinks."""
    return [*domains(incomplete), *_quietly(_others)(incomplete)]


def _others(incomplete: str) -> list[str]:
    from biasloop import discovery

    names = [name for group in (discovery.SELECTORS, discovery.SINKS) for name in discovery.entries(group)]
    return [name for name in names if name.startswith(incomplete)]


def arms(context: typer.Context, incomplete: str) -> list[str]:
    """Names of the arms of the preset that the command names so far."""
    return _quietly(_arms)(context, incomplete)


def _arms(context: typer.Context, incomplete: str) -> list[str]:
    from biasloop.config import presets as library

    declared = library.read(str(context.params["preset"])).values.get("arms", {})
    return [name for name in declared if name.startswith(incomplete)]
