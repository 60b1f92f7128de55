"""An illustrator that draws noise, and what it takes to let it work on captions."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from biasloop_toy import ToyDomain

from biasloop.contract.illustrating import About, Drawn, PipelineSettings
from biasloop.datasets import captions
from biasloop.errors import Interrupted, InvalidInput
from biasloop.running.shards import Generation

SIZE = 8


class Noise:
    """Pixels from the seed alone.

    Attributes:
        calls: sizes of the batches that were asked for.
        most: pictures at once that memory lasts for.
        slow: seconds that a batch takes.
    """

    def __init__(self, most: int = 1000, revision: str = "1", slow: float = 0.0) -> None:
        self.calls: list[int] = []
        self.most, self.revision, self.slow = most, revision, slow

    def about(self) -> About:
        return About("noise", self.revision, "float32", "cpu", 1, {"numpy": np.__version__})

    def draw(self, texts, seeds, stopping: Callable[[], bool]) -> Drawn:
        self.calls.append(len(texts))
        time.sleep(self.slow)
        if stopping():
            raise Interrupted
        if len(texts) > self.most:
            raise MemoryError("out of memory")
        pixels = [np.random.default_rng(int(seed)).integers(0, 256, (SIZE, SIZE, 3), np.uint8) for seed in seeds]
        return Drawn(np.stack(pixels), np.array(["flag" in text for text in texts]))


class NoiseDomain(ToyDomain):
    """The toy domain, which draws pictures."""

    @staticmethod
    def illustrator(settings: PipelineSettings) -> Noise:
        if settings.name == "broken":
            raise InvalidInput("there is no pipeline broken")
        return Noise(slow=0.2 if settings.name == "slow" else 0.0)


class DiffusionDomain(ToyDomain):
    """The toy domain, which draws with pipelines of diffusers."""

    @staticmethod
    def illustrator(settings: PipelineSettings):
        from biasloop_clip.pipelines import DiffusersIllustrator

        return DiffusersIllustrator(settings)


def settings(**changes) -> Generation:
    return Generation(**({"pipeline": PipelineSettings(steps=2), "batch": 2, "shard_size": 5} | changes))


def captioned(folder: Path, count: int = 12, flagged: frozenset[int] = frozenset()) -> captions.Captions:
    path = folder / "captions.tsv"
    path.write_text("".join(f"{'flag' if row in flagged else 'a'} {row}\thttp://a/{row}\n" for row in range(count)))
    return captions.opened(path)


def tars(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.tar"))}


def left_over(folder: Path) -> list[str]:
    """What is there that should not be once all is done."""
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]
