"""`biasloop fetch`: get data sets and weights."""

import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from biasloop.cli.options import Data, Json, data_directory
from biasloop.report.output import emit, note, say, show, table

if TYPE_CHECKING:
    from collections.abc import Iterator


def fetch(
    name: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Data sets; without one, list them.")
    ] = None,
    preset: Annotated[str | None, typer.Option("--preset", "-p", help="Get all that a preset needs.")] = None,
    source: Annotated[
        str | None, typer.Option("--from", metavar="PATH|URL", help="Where to take the files from instead.")
    ] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Get data sets; without a name, list what there is, how large it is, and whether it is present.

    Example: biasloop fetch cifar10

    Example: biasloop fetch --preset quickstart
    """
    from biasloop import datasets

    place = data_directory(data)
    wanted = list(name or [])
    if preset is not None:
        wanted += [need for need in _needs(preset, place) if need not in wanted]
        if not wanted:
            note(f"preset {preset} needs nothing that is not there")
    elif not wanted:
        _list(place, json=json)
        return
    chosen = [datasets.get(one) for one in wanted]
    fetched = []
    for dataset in chosen:
        with _progress(dataset.name) as tell:
            files = datasets.fetch(dataset, place, source, tell)
        fetched.append({"name": dataset.name, "files": [str(path) for path in files]})
        if not json:
            say(f"{dataset.name}: " + (f"fetched to {dataset.directory(place)}" if files else "is there already"))
    if json:
        emit(fetched)


def _needs(preset: str, place: Path) -> list[str]:
    """What the preset's domain lacks."""
    from biasloop import presets
    from biasloop.engine import Options, build_domain
    from biasloop.validation import arms_of

    needs: dict[str, None] = {}
    for _, experiment in arms_of(presets.read(preset)):
        domain = build_domain(experiment.domain.model_dump(), 0, Options(place))
        needs |= {need.name: None for need in domain.requirements() if not need.present}
    return list(needs)


def _list(place: Path, *, json: bool) -> None:
    from biasloop import datasets
    from biasloop.report import tables

    found: list[dict[str, Any]] = [
        {
            "name": one.name,
            "summary": one.summary,
            "bytes": one.bytes,
            "licence": one.licence,
            "present": one.present(place),
        }
        for one in datasets.all_datasets()
    ]
    if json:
        emit(found)
        return
    rows = [
        [
            one["name"],
            tables.size(one["bytes"]) if one["bytes"] else "shipped",
            "yes" if one["present"] else "no",
            one["summary"],
        ]
        for one in found
    ]
    show(table(["name", "download", "present", "what it is"], rows, right=(1,)))
    say(f"data sets are kept in {place}; `biasloop fetch NAME` gets one")


@contextmanager
def _progress(name: str) -> "Iterator[Callable[[int, int], None] | None]":
    """A progress bar on a terminal, nothing in a log."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    from biasloop.report.output import console

    with Progress(
        "{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
        console=console(stderr=True),
    ) as bar:  # fmt: skip
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
