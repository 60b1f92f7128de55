"""The program: subcommands, exit codes, errors as one sentence."""

import os
import sys
from typing import Annotated

import typer
from typer.core import TyperGroup

from biasloop import __version__
from biasloop.cli import bound, doctor, evaluate, fetch, generate, loop, plot, plugins, presets, runs
from biasloop.errors import BiasloopError
from biasloop.report.output import note

ORDER = ["fetch", "generate", "loop", "evaluate", "bound", "plot", "presets", "runs", "plugins", "doctor"]


class InOrder(TyperGroup):
    """Lists the main job's commands first."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Names in the order that a person meets them."""
        return ORDER


app = typer.Typer(
    name="biasloop",
    cls=InOrder,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Measure what happens to bias when models are trained on what earlier models labelled or generated, "
    "and what stops it.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage or invalid preset, 3 something must be fetched first, "
    "130/143 interrupted.",
)
app.command("fetch")(fetch.fetch)
app.command("generate")(generate.generate)
app.command("loop")(loop.loop)
app.add_typer(evaluate.app, name="evaluate")
app.command("bound")(bound.bound)
app.command("plot")(plot.plot)
app.add_typer(presets.app, name="presets")
app.command("plugins")(plugins.plugins)
app.add_typer(runs.app, name="runs")
app.command("doctor")(doctor.doctor)


def _version(asked: bool) -> None:
    if asked:
        print(f"biasloop {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if debug:
        os.environ["BIASLOOP_DEBUG"] = "1"


def main() -> None:
    """Run the program and exit with its code."""
    try:
        app()
    except KeyboardInterrupt:
        note("stopped at once")
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except BiasloopError as error:
        if os.environ.get("BIASLOOP_DEBUG"):
            raise
        note(f"biasloop: {error}")
        sys.exit(error.exit_code)
    except Exception as error:
        if os.environ.get("BIASLOOP_DEBUG"):
            raise
        note(
            f"biasloop: {type(error).__name__}: {error}; this is a defect of biasloop or of a plugin, "
            "`biasloop --debug ...` shows where"
        )
        sys.exit(1)
