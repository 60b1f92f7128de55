"""`biasloop presets`: what there is, what each says, and a copy of one to change."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from biasloop.cli import completing
from biasloop.cli.examples import LIST, Command, ListingGroup
from biasloop.cli.options import Data, Json, Sets, data_directory, tell_whose
from biasloop.cli.outputs import Force, check_file
from biasloop.errors import InvalidInput
from biasloop.report.output import emit, say

if TYPE_CHECKING:
    from biasloop.config.experiment import Experiment
    from biasloop.config.presets import Preset

Name = Annotated[
    str,
    typer.Argument(
        help="A preset's name, the path of a TOML file, or what a study calls it.", autocompletion=completing.presets
    ),
]


app = typer.Typer(
    cls=ListingGroup,
    help="List presets, show one, or copy one to change it. `presets WORD` is short for `presets list WORD`.\n\n"
    "Example: biasloop presets show quickstart",
)


@app.command(LIST, cls=Command)
def list_presets(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORD]...", help="Only those with all words in name, domain, summary or source."),
    ] = None,
    domain: Annotated[
        str | None,
        typer.Option("--domain", help="Only those of one domain.", autocompletion=completing.domains),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Only those that run without a download; a mini under its own name.")
    ] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """List presets by study: what each runs, how long that is, and what has to be fetched for it.

    Example: biasloop presets list reducr --offline

    Example: biasloop presets list --domain language
    """
    from biasloop.cli import presets_list

    presets_list.show(words or [], domain, data_directory(data), offline=offline, json=json)


@app.command("show", cls=Command)
def show_preset(
    name: Name,
    sets: Sets = None,
    plain: Annotated[bool, typer.Option("--plain", help="Without what each setting means.")] = False,
    json: Json = False,
) -> None:
    """Print a preset with everything it extends, every default and its meaning, its arms and its grid.

    Example: biasloop presets show quickstart

    Example: biasloop presets show fig5-beam --set loop.human=2500 --plain
    """
    from biasloop.config.validation import effective, resolved

    preset, experiment = _read(name, sets, json=json)
    open_settings = effective(experiment)
    if json:
        shown = resolved(preset) if experiment.arms else experiment.nesting()  # what arms have otherwise is left open
        emit(shown | ({"resolved": open_settings} if open_settings else {}))
        return
    # At once: whoever reads the first lines alone may be gone before a second piece.
    say(f"# {preset.path}\n{_text(preset, experiment, plain=plain)}\n{_left_open(experiment)}")


@app.command("copy", cls=Command)
def copy_preset(
    name: Name,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Where to; default: my-NAME.toml.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The same as FILE.", show_default=False)
    ] = None,
    sets: Sets = None,
    flat: Annotated[
        bool, typer.Option("--flat", help="Every setting in the copy, so that it extends no other preset.")
    ] = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Make a preset of your own from another: a file that extends it, with every setting to change.

    A mini, a file and one with --set are copied with every setting.

    Example: biasloop presets copy quickstart mine.toml

    Example: biasloop presets copy fig5-beam-mini --flat
    """
    from biasloop.store.files import write_output

    if file is not None and output is not None:
        raise InvalidInput("FILE and --output are the same; give one of them")
    preset, experiment = _read(name, sets, json=json)
    target = file or output or Path(f"my-{Path(preset.name).name.removesuffix('.toml')}.toml")
    if target.suffix != ".toml":
        raise InvalidInput(f"{target}: the name of a preset's file ends in .toml")
    check_file("--output", target, force=force)
    extends = not (flat or sets or preset.mini or Path(name).suffix == ".toml")
    write_output(target, (_extending(preset, experiment) if extends else _flat(preset, experiment)).encode())
    path = f"./{target}" if target.parent == Path() else str(target)
    if json:
        emit({"file": str(target), "preset": preset.name, "extends": extends})
        return
    say(f"wrote {target}, which {'extends' if extends else 'has every setting of'} {preset.name}; it runs by its path:")
    say(f"  biasloop loop --preset {path}")


def _read(name: str, sets: list[str] | None, *, json: bool) -> "tuple[Preset, Experiment]":
    """A preset with what was set, valid in every arm."""
    from biasloop.config import presets as library
    from biasloop.config.validation import arms_of, validate

    preset = library.read(name).override(library.parse_sets(sets or []), "--set")
    tell_whose(preset, json=json)
    arms_of(preset)
    return preset, validate(preset)


def _text(preset: "Preset", experiment: "Experiment", *, plain: bool) -> str:
    """All settings as TOML."""
    import tomli_w

    from biasloop.config import meaning
    from biasloop.config.validation import effective, resolved

    text = tomli_w.dumps(resolved(preset)).rstrip()
    return text if plain else meaning.described(text, experiment, effective(experiment))


def _left_open(experiment: "Experiment") -> str:
    """What settings come to that have no value, as comments."""
    from json import dumps

    from biasloop.config.validation import effective, not_set

    lines = []
    open_settings = effective(experiment)
    unset = [key for key in not_set(experiment) if key not in open_settings]
    if unset:
        lines += ["", f"# Without a value: {', '.join(unset)}"]
    if open_settings:
        lines += ["", "# What is left open above, or is as published, comes to:"]
        lines += [f"# {key} = {dumps(value, ensure_ascii=False)}" for key, value in open_settings.items()]
    return "\n".join(lines)


def _flat(preset: "Preset", experiment: "Experiment") -> str:
    head = f"# A copy of {preset.name}, with every setting."
    return f"{head}\n{_without_names(_text(preset, experiment, plain=False))}\n{_left_open(experiment)}\n"


def _extending(preset: "Preset", experiment: "Experiment") -> str:
    """A file that extends the preset; every setting stands in it as a comment, to be changed."""
    head = [
        f"# Extends {preset.name}: what is no comment takes the place of its settings. Take away a #, change a value.",
        *(["# An arm takes the place of the whole arm: take away the # of all its lines."] if experiment.arms else []),
        f'extends = "{preset.name}"',
    ]
    settings = _without_names(_text(preset, experiment, plain=False)).splitlines()
    return "\n".join([*head, *(line if _stays(line) else f"#{line}" for line in settings)]) + "\n"


def _stays(line: str) -> bool:
    """Whether a line of settings stands in a file that extends them as it is.

    The header of a table does, so that a key below it can be uncommented alone: an empty table changes nothing. An
    empty arm would be an arm without its settings, and an array of tables a list with an empty one.
    """
    return not line or line.startswith("# ") or (line.startswith("[") and not line.startswith(("[[", "[arms.")))


def _without_names(text: str) -> str:
    """Without what names the preset that was copied."""
    kept: list[str] = []
    skipping = False
    for line in text.splitlines():
        if line.startswith(("name = ", "also = ")) and not any(each.startswith("[") for each in kept):
            while kept and kept[-1].startswith("# "):  # what it means
                kept.pop()
            skipping = line.rstrip().endswith("[")
            continue
        if skipping:
            skipping = line != "]"
            continue
        kept.append(line)
    return "\n".join(kept)
