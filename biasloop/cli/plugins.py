"""`biasloop plugins`: which domains are installed, and whether each works."""

import time

from biasloop.cli.options import Json
from biasloop.report.output import emit, show, table

SLOW = 0.3


def plugins(json: Json = False) -> None:
    """List the installed domains and the state of each.

    Example: biasloop plugins
    """
    from biasloop import discovery
    from biasloop.errors import BiasloopError

    loaded = []
    for name, entries in discovery.entries().items():
        for entry in entries:
            begun, problem = time.perf_counter(), ""
            try:
                discovery.load(name)
            except BiasloopError as error:
                problem = str(error)
            seconds = time.perf_counter() - begun
            dist = entry.dist
            loaded.append(
                {
                    "name": name,
                    "distribution": dist.name if dist else "",
                    "version": dist.version if dist else "",
                    "import_seconds": round(seconds, 3),
                    "slow": seconds > SLOW,
                    "problem": problem or None,
                }
            )
    if json:
        emit(loaded)
        return
    rows = [
        [
            str(plugin["name"]),
            f"{plugin['distribution']} {plugin['version']}",
            str(
                plugin["problem"]
                or (f"works, but takes {plugin['import_seconds']} s to import" if plugin["slow"] else "works")
            ),
        ]
        for plugin in loaded
    ]
    show(table(["domain", "distribution", "state"], rows))
