"""Commands that pages show: each is one of the program's, with options that it has and presets that there are."""

import itertools
import re
import shlex
from collections.abc import Iterator

import pytest
import typer
from builder import commands
from support.toy import PROJECT

from biasloop.cli.main import app
from biasloop.config import preset_files

ROOT = typer.main.get_command(app)
KNOWN = {"biasloop": ROOT, **dict(commands.commands(ROOT))}
PAGES = [PROJECT / "README.md", PROJECT / "SECURITY.md", *sorted((PROJECT / "docs").rglob("*.md"))]
COMMON = {"--help", "-h"}


def shown(text: str) -> Iterator[str]:
    """Commands in blocks of a page, without comments and prompts; of several lines as one."""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        found = re.match(r"(?:    |\$ )?\s*(?:\$ )?(biasloop [a-z-].*)", line)
        if found and not line.startswith("biasloop"):
            yield re.split(r"\s{2,}#|\s#\s", found[1])[0].strip()


def words_of(command: str) -> list[str]:
    """The words up to what the shell takes."""
    words = shlex.split(command.replace("[", " ").replace("]", " ").replace("|", " "))
    return list(itertools.takewhile(lambda word: word not in {"&", "&&", ">", "<", ";"}, words))


def wrong(command: str) -> list[str]:
    """What a command has that the program has not."""
    words = words_of(command)
    length = max(n for n in range(1, 4) if " ".join(words[:n]) in KNOWN)
    known = KNOWN[" ".join(words[:length])]
    if length == 1 and not words[1].startswith("-"):
        return [f"no command {words[1]}"]
    options = {name for each in known.params for name in (*each.opts, *each.secondary_opts)} | COMMON
    given = [word.split("=")[0] for word in words[length:] if re.match(r"--?[a-z]", word)]
    faults = [f"no option {option}" for option in given if option not in options]
    for option, value in itertools.pairwise(words):
        name = value.removesuffix("-mini")
        if option in {"--preset", "-p"} and re.fullmatch(r"[a-z0-9-]+", name) and name not in preset_files.files():
            faults.append(f"no preset {value}")
    return faults


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_commands_are_the_programs(page):
    assert {command: faults for command in shown(page.read_text()) if (faults := wrong(command))} == {}


def test_there_are_commands_to_look_at():
    assert sum(len(list(shown(page.read_text()))) for page in PAGES) > 150


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("biasloop lop --preset quickstart", "no command lop"),
        ("biasloop loop --presets quickstart", "no option --presets"),
        ("biasloop loop --preset quickstarts-mini", "no preset quickstarts-mini"),
        ("biasloop runs compare runs/x --too y", "no option --too"),
    ],
)
def test_a_wrong_command_is_noticed(command, fault):
    assert wrong(command) == [fault]
    assert wrong("biasloop loop --preset fig3-top-left-mini --seeds 0-2 > log") == []
