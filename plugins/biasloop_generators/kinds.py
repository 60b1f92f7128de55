"""What the networks take, known without loading torch, so that what does not fit is refused at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from biasloop.errors import InvalidInput

LossName = Literal["bce-sum", "squared-sum", "bce-mean", "squared-mean"]


@dataclass(frozen=True)
class GeneratorKind:
    """A variational autoencoder.

    Attributes:
        side: height and width of its images.
        latent: size of its latent space.
        signed: whether its images are in [-1, 1] (tanh), which binary cross-entropy cannot take.
    """

    side: int
    latent: int
    signed: bool = False


GENERATORS: dict[str, GeneratorKind] = {
    "vae": GeneratorKind(28, 20),
    "svhnvae": GeneratorKind(64, 32),
    "celebavae": GeneratorKind(64, 128, signed=True),
    "testvae": GeneratorKind(128, 500),
}
# Side of the images that a classifier takes; None for any.
CLASSIFIERS: dict[str, int | None] = {
    "SimpleCNN": 28,
    "lenet": 32,
    "resnet20": None,
    "resnet32": None,
    "resnet44": None,
    "resnet56": None,
    "resnet110": None,
}


def check_generator(name: str, side: int, latent: int | None, loss: LossName, data: str) -> GeneratorKind:
    """The generator of that name.

    Args:
        name: a key of `GENERATORS`.
        side: of the images of the data.
        latent: the size that the settings want, or None for the network's own.
        loss: what it is to be trained on.
        data: name of the data, for messages.

    Raises:
        InvalidInput: if there is none, or the images, the latent size or the loss do not fit it.
    """
    if name not in GENERATORS:
        raise _unknown("generator", name, GENERATORS)
    kind = GENERATORS[name]
    if kind.side != side:
        raise InvalidInput(
            f"domain.generator {name!r} makes {kind.side}x{kind.side} images and those of {data} are {side}x{side}; "
            f"{_fitting([n for n, k in GENERATORS.items() if k.side == side])}"
        )
    if latent not in {None, kind.latent}:
        raise InvalidInput(
            f"domain.latent is {latent} and the latent space of domain.generator {name!r} has {kind.latent}; "
            f"set latent = {kind.latent} or leave it out"
        )
    if kind.signed and loss.startswith("bce"):
        raise InvalidInput(
            f"domain.generator {name!r} makes pixels in -1 .. 1, which the loss {loss!r} cannot take; "
            'set domain.loss to "squared-mean" or "squared-sum"'
        )
    return kind


def check_classifier(name: str, side: int, data: str) -> None:
    """Refuse a classifier that cannot be.

    Args:
        name: a key of `CLASSIFIERS`.
        side: of the images of the data.
        data: name of the data, for messages.

    Raises:
        InvalidInput: if there is none of that name, or it only fits images of another size.
    """
    if name not in CLASSIFIERS:
        raise _unknown("classifier", name, CLASSIFIERS)
    takes = CLASSIFIERS[name]
    if takes not in {None, side}:
        raise InvalidInput(
            f"domain.classifier {name!r} only takes {takes}x{takes} images and those of {data} are {side}x{side}; "
            f"{_fitting([n for n, t in CLASSIFIERS.items() if t in {None, side}])}"
        )


def _fitting(names: list[str]) -> str:
    return f"set one of {', '.join(names)}" if names else "no network here takes that size"


def _unknown(key: str, name: str, known: Iterable[str]) -> InvalidInput:
    near = difflib.get_close_matches(name.lower(), [kind.lower() for kind in known], 1)
    hint = next((f"; did you mean {kind!r}?" for kind in known if near and kind.lower() == near[0]), "")
    return InvalidInput(f"no {key} is called {name!r} (domain.{key}; known: {', '.join(known)}){hint}")
