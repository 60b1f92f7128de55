"""The contract of encoding: what a plugin can do whose models put images and texts into one space.

A class that an entry point of `biasloop.domains` names encodes by published models if it has the method of `Encoding`;
it is asked of the class, since encoding needs no data of a domain. A domain whose own fitted models encode images and
texts of anybody has `Embedding`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from PIL.Image import Image

    from biasloop.contract.data import Array

M_contra = TypeVar("M_contra", contravariant=True)


@dataclass(frozen=True)
class EncoderSettings:
    """Which model encodes, and how.

    Attributes:
        name: of a published model with its weights, a directory, or a file of weights, as the plugin spells them; of a
            fitted model it says nothing.
        precision: "float32", "float16" or "bfloat16".
        device: "auto", "cpu", "cuda" or "cuda:N".
        threads: CPU threads; 0 leaves the library's choice.
        offline: whether the network must not be touched.
    """

    name: str
    precision: str = "float32"
    device: str = "auto"
    threads: int = 0
    offline: bool = False


class Encoder(Protocol):
    """A model that has been loaded, in evaluation mode."""

    def about(self) -> Mapping[str, Any]:
        """What it is, as JSON has it: model, digest of its weights, preprocessing, precision, device, versions."""

    def prepare(self, picture: Image) -> Array:
        """A picture as the model takes it; called in threads.

        Args:
            picture: RGB.

        Returns:
            float32, of one shape for all pictures.
        """

    def images(self, prepared: Array) -> Array:
        """`(n, d)` float32 features, not normalised, of `(n, ...)` prepared pictures; a row depends on no other."""

    def texts(self, texts: Sequence[str]) -> Array:
        """`(n, d)` float32 features, not normalised, of n texts; a row depends on no other."""


class Encoding(Protocol):
    """Encodes images and texts."""

    @staticmethod
    def encoder(settings: EncoderSettings) -> Encoder:
        """Load a model.

        Raises:
            InvalidInput: there is none of that name, its weights need a pickle, or it cannot be what is asked for.
            SomethingToFetch: it is not here, and the network must not be touched.
        """


@runtime_checkable
class Embedding(Protocol[M_contra]):
    """Fitted models that encode any images and texts, not those of the domain's data alone."""

    def fitted_encoder(self, model: M_contra, settings: EncoderSettings) -> Encoder:
        """The encoder of a model that was fitted, or read back; it needs no data.

        Args:
            model: of this domain, as `fit` and `load` give it.
            settings: how it encodes; `name` is not looked at.

        Raises:
            InvalidInput: it cannot be what is asked for.
        """
