"""Help whose examples are printed last and unwrapped, whatever the width, so that they can be copied."""

from typing import Any

from typer.core import TyperCommand, TyperGroup

from biasloop.cli.strictly import Strictly

_MARK = "Example: "
LIST = "list"


class _Examples:
    """Takes the examples out of a command's help text; they follow after everything else."""

    help: str | None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help, then its examples."""
        text = self.help or ""
        lines = text.splitlines()
        self.help = "\n".join(line for line in lines if not line.strip().startswith(_MARK)).strip()
        try:
            super().format_help(ctx, formatter)  # type: ignore[misc]
        finally:
            self.help = text
        for line in lines:
            if line.strip().startswith(_MARK):
                print(f" {line.strip()}")


class Command(_Examples, Strictly, TyperCommand):
    """A subcommand."""


class _Listing:
    """A group of which one subcommand lists what there is: it is meant where none is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name of the list before what is no subcommand."""
        first = next((word for word in args if not word.startswith("-")), None)
        if first not in self.commands and not {"--help", "-h"} & set(args):  # type: ignore[attr-defined]
            args = [LIST, *args]
        rest: list[str] = super().parse_args(ctx, args)  # type: ignore[misc]
        return rest


class Group(_Examples, Strictly, TyperGroup):
    """A subcommand that has subcommands."""


class ListingGroup(_Listing, Group):
    """Likewise, with a subcommand "list" that is meant where none is named."""
