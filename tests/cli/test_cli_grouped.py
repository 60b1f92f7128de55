"""Options that stand in a dataclass are options of every command that takes one."""

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from biasloop.cli.grouped import grouped


@dataclass(frozen=True)
class Base:
    """Options."""

    size: Annotated[int, typer.Option("--size", "-s", min=1, help="How large.")] = 3


@dataclass(frozen=True)
class More(Base):
    """More of them."""

    names: Annotated[list[str] | None, typer.Option("--name")] = None


@pytest.fixture
def run():
    """The command's exit code and what it printed."""
    app = typer.Typer()

    @app.command()
    @grouped
    def told(file: Annotated[str, typer.Argument()], *, more: More, loud: bool = False) -> None:
        """Tell what was given."""
        print(file, more.size, more.names, loud)

    def invoked(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, list(words))
        return result.exit_code, result.output

    return invoked


def test_fields_are_options_with_their_defaults_checks_and_help(run):
    assert run("f") == (0, "f 3 None False\n")
    assert run("f", "-s", "4", "--name", "a", "--name", "b", "--loud") == (0, "f 4 ['a', 'b'] True\n")
    assert run("f", "--size", "0")[0] == 2
    text = run("--help")[1]
    assert "How large." in text
    assert text.index("--size") < text.index("--name") < text.index("--loud")
    assert "Tell what was given." in text
