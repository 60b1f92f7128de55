"""How files are read that `biasloop evaluate` is given: options that all metrics have."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from biasloop.errors import InvalidInput

if TYPE_CHECKING:
    from biasloop.predictions import Reading

Same = Annotated[
    bool | None,
    typer.Option(
        "--same/--different",
        help='Values that look like one written in two ways (1 and 1.0, Yes and "yes ") are one, or are two; '
        "without either they are refused.",
        show_default=False,
    ),
]
MissingRows = Annotated[
    str,
    typer.Option(
        "--missing",
        metavar="[refuse|skip|value]",
        help='Rows without a value: an error, or left out and counted; "value": words such as NA are values.',
    ),
]
InFormat = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="csv, tsv, jsonl, json or parquet: of standard input (without it CSV) and of names that do not tell.",
    ),
]


def reading_of(same: bool | None, missing: str, form: str, files: Sequence[Path | None]) -> "Reading":
    """What the options say of the files of a command.

    Raises:
        InvalidInput: an option has another value, or two files are standard input.
    """
    from biasloop.predictions import Reading

    if sum(file == Path("-") for file in files) > 1:
        raise InvalidInput("standard input (-) can be read once; give the other table as a file")
    return Reading(same, missing, form)  # type: ignore[arg-type] # it checks them
