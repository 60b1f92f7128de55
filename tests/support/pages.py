"""Pages of the documentation: their links, and the commands on them against the program's own options."""

import re
import shlex
from pathlib import Path

import typer
from support import toy
from typer import Context
from typer.core import TyperCommand, TyperGroup

from biasloop.cli.main import app
from biasloop.config import presets
from biasloop.errors import InvalidInput

PROGRAM = typer.main.get_command(app)
BLOCK = re.compile(r"^    biasloop (.+)$", re.MULTILINE)  # in an indented block
SPAN = re.compile(r"`biasloop ([^`\n]+(?:\n[^`\n]+)?)`")  # in a sentence, also over the end of a line


def dead_links(page: Path) -> set[str]:
    """Targets of relative links that are no file, and anchors that are no title of theirs."""
    targets = re.findall(r"\]\(([\w./#-]+)\)", page.read_text())
    return {target for target in targets if not _leads_somewhere(page, target)}


def _leads_somewhere(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    file = page.parent / path if path else page
    if not anchor or not file.exists():
        return file.exists()
    titles = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
    return anchor in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def commands(text: str) -> list[str]:
    """Commands of biasloop in blocks, without their comments; a line that ends in a backslash goes on in the next."""
    joined = re.sub(r" *\\\n +", " ", text)
    return [re.sub(r"\s+#.*", "", command).strip() for command in BLOCK.findall(joined)]


def mentions(text: str) -> list[str]:
    """Commands of biasloop within sentences, whole or in part."""
    return [re.sub(r"\s+", " ", span) for span in SPAN.findall(text)]


def mistake(command: str) -> str | None:
    """What the program would say of the words of a command before it does anything; None where it takes them.

    A preset that is named, and is no file that the page has written, has to be there. Options in brackets are read too.
    """
    words = shlex.split(re.sub(r"\[(--[^\]]*)\]", r"\1", command))
    try:
        part, context, rest = _called(words)
        if isinstance(part, TyperGroup):
            return f"no command {rest[0]!r}" if rest and not rest[0].startswith("-") else None
        context = part.make_context(part.name, rest, parent=context)
    except typer.Exit:
        return None
    except typer.BadParameter.__base__ as error:
        return error.format_message()
    name = str(context.params.get("preset") or "")
    if name and not name.endswith(".toml"):
        try:
            presets.read(name)
        except InvalidInput as error:
            return str(error)
    return None


def unknown(mention: str) -> set[str]:
    """Words of a mention that are no command or option of the program."""
    words = re.sub(r"[\[\]]", " ", mention).split()
    part, _, rest = _called(words)
    options = {name for parameter in part.params for name in (*parameter.opts, *parameter.secondary_opts)}
    options |= {"--help", "--quiet", "--verbose"}  # of every command
    stray = {rest[0]} if isinstance(part, TyperGroup) and rest and re.fullmatch(r"[a-z]+", rest[0]) else set()
    return stray | {word for word in rest if word.startswith("--") and word.partition("=")[0] not in options}


def _called(words: list[str]) -> tuple[TyperCommand | TyperGroup, Context, list[str]]:
    """The command that words call, its context's parent, and the words that are left."""
    part, context, rest = PROGRAM, typer.Context(PROGRAM, info_name="biasloop"), list(words)
    while isinstance(part, TyperGroup) and rest and rest[0] in part.commands:
        part = part.commands[rest.pop(0)]
        if isinstance(part, TyperGroup):
            context = typer.Context(part, parent=context, info_name=part.name)
    return part, context, rest


def name_of(page: Path) -> str:
    """A page as tests are called by it."""
    return str(page.relative_to(toy.PROJECT))


def every_page() -> list[Path]:
    """README, SECURITY, and the pages of docs."""
    return [toy.PROJECT / "README.md", toy.PROJECT / "SECURITY.md", *sorted((toy.PROJECT / "docs").rglob("*.md"))]
