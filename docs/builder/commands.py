"""The reference of the command line, from the program's own tree of commands."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from builder.markdown import MADE, block, code, heading, prose, table

EXIT_CODES = {
    "0": "done",
    "1": "failed; one sentence on stderr says what and where",
    "2": "wrong usage, an invalid preset, or bad input data",
    "3": "something must be fetched first; the message has the commands, with sizes",
    "4": "`evaluate`: a metric is beyond its gate (`--fail-above`, `--fail-below`)",
    "5": "`loop --no-wait`: other processes make some of the runs",
    "129": "ended by SIGHUP, a closed terminal",
    "130": "ended by Ctrl-C, after the current step",
    "143": "ended by SIGTERM, after the current step",
}
ENVIRONMENT = {
    "BIASLOOP_DATA": "Where fetched data sets and weights lie, as `--data`; default: the user's data directory.",
    "BIASLOOP_OFFLINE": "Anything but 0, no, false or off: never touch the network, as `fetch --offline`.",
    "BIASLOOP_PRESETS": "More directories of presets, separated as in PATH, beside `./presets` and the shipped ones.",
    "BIASLOOP_DEBUG": "Anything: show the traceback of an error, as `--debug`.",
    "BIASLOOP_SINKS": "Sinks that every loop tells its rounds, separated by commas, as `loop --sink`.",
    "BIASLOOP_CLAIM_SECONDS": "After so many seconds without a sign of life a process counts as dead; default 120.",
}
_KINDS: dict[object, str] = {int: "whole number", float: "number", str: "text", Path: "path"}
_EXAMPLE = "Example: "


def page() -> str:
    """The page of every command, its arguments, options, defaults and examples."""
    import typer

    from biasloop.cli.main import app

    root = typer.main.get_command(app)
    parts = [
        MADE,
        heading(1, "Every command"),
        "`biasloop COMMAND --help` prints the same. [Commands](../commands.md) says what they are for.\n\n",
        heading(2, "biasloop"),
        prose(described(root)) + "\n\n",
        table(["option", "takes", "default", "meaning"], map(row, shown(root))),
        heading(3, "Exit codes"),
        table(["code", "means"], [[number, meaning] for number, meaning in EXIT_CODES.items()]),
        heading(3, "Environment variables"),
        table(["variable", "meaning"], [[code(name), meaning] for name, meaning in ENVIRONMENT.items()]),
    ]
    parts += [section(path, command) for path, command in commands(root)]
    return "".join(parts).rstrip() + "\n"


def commands(group: Any, path: str = "biasloop") -> Iterator[tuple[str, Any]]:
    """Every command below a group with all of its words, in the order of the help."""
    for name in group.list_commands(None):
        command = group.commands[name]
        yield f"{path} {name}", command
        if hasattr(command, "commands"):
            yield from commands(command, f"{path} {name}")


def section(path: str, command: Any) -> str:
    """The section of one command."""
    parameters = shown(command)
    arguments = [parameter for parameter in parameters if not parameter.opts[0].startswith("-")]
    options = [parameter for parameter in parameters if parameter.opts[0].startswith("-")]
    usage = [path, *(usage_of(argument) for argument in arguments)]
    usage += [f"{option.opts[0]} {option.metavar or option.name.upper()}" for option in options if option.required]
    usage += ["[OPTIONS]"] if any(not option.required for option in options) else []
    usage += ["COMMAND"] if hasattr(command, "commands") else []
    text = [heading(2, path), "".join(f"{prose(paragraph)}\n\n" for paragraph in described(command).split("\n\n"))]
    text.append(f"```text\n{' '.join(usage)}\n```\n\n")
    if arguments:
        text.append(table(["argument", "takes", "default", "meaning"], map(row, arguments)))
    if options:
        text.append(table(["option", "takes", "default", "meaning"], map(row, options)))
    found = examples(command)
    if found:
        text.append("For example:\n\n" + block(found))
    return "".join(text)


def described(command: Any) -> str:
    """What a command's help says, without its examples."""
    lines = (command.help or "").splitlines()
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line for line in lines if not line.strip().startswith(_EXAMPLE))).strip()


def examples(command: Any) -> list[str]:
    """The examples of a command's help."""
    lines = (line.strip() for line in (command.help or "").splitlines())
    return [line.removeprefix(_EXAMPLE) for line in lines if line.startswith(_EXAMPLE)]


def shown(command: Any) -> list[Any]:
    """Arguments and options that are not hidden, without those that every command has (`--help`)."""
    return [parameter for parameter in command.params if not parameter.hidden and hasattr(parameter, "type_descriptor")]


def usage_of(argument: Any) -> str:
    """An argument as the line of usage has it."""
    name = f"{_name_of(argument)}..." if argument.nargs == -1 else _name_of(argument)
    return name if argument.required else f"[{name}]"


def _name_of(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper()).strip("[].")


def row(parameter: Any) -> list[str]:
    """Names, what is taken, the default and the meaning of an argument or option."""
    names = ", ".join(map(code, parameter.opts))
    if parameter.secondary_opts:
        names += " / " + ", ".join(map(code, parameter.secondary_opts))
    if not parameter.opts[0].startswith("-"):
        names = code(_name_of(parameter))
    meaning = prose(parameter.help or "")
    repeated = getattr(parameter, "multiple", False) or parameter.nargs == -1
    if repeated and "repeatable" not in meaning.lower():
        meaning = f"{meaning} Repeatable."
    return [names, taken(parameter), default(parameter), meaning]


def taken(parameter: Any) -> str:
    """What an argument or option takes, in words; nothing of a switch."""
    if getattr(parameter, "is_flag", False):
        return ""
    annotation = parameter.type_descriptor.annotation
    annotation = get_args(annotation)[0] if get_origin(annotation) is list else annotation
    words = _KINDS.get(annotation, getattr(annotation, "__name__", str(annotation)))
    if parameter.min is not None:
        words += f" from {parameter.min}"
    if parameter.max is not None:
        words += f" to {parameter.max}"
    is_option = parameter.opts[0].startswith("-")
    return f"{_placeholder(parameter.metavar)}, {words}" if parameter.metavar and is_option else words


def _placeholder(metavar: str) -> str:
    """What stands for a value in the help: `FILE|DIR` is one of two."""
    inner = metavar[1:-1] if metavar.startswith("[") and metavar.endswith("]") else metavar
    *former, last = map(code, inner.split("|"))
    return f"{', '.join(former)} or {last}" if former else last


def default(parameter: Any) -> str:
    """The default of an argument or option; nothing where none is of use."""
    if parameter.required:
        return "required"
    value = parameter.default
    return "" if value is None or value is False or value in ("", [], ()) or callable(value) else code(str(value))
