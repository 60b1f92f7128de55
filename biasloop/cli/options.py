"""Options that several commands share."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import typer

from biasloop.cli import completing
from biasloop.report.output import note, note_once
from biasloop.system.directories import data_directory

if TYPE_CHECKING:
    from biasloop.config.presets import Preset
    from biasloop.running.engine import Event

__all__ = [
    "Arms", "Data", "Device", "Json", "PresetName", "Sets", "Sinks", "Threads", "data_directory", "debugging",
    "on_notice", "tell_whose",
]  # fmt: skip

Json = Annotated[bool, typer.Option("--json", help="One JSON value on stdout, everything else on stderr.")]
PresetName = Annotated[
    str,
    typer.Option(
        "--preset", "-p", help="A preset's name, or the path of a TOML file.", autocompletion=completing.presets
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key, for example loop.human=1000."),
]
Arms = Annotated[
    list[str] | None,
    typer.Option(
        "--arm",
        metavar="NAME",
        help="Run this one of the preset's [arms] (repeatable); default: all.",
        autocompletion=completing.arms,
    ),
]
Sinks = Annotated[
    list[str] | None,
    typer.Option(
        "--sink",
        metavar="NAME[=DIR]",
        help="Also tell each round to this sink: jsonl, tensorboard or an installed one (repeatable; $BIASLOOP_SINKS).",
    ),
]
Data = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Where fetched data sets lie ($BIASLOOP_DATA).")
]
Device = Annotated[str, typer.Option("--device", help='Where to compute: "auto", "cpu", "cuda", "cuda:1", ...')]


def tell_whose(preset: "Preset", *, json: bool = False) -> None:
    """Whose preset a name turned out to mean, and which of its settings have no effect.

    A script that asked for one of its own is told of dangers alone.
    """
    from biasloop.config.ineffective import ineffective

    for text in (*preset.notes, *ineffective(preset)):
        note(text)
    if preset.whose and not json:
        note(preset.whose)


def on_notice(event: "Event") -> None:
    """Say what a person should know; what else happens has no place outside of a run."""
    from biasloop.running.engine import Notice

    if isinstance(event, Notice):
        note_once(event.text)


def debugging() -> bool:
    """Whether the traceback of an error was asked for, before the name of the command or in the environment."""
    context = click.get_current_context(silent=True)
    asked = context.find_root().params.get("debug") if context else False
    return bool(asked or os.environ.get("BIASLOOP_DEBUG"))


def _checked(number: int | None) -> int | None:
    from biasloop.system import threads

    threads.check(number)
    return number


Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        callback=_checked,
        help="CPU threads; default: the preset's or run's; 0 leaves the library's choice.",
    ),
]
