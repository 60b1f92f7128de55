"""How often a text closes a quotation: the proxy for style of Taori & Hashimoto (2022)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from biasloop.contract.data import Floats
from biasloop_language.scorers.protocol import Tick

MARK = "\u201d"
"""The right double quotation mark, alone; straight quotes are not counted."""


class Options(BaseModel):
    """None."""

    model_config = ConfigDict(extra="forbid")


class QuotesScorer:
    """Counts `MARK`; column "quotes"."""

    def __init__(self, options: Options, data_directory: Path, device: str) -> None:
        """Needs none of these."""

    def check(self) -> None:
        """Nothing is needed."""

    def columns(self) -> tuple[str, ...]:
        """The one column."""
        return ("quotes",)

    def score(self, texts: Sequence[str], tick: Tick | None = None) -> dict[str, Floats]:
        """Marks in each text, `(texts,)`."""
        counts = np.array([text.count(MARK) for text in texts], np.float64)
        if tick:
            tick(len(texts), len(texts))
        return {"quotes": counts}
