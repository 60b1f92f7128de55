"""`biasloop plugins`: which domains, selectors and sinks are installed, and whether each works."""

import textwrap
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from biasloop.cli import completing
from biasloop.cli.examples import LIST, Command, ListingGroup
from biasloop.cli.options import Json
from biasloop.report.output import console, emit, say, show, table

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

SLOW = 0.3


MOST = 20  # presets that are named
app = typer.Typer(
    cls=ListingGroup,
    help="List the installed domains, selectors and sinks, or show what one is; `plugins` alone lists.\n\n"
    "Example: biasloop plugins show images",
)


@app.command("show", cls=Command)
def show_plugin(
    name: Annotated[
        str, typer.Argument(help="The name of a domain, a selector or a sink.", autocompletion=completing.plugins)
    ],
    json: Json = False,
) -> None:
    """Print what a plugin is: its settings with their meaning, what it can do, metrics and presets.

    Example: biasloop plugins show generators
    """
    from dataclasses import asdict

    from biasloop.running.plugin_facts import facts

    told = facts(name)
    if json:
        emit(asdict(told))
        return
    width = min(console().width, 100)
    say(f"{told.name}: {told.kind}. {told.summary}")
    if told.settings:
        section = "domain" if told.kind == "domain" else f"selection.options.{name}"
        say(f"\nsettings, in [{section}]:")
    for setting in told.settings:
        default = f"default {setting.default}" if setting.default else "has to be given"
        say(f"  {setting.name}: {setting.kind}; {default}")
        if setting.meaning:
            say(_indented(setting.meaning, width))
    if told.capabilities:
        say("\nwhat it can do:")
        for capability, words in told.capabilities.items():
            say(f"  {capability}\n{_indented(words, width)}")
    if told.metrics:
        say("\nmetrics that its presets draw (`biasloop evaluate run RUN --list` names all that a run has):")
        for metric, label in told.metrics.items():
            say(f"  {metric}{f': {label}' if label else ''}")
    if told.presets:
        more = f", ... (`biasloop presets {name}` lists all)" if len(told.presets) > MOST else ""
        say("\npresets:")
        say(_indented(", ".join(told.presets[:MOST]) + more, width, by=2))


def _indented(text: str, width: int, by: int = 6) -> str:
    return textwrap.fill(text, width, initial_indent=" " * by, subsequent_indent=" " * by, break_long_words=False,
                         break_on_hyphens=False)  # fmt: skip


@app.command(LIST, cls=Command)
def list_plugins(json: Json = False) -> None:
    """List the installed domains, selectors and sinks, and the state of each.

    Example: biasloop plugins list
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
