"""Options that several commands share."""

import os
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON value on stdout, everything else on stderr.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key, for example loop.human=1000."),
]
Data = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Where fetched data sets lie ($BIASLOOP_DATA).")
]
Device = Annotated[str, typer.Option("--device", help='Where to compute: "auto", "cpu", "cuda", "cuda:1", ...')]
Threads = Annotated[int, typer.Option("--threads", min=0, help="CPU threads; 0 leaves the library's choice.")]


def data_directory(given: Path | None) -> Path:
    """Where fetched data sets lie."""
    if given is not None:
        return given
    if place := os.environ.get("BIASLOOP_DATA"):
        return Path(place)
    from platformdirs import user_data_path

    return user_data_path("biasloop", appauthor=False)
