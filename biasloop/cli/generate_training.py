"""`biasloop generate --originals --pictures --engine`: what another trainer needs beside the shards of a mixture."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from biasloop.errors import InvalidInput

if TYPE_CHECKING:
    from biasloop.config.experiment import Experiment
    from biasloop.contract.launching import Launch
    from biasloop.datasets.mixing_shards import Mixture

PRESET = "clip-cc3m"
"""Whose settings are taken if no preset is named."""

Engine = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="NAME",
        rich_help_panel="Mixtures of originals and generated pictures",
        help=f"Also write how this trainer learns from the mixture (open_clip_train), as --preset says ({PRESET}).",
    ),
]


@dataclass(frozen=True)
class Asked:
    """The options as they were given.

    Attributes:
        engine: which trainer.
        preset: whose sections [domain] and [resources] say how; None for `PRESET`.
        sets: what they say otherwise, `KEY=VALUE`.
    """

    engine: str
    preset: str | None
    sets: Sequence[str]


def launch(asked: Asked, mixture: Mixture) -> Launch:
    """What is to be written; nothing is, so that what cannot be is refused before shards are made.

    Raises:
        InvalidInput: there is no such preset or engine, or it cannot train on the mixture as the preset says.
        SomethingToFetch: the network is not here.
    """
    from biasloop import discovery
    from biasloop.contract.domains import missing_methods
    from biasloop.contract.launching import Corpus, Launching
    from biasloop.running.shards import name_of

    experiment = _experiment(asked)
    domain: type[Any] = discovery.load(experiment.domain.name)
    if missing_methods(domain, Launching):
        raise InvalidInput(
            f"the domain {experiment.domain.name!r} writes nothing for other trainers; give a preset of one that does, "
            f"for example --preset {PRESET}"
        )
    shards = {name_of(number): size for number, size in enumerate(mixture.sizes.tolist()) if size}
    gpus = 1 if experiment.resources.gpus is None else experiment.resources.gpus
    corpus = Corpus(f"share-{mixture.share:g}", shards, max(1, int(gpus)) if gpus else 0)
    written: Launch = domain.launch(asked.engine, domain.Config.model_validate(experiment.domain.settings), corpus)
    return written


def write(launched: Launch, directory: Path, count: int) -> list[Path]:
    """Write the files beside the shards; the paths.

    Args:
        launched: what to write.
        directory: with the shards.
        count: how many there are once all are done.

    Raises:
        InvalidInput: not all shards are done.
        StoreError: they cannot be written.
    """
    from biasloop.running.shards import done
    from biasloop.store.files import write_atomically

    left = count - len(done(directory, count))
    if left:
        raise InvalidInput(
            f"{directory}: {left:,} of {count:,} shards are still being written by another process; give the same "
            "command again once it has ended, which then writes what --engine asks for"
        )
    paths = [directory / name for name in launched.files]
    for path, text in zip(paths, launched.files.values(), strict=True):
        write_atomically(path, text.encode(errors="surrogateescape"))
    return paths


def typed(launched: Launch, directory: Path) -> str:
    """What a person types to start it."""
    return shlex.join(["sh", str(directory / launched.script)])


def _experiment(asked: Asked) -> Experiment:
    """The preset's one experiment: arms of its grid may differ in all but how is trained."""
    from biasloop.cli.options import tell_whose
    from biasloop.config import presets
    from biasloop.config.validation import arms_of

    preset = presets.read(asked.preset or PRESET)
    tell_whose(preset, json=True)
    experiments = [arm for _, arm in arms_of(preset.override(presets.parse_sets(asked.sets), "--set"))]
    if any(each.domain != experiments[0].domain for each in experiments):
        raise InvalidInput(
            f"the arms of preset {preset.name!r} train in different ways, and --engine takes one; give a preset whose "
            f"arms have the same [domain], for example {PRESET}"
        )
    return experiments[0]
