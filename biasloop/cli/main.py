"""The program: subcommands, exit codes, errors as one sentence."""

import atexit
import errno
import gc
import os
import signal
import sys
import traceback
from typing import Annotated, NoReturn

import typer

from biasloop import __version__
from biasloop.cli import (
    bound,
    compare,
    doctor,
    evaluate,
    export,
    fetch,
    generate,
    loop,
    loudness,
    page,
    plot,
    plugins,
    presets,
    report,
    runs,
    streams,
)
from biasloop.cli.examples import Command, Group
from biasloop.cli.stopping import forsake_lost_terminal, stoppable
from biasloop.errors import BiasloopError, InvalidInput
from biasloop.report.output import note
from biasloop.system.memory import lacking
from biasloop.system.memory import sentence as not_enough
from biasloop.system.threads import mend_environment

ORDER = [
    "fetch",
    "generate",
    "loop",
    "evaluate",
    "compare",
    "bound",
    "plot",
    "page",
    "report",
    "export",
    "presets",
    "runs",
    "plugins",
    "doctor",
]


class InOrder(Group):
    """Lists the main job's commands first."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Names in the order that a person meets them."""
        return ORDER


app = typer.Typer(
    name="biasloop",
    cls=InOrder,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Measure what happens to bias when models are trained on what earlier models labelled or generated, "
    "and what stops it.\n\nExample: biasloop loop --preset quickstart",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage or invalid preset, 3 something must be fetched first, "
    "4 a gate (--fail-above, --fail-below) was crossed, 129/130/143 ended by SIGHUP (a closed terminal), Ctrl-C, "
    "SIGTERM.",
)
app.command("fetch", cls=Command)(fetch.fetch)
app.command("generate", cls=Command)(generate.generate)
app.command("loop", cls=Command)(loop.loop)
app.add_typer(evaluate.app, name="evaluate")
app.command("compare", cls=Command)(compare.compare)
app.command("bound", cls=Command)(bound.bound)
app.command("plot", cls=Command)(plot.plot)
app.command("page", cls=Command)(page.page)
app.command("report", cls=Command)(report.report)
app.command("export", cls=Command)(export.export)
app.add_typer(presets.app, name="presets")
app.add_typer(plugins.app, name="plugins")
app.add_typer(runs.app, name="runs")
app.command("doctor", cls=Command)(doctor.doctor)


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
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say at once, with their place, what libraries warn of.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say the answer and what goes wrong, no more.")] = False,
) -> None:
    loudness.choose(verbose=verbose, quiet=quiet)
    _asked["debug"] = debug or bool(os.environ.get("BIASLOOP_DEBUG"))


_SHOWN = 500  # characters of a path in a message
_asked = {"debug": False}  # options before the subcommand, for the way out


def main() -> None:
    """Run the program and exit with its code."""
    # Else pydantic reads the metadata of every installed distribution to look for plugins of its own.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    atexit.register(gc.freeze)  # else Python looks through all that torch has made, for a second, before it ends
    streams.open_closed()
    for sentence in mend_environment():
        note(f"biasloop: {sentence}")
    try:
        with (
            loudness.library_warnings(),
            stoppable(
                lambda: "every file that is there is whole, and the same command begins anew, or goes on with a run"
            ),
        ):
            _run()
    except KeyboardInterrupt:
        note("stopped at once")
        sys.exit(130)
    except BrokenPipeError:
        streams.settle()
        sys.exit(1)
    except BiasloopError as error:
        _end(error, str(error), error.exit_code)
    except typer.Exit as ended:
        sys.exit(ended.exit_code)
    except OSError as error:
        _end_of_system(error)
    except Exception as error:  # noqa: BLE001 - the last resort: whatever it is, no traceback unless asked for
        if lacking(error):
            _end(error, not_enough(error), 1)
        text = f"{type(error).__name__}: {error}; this is a defect of biasloop or of a plugin"
        _end(error, f"{text}, `biasloop --debug ...` shows where", 1)


def _run() -> None:
    """The program, until all that it printed is out.

    Raises:
        OSError: standard output does not take it.
    """
    try:
        app()
    except SystemExit:
        sys.stdout.flush()
        raise


def _end_of_system(error: OSError) -> NoReturn:
    """What the operating system refused, and its exit code: a lost terminal, no memory, a full disk, a bad name."""
    if error.errno == errno.EIO and forsake_lost_terminal():
        sys.exit(128 + signal.SIGHUP)
    if lacking(error):
        _end(error, not_enough(error), 1)
    where = "standard output cannot be written" if streams.is_of_printing(error) else error.filename
    told = f"{str(where)[:_SHOWN]}: {error.strerror}" if where else str(error)
    _end(error, told, InvalidInput.exit_code if error.errno == errno.ENAMETOOLONG else 1)


def _end(error: Exception, text: str, code: int) -> NoReturn:
    """Say what went wrong and exit."""
    if _asked["debug"]:
        note("".join(traceback.format_exception(error)).rstrip(), urgent=True)
    note(f"biasloop: {text}", urgent=True)
    streams.settle()
    sys.exit(code)
