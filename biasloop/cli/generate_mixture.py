"""`biasloop generate --originals --pictures`: a mixture of two corpora of shards, as shards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import typer

from biasloop.cli import generate_training
from biasloop.errors import Interrupted, InvalidInput
from biasloop.report.output import emit, note, say

_PANEL = "Mixtures of originals and generated pictures"

Originals = Annotated[
    Path | None,
    typer.Option("--originals", metavar="DIR", help="Shards of originals (CC3M's).", rich_help_panel=_PANEL),
]
Pictures = Annotated[
    Path | None,
    typer.Option(
        "--pictures", metavar="DIR", help="Shards of pictures for their captions, by key.", rich_help_panel=_PANEL
    ),
]
Share = Annotated[
    float | None,
    typer.Option("--share", min=0, max=1, help="Of generated pictures in the mixture.", rich_help_panel=_PANEL),
]
Equalise = Annotated[
    int | None,
    typer.Option(
        "--equalise",
        metavar="PIXELS",
        min=8,
        rich_help_panel=_PANEL,
        help="Fit all pictures into squares of so many pixels a side, as JPEG.",
    ),
]


@dataclass(frozen=True)
class Asked:
    """The options of mixtures as they were given; None for those that were not."""

    originals: Path | None
    pictures: Path | None
    share: float | None
    equalise: int | None
    engine: str | None

    @property
    def any(self) -> bool:
        """Whether any was."""
        return bool(self.first)

    @property
    def first(self) -> str:
        """The first that was, as it is typed; empty where none was."""
        given = (field.name for field in fields(self) if getattr(self, field.name) is not None)
        return next((f"--{name}" for name in given), "")


def mix(
    asked: Asked, seed: int, output: Path, *, preset: str | None = None, sets: Sequence[str] = (), json: bool
) -> None:
    """Write a mixture as plain tars, and tell what it keeps and drops.

    Args:
        asked: which.
        seed: of which pictures are generated ones.
        output: the directory.
        preset: whose settings the trainer is given that was asked for.
        sets: what they are otherwise.
        json: whether what is told is one JSON value.

    Raises:
        InvalidInput: options that do not go together, or shards that cannot be mixed.
        typer.Exit: the person asked to stop.
    """
    from biasloop.cli.stopping import Stopping
    from biasloop.datasets.cc3m import folder_of
    from biasloop.datasets.mixing_shards import Keys, Mixture
    from biasloop.report.tables.formatting import counted
    from biasloop.running.mixing_shards import described, gendered, materialise

    originals, pictures = asked.originals, asked.pictures
    if originals is None or pictures is None or asked.share is None:
        raise InvalidInput("a mixture takes --originals DIR, --pictures DIR and --share SHARE; give all three")
    first, second = (Keys.of(folder_of(directory)) for directory in (originals, pictures))
    mixture = Mixture(first, second, asked.share, seed, asked.equalise or 0)
    counts = mixture.counts
    if not counts.kept:
        raise InvalidInput(
            f"{originals} and {pictures} have no key in common; their keys are rows of one list of captions"
        )
    dropped = counts.not_generated + counts.not_original + counts.unpictured
    note(
        f"{counts.kept:,} keys are mixed, {counts.synthetic:,} of them with a generated picture (a share of "
        f"{counts.share:.4f}); {dropped:,} are dropped: {counts.not_generated:,} without a generated picture, "
        f"{counts.not_original:,} without an original, {counts.unpictured:,} originals without a picture"
    )
    if counts.flagged:
        note(f"{counts.flagged:,} generated pictures were flagged and left out: their originals stay, at any share")
    trainer = None
    if asked.engine is not None:
        trainer = generate_training.launch(generate_training.Asked(asked.engine, preset, sets), mixture)
    stopping = Stopping()
    try:
        materialise(mixture, output, lambda event: note(event.text), stopping)
    except Interrupted:
        note("stopped; whole shards are there, and the same command goes on with the others")
        raise typer.Exit(stopping.exit_code) from None
    words = gendered(output, len(first.shards))
    files = [] if trainer is None else generate_training.write(trainer, output, len(first.shards))
    for text in () if trainer is None else trainer.notes:
        note(text)
    if json:
        told = {"directory": str(output), **described(mixture), "gender_words": words}
        if trainer is not None:
            told |= {"files": [str(path) for path in files], "command": generate_training.typed(trainer, output)}
        emit(told)
        return
    say(
        f"{counted(counts.kept, 'sample')} in {counted(len(first.shards), 'shard')} are in {output}; "
        f"{100 * words / counts.kept:.1f} % of their captions have a gender word, which leaves a pipeline no choice"
    )
    if trainer is not None:
        say(f"{trainer.files[trainer.script]}\nis in {files[0]}; type: {generate_training.typed(trainer, output)}")
