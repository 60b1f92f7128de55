"""The contract of text-to-image generation: what a plugin can do that draws pictures for captions.

A class that an entry point of `biasloop.domains` names has this capability if it has the method of `Illustrating`; it
is asked of the class, since drawing needs no data of a domain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    from biasloop.contract.data import Ints


@dataclass(frozen=True)
class PipelineSettings:
    """Which pipeline draws, and how.

    Attributes:
        name: of a published pipeline, or a directory with one; empty for the plugin's own choice.
        revision: which of a published one's; empty for its newest.
        steps: of sampling.
        guidance: how much more a picture follows its caption than none; 1 for not at all.
        size: pixels a side; 0 for what the pipeline was made for.
        precision: "float32", "float16", "bfloat16", or "auto": float16 on a GPU, else float32.
        device: "auto", "cpu", "cuda" or "cuda:N".
        threads: CPU threads; 0 leaves the library's choice.
        offline: whether the network must not be touched.
    """

    name: str = ""
    revision: str = ""
    steps: int = 50
    guidance: float = 7.5
    size: int = 0
    precision: str = "auto"
    device: str = "auto"
    threads: int = 0
    offline: bool = False


@dataclass(frozen=True)
class Drawn:
    """Pictures of a batch.

    Attributes:
        pixels: `(n, height, width, 3)` uint8.
        flagged: `(n,)` whether a safety checker took each for unsafe; None where nothing checked. Flagged pictures are
            as they were drawn.
    """

    pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
    flagged: np.ndarray[tuple[int], np.dtype[np.bool_]] | None


@dataclass(frozen=True)
class About:
    """What draws, as it is recorded beside pictures.

    Attributes:
        generator: the pipeline's name.
        revision: which weights, whatever they are called: a commit, or a digest of the files.
        precision: of weights and sums.
        device: with the model of a GPU.
        threads: of the CPU.
        versions: of the libraries, by name.
    """

    generator: str
    revision: str
    precision: str
    device: str
    threads: int
    versions: Mapping[str, str]


class Illustrator(Protocol):
    """A pipeline that has been loaded."""

    def about(self) -> About:
        """What it is."""

    def draw(self, captions: Sequence[str], seeds: Ints, stopping: Callable[[], bool]) -> Drawn:
        """A picture a caption.

        Args:
            captions: n of them.
            seeds: `(n,)` int64 from 0: the initial noise of a picture depends on its seed alone, whatever else is in
                the batch, and on any device.
            stopping: asked after each step.

        Raises:
            Interrupted: the person asked to stop.
        """


class Illustrating(Protocol):
    """Draws pictures for captions."""

    @staticmethod
    def illustrator(settings: PipelineSettings) -> Illustrator:
        """Load a pipeline.

        Raises:
            InvalidInput: there is none of that name, its weights are a pickle, or it cannot be what is asked for.
            SomethingToFetch: it is not here, and the network must not be touched.
        """
