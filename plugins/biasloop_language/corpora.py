"""Where prompts and continuations come from: RealToxicityPrompts, State of the Union addresses, a person's file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from biasloop import datasets
from biasloop.contract.context import Context, Requirement
from biasloop.datasets.catalogue import requirement
from biasloop.datasets.texts import REALTOXICITYPROMPTS, SOTU
from biasloop.downloads.temporary import home_of
from biasloop.errors import InvalidInput
from biasloop.system.regular import require_regular
from biasloop.tables import format_of
from biasloop_language import realtoxicity, sotu, user_files
from biasloop_language.pairs import Pairs

if TYPE_CHECKING:
    from biasloop_language.config import Config

__all__ = ["OwnFile", "Pairs", "RealToxicityPrompts", "Sotu", "Source", "source"]


class Source(Protocol):
    """A corpus that is known by name and not yet read."""

    def requirements(self) -> list[Requirement]:
        """What has to be fetched first; reads nothing."""

    def check(self) -> None:
        """Refuse a file that is not there.

        Raises:
            InvalidInput: naming it.
        """

    def read(self) -> Pairs:
        """Prompts and continuations for the loop.

        Raises:
            SomethingToFetch: if it has to be fetched first.
            DownloadError: if a fetched file is damaged.
            InvalidInput: if the file has what it must not have.
        """

    def pretraining(self) -> Pairs:
        """Sentences that the loop never sees, for a network that has not learnt English yet."""


def source(config: Config, context: Context) -> Source:
    """The corpus that `domain.data` names; looks for none.

    Raises:
        InvalidInput: if it can be none.
    """
    data, corpus = config.data, config.corpus
    if data == REALTOXICITYPROMPTS.name:
        return RealToxicityPrompts(context)
    if data == SOTU.name:
        return Sotu(corpus.from_year)
    path = Path(data)
    if data.startswith("~/"):  # else a name that begins so is a name
        path = home_of(path)
    known = format_of(path)
    if known is None or not known.text:
        raise InvalidInput(
            f'domain.data is {data!r}; expected "{REALTOXICITYPROMPTS.name}", "{SOTU.name}", or a file that ends in '
            f"{user_files.FORMATS}"
        )
    return OwnFile(path, corpus.prompt, corpus.continuation, corpus.from_year, data)


def published_networks() -> list[str]:
    """Names of the networks that can be fetched."""
    return [asset.name for asset in datasets.all_assets() if asset.kind == "weights" and asset.name.startswith("gpt2")]


@dataclass(frozen=True)
class RealToxicityPrompts:
    """The published prompts and continuations."""

    context: Context

    def requirements(self) -> list[Requirement]:
        """The archive, unless it was read before."""
        need = requirement(REALTOXICITYPROMPTS.name, self.context.data)
        return [replace(need, present=need.present or realtoxicity.is_prepared(self.context))]

    def check(self) -> None:
        """What has to be fetched, `requirements` say."""

    def read(self) -> Pairs:
        """All rows."""
        return realtoxicity.read(self.context)

    def pretraining(self) -> Pairs:
        """Sentences of State of the Union addresses."""
        return sotu.read("pretraining")


@dataclass(frozen=True)
class Sotu:
    """Sentences of State of the Union addresses."""

    from_year: int

    def requirements(self) -> list[Requirement]:
        """Nothing: it comes with biasloop."""
        return []

    def check(self) -> None:
        """Nothing."""

    def read(self) -> Pairs:
        """The loop's half of the sentences."""
        return sotu.read("loop", self.from_year)

    def pretraining(self) -> Pairs:
        """The other half."""
        return sotu.read("pretraining", self.from_year)


@dataclass(frozen=True)
class OwnFile:
    """A person's own file."""

    path: Path
    prompt: str
    continuation: str
    from_year: int
    written: str  # the path as settings have it

    def requirements(self) -> list[Requirement]:
        """Nothing."""
        return []

    def check(self) -> None:
        """Refuse a path at which there is no file."""
        if not self.path.exists():
            raise InvalidInput(f"domain.data is {self.written!r}, and there is no such file in {Path.cwd()}")
        require_regular(self.path)

    def read(self) -> Pairs:
        """All rows."""
        return user_files.read(self.path, self.prompt, self.continuation)

    def pretraining(self) -> Pairs:
        """Sentences of State of the Union addresses."""
        return sotu.read("pretraining", self.from_year)
