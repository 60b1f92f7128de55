"""`biasloop presets`: what there is, and what each says."""

from typing import Annotated

import typer

from biasloop.cli import completing
from biasloop.cli.examples import Command, Group
from biasloop.cli.options import Json, Sets, tell_whose
from biasloop.report.output import emit, note, say, show, table

app = typer.Typer(
    cls=Group,
    help="List presets, or show one.\n\nExample: biasloop presets show quickstart",
    invoke_without_command=True,
)


@app.callback()
def presets(context: typer.Context, json: Json = False) -> None:
    """List presets, or show one."""
    if context.invoked_subcommand is not None:
        return
    from biasloop.config.presets import is_shipped, listing, passed_over

    found = listing()
    for broken in (preset for preset in found if preset.problem):
        note(f"{broken.name} cannot be read: {broken.problem}")
    for preset in found:
        for other in passed_over(preset.name) if is_shipped(preset.path) else ():
            note(f"{other} has the name of a preset that comes with biasloop, which is listed; its path runs it")
    found = [preset for preset in found if not preset.problem]
    if json:
        emit([{**vars(preset), "path": str(preset.path)} for preset in found])
        return
    rows = [
        [
            p.name + (" (-mini)" if p.mini else ""),
            p.domain,
            p.summary,
            p.source + (f"; parameters: {p.parameters}" if p.parameters else ""),
            "biasloop" if is_shipped(p.path) else str(p.path),
        ]
        for p in found
    ]
    show(table(["preset", "domain", "what it runs", "source", "comes from"], rows))
    say("`biasloop presets show NAME` prints one; `biasloop loop --preset NAME` runs it")


@app.command("show", cls=Command)
def show_preset(
    name: Annotated[
        str, typer.Argument(help="A preset's name, or the path of a TOML file.", autocompletion=completing.presets)
    ],
    sets: Sets = None,
    json: Json = False,
) -> None:
    """Print a preset with everything it extends, every default, its arms and its grid.

    Example: biasloop presets show quickstart
    """
    from json import dumps

    import tomli_w

    from biasloop.config import presets as library
    from biasloop.config.validation import arms_of, effective, not_set, resolved, validate

    found = library.read(name)
    tell_whose(found, json=json)
    found = found.override(library.parse_sets(sets or []), "--set")
    arms_of(found)  # every arm is valid
    experiment = validate(found)
    open_settings = effective(experiment)
    if json:
        shown = resolved(found) if experiment.arms else experiment.nesting()  # what arms have otherwise is left open
        emit(shown | ({"resolved": open_settings} if open_settings else {}))
        return
    say(f"# {found.path}")
    say(tomli_w.dumps(resolved(found)).rstrip())
    unset = not_set(experiment)
    if unset:
        say(f"\n# Without a value: {', '.join(unset)}")
    if open_settings:
        say("\n# What is left open above, or is as published, comes to:")
        for key, value in open_settings.items():
            say(f"# {key} = {dumps(value, ensure_ascii=False)}")
