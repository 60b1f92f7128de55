"""`biasloop plugins`: which domains, selectors and sinks are installed, and whether each works."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from biasloop.cli.options import Json
from biasloop.report.output import emit, show, table

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

SLOW = 0.3


def plugins(json: Json = False) -> None:
    """List the installed domains, selectors and sinks, and the state of each.

    Example: biasloop plugins
    """
    from biasloop import discovery

    loaded = [
        *_states("domain", discovery.entries(), discovery.load),
        *_states("selector", discovery.entries(discovery.SELECTORS), discovery.selector),
        *_states("sink", discovery.entries(discovery.SINKS), discovery.sink),
    ]
    if json:
        emit(loaded)
        return
    rows = [
        [
            str(plugin["kind"]),
            str(plugin["name"]),
            f"{plugin['distribution']} {plugin['version']}",
            str(
                plugin["problem"]
                or (f"works, but takes {plugin['import_seconds']} s to import" if plugin["slow"] else "works")
            ),
        ]
        for plugin in loaded
    ]
    show(table(["kind", "name", "distribution", "state"], rows))


def _states(
    kind: str, entries: "Mapping[str, list[EntryPoint]]", load: Callable[[str], object]
) -> list[dict[str, object]]:
    """What is told of each plugin of a kind; `load` imports it by its name."""
    from biasloop.errors import BiasloopError

    states: list[dict[str, object]] = []
    for name, declared in entries.items():
        for entry in declared:
            begun, problem = time.perf_counter(), ""
            try:
                load(name)
            except BiasloopError as error:
                problem = str(error)
            seconds = time.perf_counter() - begun
            dist = entry.dist
            states.append(
                {
                    "kind": kind,
                    "name": name,
                    "distribution": dist.name if dist else "",
                    "version": dist.version if dist else "",
                    "import_seconds": round(seconds, 3),
                    "slow": seconds > SLOW,
                    "problem": problem or None,
                }
            )
    return states
