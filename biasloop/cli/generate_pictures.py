"""`biasloop generate --pipeline`: pictures for captions, in shards."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from biasloop.errors import Interrupted, InvalidInput
from biasloop.report.output import emit, hushed, note, say

if TYPE_CHECKING:
    from biasloop.datasets.captions import Captions
    from biasloop.running.drawing_pace import Pace
    from biasloop.running.shards import Generation, ShardEvent

_PANEL = "Pictures for captions"


def _option(name: str, what: str, metavar: str | None = None, least: float | None = None) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(name, metavar=metavar, help=what, min=least, rich_help_panel=_PANEL)
    return option


Pipeline = Annotated[
    str | None, _option("--pipeline", "A text-to-image pipeline that draws a picture a caption.", "NAME|PATH")
]
Revision = Annotated[str | None, _option("--revision", "Which of a published pipeline's.")]
Seed = Annotated[int | None, _option("--seed", "Of the noise, with each caption's key (0).", least=0)]
Steps = Annotated[int | None, _option("--steps", "Of sampling (50).", least=1)]
Guidance = Annotated[float | None, _option("--guidance", "By the caption; 1 is none (7.5).", least=0)]
Size = Annotated[int | None, _option("--size", "Pixels a side; default: the pipeline's.", least=8)]
Batch = Annotated[int | None, _option("--batch", "Pictures at once (8; of --embeddings 64).", least=1)]
Form = Annotated[str | None, _option("--format", "Of image files: jpg, png or webp (jpg).")]
Flagged = Annotated[
    str | None, _option("--flagged", "Pictures that a safety checker flags: keep, drop or original (drop).")
]
ShardSize = Annotated[int | None, _option("--shard-size", "Captions of a shard (10000).", least=1)]
Jobs = Annotated[int | None, _option("--jobs", "Processes that draw (1).", least=1)]
Precision = Annotated[
    str | None, _option("--precision", "auto, float32, float16 or bfloat16 (auto; of --embeddings float32).")
]


@dataclass(frozen=True)
class Asked:
    """The options of pictures as they were given; None for those that were not."""

    pipeline: str | None
    revision: str | None
    seed: int | None
    steps: int | None
    guidance: float | None
    size: int | None
    batch: int | None
    form: str | None
    flagged: str | None
    shard_size: int | None
    jobs: int | None
    precision: str | None

    def refuse(self) -> None:
        """Raise InvalidInput for the first option that says nothing without --pipeline."""
        for field in fields(self):
            if getattr(self, field.name) is not None:
                name = {"form": "format"}.get(field.name, field.name).replace("_", "-")
                raise InvalidInput(f"--{name} goes with --pipeline NAME; add it, or leave --{name} out")

    def generation(self, device: str, threads: int | None) -> Generation:
        """What it comes to.

        Raises:
            InvalidInput: a value that cannot be.
        """
        from biasloop.contract.illustrating import PipelineSettings
        from biasloop.datasets.encoding import format_named
        from biasloop.running.shards import Generation, flagged_named

        if self.size is not None and self.size % 8:
            raise InvalidInput(
                f"--size {self.size}: pipelines draw multiples of 8 pixels, for example {self.size // 8 * 8}"
            )
        pipeline = PipelineSettings(
            name=self.pipeline or "",
            revision=self.revision or "",
            steps=self.steps or 50,
            guidance=7.5 if self.guidance is None else self.guidance,
            size=self.size or 0,
            precision=self.precision or "auto",
            device=device,
            threads=threads or 0,
        )
        return Generation(
            pipeline,
            seed=self.seed or 0,
            batch=self.batch or 8,
            format=format_named(self.form or "jpg"),
            when_flagged=flagged_named(self.flagged or "drop"),
            shard_size=self.shard_size or 10_000,
        )


def draw(asked: Asked, source: Path | None, output: Path, device: str, threads: int | None, *, json: bool) -> None:
    """Draw all pictures that are not there, and tell how it ended.

    Raises:
        InvalidInput: options that do not go together, bad captions, or a directory with other shards.
        typer.Exit: the person asked to stop.
    """
    from biasloop.cli.stopping import Stopping
    from biasloop.datasets import captions as captions_of
    from biasloop.running import shards
    from biasloop.running.drawing_workers import draw as draw_all

    if source is None:
        raise InvalidInput("--pipeline draws for captions; give --input FILE (.tsv, .parquet or .jsonl)")
    generation = asked.generation(device, threads)
    captions = captions_of.opened(source)
    if captions.note:
        note(captions.note)
    directory = shards.made_directory(output)
    shards.check_identity(directory, generation.identity(captions))
    count = shards.count_shards(generation, captions)
    stopping = Stopping()
    with _watched(directory, generation, captions, asked.jobs or 1) as tell:
        try:
            draw_all(directory, generation, captions, asked.jobs or 1, tell, stopping)
        except Interrupted:
            finished = len(shards.done(directory, count))
            note(f"stopped; {finished:,} of {count:,} shards are done; the same command goes on with the others")
            raise typer.Exit(stopping.exit_code) from None
    _tell_end(directory, shards.totals(directory, count), generation, json=json)


@contextmanager
def _watched(
    directory: Path, generation: Generation, captions: Captions, jobs: int
) -> Iterator[Callable[[ShardEvent], None]]:
    """Gives what is told of everything that happens; room and time needed are said after a first batch."""
    from biasloop.running import drawing_pace, shards
    from biasloop.running.shards import BatchDrawn, Said, Waiting

    finished = shards.done(directory, shards.count_shards(generation, captions))
    before = sum(shards.captions_in(number, generation, captions) for number in finished)
    pace = drawing_pace.Pace(captions.count, before, jobs)
    with _bar(pace) as move:

        def tell(event: ShardEvent) -> None:
            if isinstance(event, Said):
                note(event.text)
            elif isinstance(event, Waiting):
                shards_left = "a shard" if event.shards == 1 else f"{event.shards:,} shards"
                note(f"waiting for {shards_left} that other processes make")
            elif isinstance(event, BatchDrawn):
                if pace.drawn(event):
                    if pace.left:
                        note(pace.estimate())
                    pace.require_room(directory)
                move()
            else:
                note(drawing_pace.told(event, pace))

        yield tell


@contextmanager
def _bar(pace: Pace) -> Iterator[Callable[[], None]]:
    """A progress bar on a terminal, nothing in a log."""
    if hushed() or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from biasloop.report.output import console
    from biasloop.running.drawing_pace import time_in_words

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"))
    with Progress(*columns, console=console(stderr=True)) as bar:
        task = bar.add_task("", total=pace.total, completed=pace.before, speed="")
        yield lambda: bar.update(
            task,
            completed=pace.total - pace.left,
            speed=f"{pace.rate:.3g} images/s, {time_in_words(pace.seconds_left)} left",
        )


def _tell_end(directory: Path, totals: dict[str, int], generation: Generation, *, json: bool) -> None:
    if json:
        emit({"directory": str(directory), **totals})
        return
    flagged = ""
    if totals["flagged"]:
        done = {"keep": "kept", "drop": "dropped with their captions", "original": "left to the originals"}
        flagged = f"; a safety checker flagged {totals['flagged']:,}, which were {done[generation.when_flagged]}"
    say(f"{totals['pictures']:,} pictures in {totals['shards']:,} shards are in {directory}{flagged}")
