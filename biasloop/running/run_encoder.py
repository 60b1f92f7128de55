"""The encoder of images and texts that a run has fitted: of its newest round, as it is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biasloop.contract.domains import Storing, missing_methods
from biasloop.contract.encoding import Embedding, Encoder, EncoderSettings
from biasloop.discovery import entries, load
from biasloop.errors import InvalidInput
from biasloop.running.engine import Options, Prepared
from biasloop.running.generate import from_run
from biasloop.running.reopen import replay, without_data

if TYPE_CHECKING:
    from PIL.Image import Image

    from biasloop.contract.data import Array
    from biasloop.store.reader import Run


@dataclass(frozen=True)
class RunEncoder:
    """A run's model as an `Encoder`.

    Attributes:
        encoder: of the model.
        origin: which run and round it is of, as JSON has it.
        how: "stored", or "refitted" (it was stored no longer, so it was fitted again).
    """

    encoder: Encoder
    origin: Mapping[str, Any]
    how: str

    def about(self) -> Mapping[str, Any]:
        """What the encoder says, and of which run and round it is."""
        return {**self.encoder.about(), **self.origin, "made": self.how}

    def prepare(self, picture: Image) -> Array:
        """As `Encoder.prepare`."""
        return self.encoder.prepare(picture)

    def images(self, prepared: Array) -> Array:
        """As `Encoder.images`."""
        return self.encoder.images(prepared)

    def texts(self, texts: Sequence[str]) -> Array:
        """As `Encoder.texts`."""
        return self.encoder.texts(texts)


def encoder_of_run(directory: Path, settings: EncoderSettings, options: Options) -> RunEncoder:
    """The model of a run's newest round, from what is stored; else fitted again, for which the run's data are needed.

    Args:
        directory: the run's.
        settings: how it encodes.
        options: how to compute, and where data are if it has to be fitted again.

    Raises:
        InvalidInput: the run's models encode nothing, it has no round, or it cannot be what settings ask for.
        DamagedStore: what is stored is no run of this biasloop.
        BiasloopError: the model is not stored and cannot be fitted again, as `generate.from_run` says.
    """
    stored, prepared = without_data(directory, options)
    if not isinstance(prepared.domain, Embedding):
        raise _refused(stored)
    if not stored.rounds:
        raise InvalidInput(f"{directory} has no finished round yet; the same `biasloop loop` goes on with it")
    domain, model, how = _fitted(stored, prepared, options)
    assert isinstance(domain, Embedding)
    origin = {
        "run": str(stored.manifest.about.get("name", directory.name)),
        "seed": stored.identity["seed"],
        "experiment": stored.manifest.experiment,
        "round": stored.rounds[-1],
    }
    return RunEncoder(domain.fitted_encoder(model, settings), origin, how)


def _fitted(stored: Run, prepared: Prepared, options: Options) -> tuple[object, object, str]:
    """A domain and its model of the newest round, and whether that was stored or had to be fitted again."""
    for _ in replay(stored, prepared.rule):
        pass
    produced = prepared.rule.produced()
    if produced is not None and isinstance(prepared.domain, Storing):
        return prepared.domain, prepared.domain.load(produced.kind, produced.arrays), "stored"
    maker = from_run(stored.directory, None, options)
    return maker.domain, maker.model, maker.how


def _refused(stored: Run) -> InvalidInput:
    """Why the models of a run cannot be measured by any images and texts."""
    able = [name for name in entries() if not missing_methods(load(name), Embedding)]
    return InvalidInput(
        f"{stored.directory} is a run of the domain {stored.identity['domain']['name']!r}, whose models encode no "
        "pictures and texts but, if any, those of its own data; give a run of a domain whose models do "
        f"({', '.join(able) or 'none is installed'}), or NAME:TAG"
    )
