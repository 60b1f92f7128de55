"""`biasloop generate --embeddings`: what a model makes of images and texts, as vectors of length 1."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from biasloop.cli.options import data_directory, on_notice
from biasloop.cli.outputs import check_file
from biasloop.cli.stopping import output_of, stoppable
from biasloop.errors import InvalidInput
from biasloop.report.output import emit, hushed, note, say

if TYPE_CHECKING:
    from biasloop.contract.encoding import Encoder, EncoderSettings
    from biasloop.datasets.picture_files import Pictures
    from biasloop.predictions.embeddings import Embeddings

BATCH = 64
"""Images, or texts, at once."""
_PANEL = "Embeddings"
_GEODE = "geode:"
_PREFERENCE = "person-preference"

Wanted = Annotated[bool, typer.Option("--embeddings", help="Encode images and texts instead.", rich_help_panel=_PANEL)]
Model = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="MODEL", rich_help_panel=_PANEL,
        help="NAME:TAG, such as RN50-quickgelu:openai; NAME:FILE; hf-hub:ORG/REPO; local-dir:DIR; a run's directory.",
    ),
]  # fmt: skip
Images = Annotated[
    Path | None,
    typer.Option("--images", metavar="DIR|SHARDS.tar", help="A folder of images, or shards.", rich_help_panel=_PANEL),
]
Texts = Annotated[
    list[str] | None,
    typer.Option(
        "--texts", metavar="FILE", rich_help_panel=_PANEL,
        help="A table with caption and, if wished, key; PHASE's or COCO's captions; person-preference; geode:FILE "
        "(repeatable).",
    ),
]  # fmt: skip


def encode(
    model: str | None, images: Path | None, texts: Sequence[str], output: Path, *, batch: int | None = None,
    precision: str | None = None, device: str = "auto", threads: int | None = None, data: Path | None = None,
    force: bool = False, json: bool = False,
) -> None:  # fmt: skip
    """Encode images and texts and write them.

    Raises:
        InvalidInput: options do not go together, or what is to be encoded cannot be.
    """
    from biasloop.contract.encoding import EncoderSettings
    from biasloop.datasets.picture_files import pictures_at
    from biasloop.predictions.embeddings import ENDING, write

    if model is None or images is None:
        raise InvalidInput("--embeddings needs --model MODEL and --images DIR")
    if output.suffix != ENDING:
        raise InvalidInput(f"--output {output}: embeddings are written as a {ENDING} file")
    check_file("--output", output, force=force)
    pictures, wanted = pictures_at(images), _texts(texts)
    settings = EncoderSettings(
        model, "float32" if precision in (None, "auto") else str(precision), device, threads or 0
    )
    with stoppable(output_of(output)):
        embeddings, seconds = encoded(settings, pictures, wanted, output, batch=batch or BATCH, data=data)
        files = write(embeddings)
    count = len(embeddings.keys)
    if json:
        about = dict(embeddings.about)
        emit({"file": str(output), "images": count, "texts": len(wanted), "seconds": seconds, "about": about})
        return
    say(f"wrote {count:,} images and {len(wanted):,} texts to {files[0]} ({count / max(seconds, 1e-9):,.1f} images/s)")


def encoded(
    settings: "EncoderSettings", pictures: "Pictures", texts: Mapping[str, str], output: Path, *, batch: int = BATCH,
    data: Path | None = None,
) -> "tuple[Embeddings, float]":  # fmt: skip
    """Embeddings, not written yet, and the seconds that they took; the network is used unless the person forbids it.

    Args:
        settings: which model, by its name or by the directory of a run, and how it encodes.
        pictures: what it encodes.
        texts: by key.
        output: the path of the embeddings.
        batch: pictures, or texts, at once.
        data: the directory of data sets, for a run's model that has to be fitted again.

    Raises:
        InvalidInput: as `running.embedding.embed`, or there is no such model.
        SomethingToFetch: the model is not here.
    """
    from biasloop.downloads import is_offline
    from biasloop.running.embedding import embed

    encoder = _encoder(replace(settings, offline=is_offline(settings.offline)), data)
    began = time.monotonic()
    with _progress(pictures.count) as tell:
        embeddings = embed(encoder, pictures, texts, output, batch=batch, tell=tell)
    return embeddings, time.monotonic() - began


def _encoder(settings: "EncoderSettings", data: Path | None) -> "Encoder":
    """The model that a name, or the directory of a run, says."""
    directory = Path(settings.name)
    if not directory.is_dir():
        from biasloop.discovery import encoding

        return encoding().encoder(settings)
    from biasloop.running.engine import Options
    from biasloop.running.run_encoder import encoder_of_run
    from biasloop.store.entries import EXPERIMENT

    if not (directory / EXPERIMENT).exists():
        raise InvalidInput(
            f"{directory} is no run (it has no {EXPERIMENT}); give a run's directory, or of weights in it "
            f"local-dir:{directory}"
        )
    threads = settings.threads or None  # as many as the run was made with
    encoder = encoder_of_run(
        directory, settings, Options(data_directory(data), settings.device, threads, on_event=on_notice)
    )
    if encoder.how == "refitted":
        note("the round's model is no longer stored; it was fitted again from the round's training set")
    return encoder


def _texts(sources: Sequence[str]) -> dict[str, str]:
    """All texts by key; prompts are called what they say."""
    from biasloop.datasets import geode as images
    from biasloop.datasets.text_files import read_texts
    from biasloop.evaluations import geode, person_preference

    texts: dict[str, str] = {}
    for source in sources:
        if source == _PREFERENCE:
            more = {text: text for text in person_preference.prompts()}
        elif source.startswith(_GEODE):
            objects = images.read(Path(source.removeprefix(_GEODE))).classes["object"]
            more = {geode.prompt(name): geode.prompt(name) for name in objects}
        else:
            more = read_texts(Path(source))
        twice = next((key for key in more if texts.get(key, more[key]) != more[key]), None)
        if twice is not None:
            raise InvalidInput(f"--texts {source}: the key {twice!r} is that of another text already; keys must differ")
        texts |= more
    return texts


@contextmanager
def _progress(total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal, nothing in a log."""
    if hushed() or not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from biasloop.report.output import console

    columns = ("images", BarColumn(), MofNCompleteColumn(), TextColumn("{task.speed} /s"), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True)) as bar:
        task = bar.add_task("images", total=total)
        yield lambda done: bar.update(task, completed=done)
