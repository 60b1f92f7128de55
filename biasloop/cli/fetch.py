"""`biasloop fetch`: get data sets and weights."""

import shlex
import sys
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from biasloop.cli import completing
from biasloop.cli.options import Data, Json, data_directory, on_notice, tell_whose
from biasloop.cli.stopping import stoppable
from biasloop.errors import InvalidInput
from biasloop.report.output import emit, hushed, note, say, show, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from biasloop.datasets import Asset


_WORTH_TELLING = 1_000_000  # bytes


def fetch(
    name: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...", help="Data sets; without one, list them.", autocompletion=completing.data_sets
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option("--preset", "-p", help="Get all that a preset needs.", autocompletion=completing.presets),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--from", metavar="PATH|URL", help="Where to take the files from instead.")
    ] = None,
    data: Data = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Never use the network; say what is missing ($BIASLOOP_OFFLINE=1).")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep an archive that was made into the file that runs read.")
    ] = False,
    images: Annotated[
        Path | None, typer.Option("--images", metavar="FILE", help="Of coco-bias: the table that its publisher sent.")
    ] = None,
    annotations: Annotated[
        Path | None, typer.Option("--annotations", metavar="FILE", help="Of coco-bias: COCO's captions_val2014.json.")
    ] = None,
    json: Json = False,
) -> None:
    """Get data sets; without a name, list what there is, how large it is, and whether it is present.

    A download that broke off goes on where it stopped when the same command is run again.
    A server that is silent for 30 seconds, or gives less than 16,384 bytes in 60, is asked again, five times in all;
    then the next address is.

    Example: biasloop fetch cifar10

    Example: biasloop fetch --preset quickstart
    """
    from biasloop import datasets

    directory = data_directory(data)
    wanted = list(name or [])
    if images is not None or annotations is not None:
        _make_coco_bias(wanted, images, annotations, directory, json=json)
        return
    if preset is not None:
        wanted += [need for need in _needs(preset, directory) if need not in wanted]
        if not wanted:
            note(f"preset {preset} needs nothing that is not there")
    elif not wanted:
        _list(directory, json=json)
        return
    chosen = [datasets.asset(dataset_name) for dataset_name in wanted]
    fetched = []
    for dataset in chosen:
        _tell_price(dataset, directory)
        with stoppable(partial(_downloaded, dataset, directory)), _progress(dataset.name) as tell:
            files = datasets.fetch(dataset, directory, source, tell, notice=note, offline=offline, keep=keep)
        fetched.append({"name": dataset.name, "files": [str(path) for path in files]})
        if not json:
            say(f"{dataset.name}: " + (f"fetched to {dataset.directory(directory)}" if files else "is there already"))
    if json:
        emit(fetched)


def _tell_price(dataset: "Asset", directory: Path) -> None:
    """How much there is to get and, where a speed is known, how long that takes."""
    from biasloop.datasets.fetching import kept
    from biasloop.downloads.speed import megabytes, takes

    left = 0 if dataset.present(directory) else dataset.bytes - kept(dataset, directory)
    if left >= _WORTH_TELLING:
        note(f"{dataset.name}: {megabytes(left)} to get{takes(left, directory)}")


def _make_coco_bias(
    wanted: list[str], images: Path | None, annotations: Path | None, directory: Path, *, json: bool
) -> None:
    """Make the split and the tables of coco-bias from the files that a person has been sent."""
    from biasloop.datasets import coco_bias
    from biasloop.store.files import write_atomically

    if wanted != [coco_bias.COCO_BIAS.name] or images is None or annotations is None:
        raise InvalidInput(
            "--images and --annotations go together: biasloop fetch coco-bias --images CSV --annotations JSON"
        )
    annotated = coco_bias.read(images, annotations)
    target = coco_bias.COCO_BIAS.directory(directory)
    target.mkdir(parents=True, exist_ok=True)
    contents = coco_bias.written(annotated)
    for file, content in contents.items():
        write_atomically(target / file, content)
    if json:
        emit([{"name": coco_bias.COCO_BIAS.name, "files": [str(target / file) for file in contents]}])
        return
    say(f"coco-bias: {len(annotated):,} images and {len(annotated.captions):,} captions of split val in {target}")


def _needs(preset: str, directory: Path) -> list[str]:
    """What the preset's domain lacks."""
    from biasloop.config import presets
    from biasloop.config.validation import arms_of
    from biasloop.running.engine import Options, build_domain

    needs: dict[str, None] = {}
    asked = presets.read(preset)
    tell_whose(asked, json=True)
    for _, experiment in arms_of(asked):
        domain = build_domain(experiment.domain.model_dump(), 0, Options(directory, on_event=on_notice))
        needs |= {need.name: None for need in domain.requirements() if not need.present}
    return list(needs)


def _list(directory: Path, *, json: bool) -> None:
    from biasloop import datasets
    from biasloop.downloads.speed import about, remembered
    from biasloop.report.tables import formatting

    speed = remembered(directory)
    listed: list[dict[str, Any]] = [
        {
            "name": asset.name,
            "summary": asset.summary,
            "bytes": asset.bytes,
            "on_request": asset.asked is not None,
            "licence": asset.licence,
            "present": asset.present(directory),
            "seconds": asset.bytes / speed if speed and asset.bytes else None,
        }
        for asset in datasets.all_assets()
    ]
    if json:
        emit(listed)
        return
    rows = [
        [
            asset["name"],
            "on request" if asset["on_request"] else formatting.size(asset["bytes"]) if asset["bytes"] else "shipped",
            *([] if speed is None else [about(asset["seconds"]) if asset["seconds"] else ""]),
            "yes" if asset["present"] else "no",
            asset["summary"],
        ]
        for asset in listed
    ]
    takes = [] if speed is None else ["at the last fetch's speed"]
    show(table(["name", "download", *takes, "present", "what it is"], rows, right=(1,)))
    say(f"data sets are kept in {directory}; `biasloop fetch NAME` gets one")


def _downloaded(dataset: "Asset", directory: Path) -> str:
    """What is there of a download that was stopped: whatever has come is on disk, and is continued."""
    from biasloop.datasets.fetching import kept

    again = shlex.join(["biasloop", *sys.argv[1:]])
    return (
        f"{kept(dataset, directory):,} of {dataset.bytes:,} bytes of {dataset.name} are kept in "
        f"{dataset.directory(directory)}; the same command goes on from there:\n  {again}"
    )


@contextmanager
def _progress(name: str) -> "Iterator[Callable[[int, int], None]]":
    """A progress bar on a terminal; in a log, after some seconds and then rarely, a line with speed and time left."""
    if hushed() or not sys.stderr.isatty():
        from biasloop.downloads.speed import Speed, telling

        yield telling(name, Speed(), note)
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    from biasloop.report.output import console

    with Progress(
        "{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
        console=console(stderr=True),
    ) as bar:  # fmt: skip
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
