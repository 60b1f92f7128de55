"""What can be fetched under a name, before it is read: data sets and weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from biasloop.downloads import Remote
from biasloop.downloads.speed import takes
from biasloop.errors import BiasloopError, DownloadError, InvalidInput, SomethingToFetch, near

Kind = Literal["data", "weights"]
Stamp = tuple[tuple[str, int, int], ...]
A = TypeVar("A", bound="Asset")

_MOST_NEAR = 3  # names that are given where there is none of that name
_NOUNS: dict[Kind, str] = {"data": "data set", "weights": "model"}


@dataclass(frozen=True)
class Copy:
    """A copy of the files that something else installs: the same content, differently packed."""

    directory: Path
    files: tuple[Remote, ...]


@dataclass(frozen=True)
class Made:
    """A file that is made of the fetched ones, and read instead of them.

    Attributes:
        filename: its name.
        size: bytes, about.
        build: `(asset, directory of the fetched files, temporary path)`: makes it; raises DownloadError if a fetched
            file is not what it should be.
        examine: reads it all and says why it is damaged, or None.
    """

    filename: str
    size: int
    build: Callable[[Asset, Path, Path], None]
    examine: Callable[[Path], str | None]


@dataclass(frozen=True)
class Asked:
    """Files that have no public address: their publisher hands them out on request.

    Attributes:
        how: to ask for them, as part of a sentence.
        names: of the files and folders that are there once they have come.
    """

    how: str
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Asset:
    """Published files that belong together: a data set, or the weights of a model with what it takes to load them.

    Attributes:
        name: what to type.
        summary: one line.
        homepage: where it is described.
        licence: terms, as the publisher states them.
        citation: what to cite.
        kind: "data" or "weights".
        remotes: the files to fetch; none if it is shipped.
        shipped: the file that comes with biasloop, if one does.
        archive: a larger file that holds the others; it serves as well where it is there or is named by --from.
        copy: files that a distribution package may have installed.
        made: what is made of the fetched files, which are deleted then.
        asked: how to ask for its files, if they cannot be fetched.
    """

    name: str
    summary: str
    homepage: str
    licence: str
    citation: str
    kind: Kind = "data"
    remotes: tuple[Remote, ...] = ()
    shipped: Path | None = None
    archive: Remote | None = None
    copy: Copy | None = None
    made: Made | None = None
    asked: Asked | None = None

    @property
    def bytes(self) -> int:
        """Bytes to fetch; 0 if it is shipped."""
        return sum(remote.size for remote in self.remotes)

    def directory(self, data: Path) -> Path:
        """Where its fetched files live in a data directory."""
        return data / self.name

    def location(self, data: Path) -> Path | None:
        """The directory that will be read: fetched, shipped or installed files; None if any is missing."""
        if self.shipped is not None:
            return self.shipped.parent if self.shipped.is_file() else None
        if self.asked is not None:
            return self.directory(data) if not self.lacking(self.directory(data)) else None
        if self.made is not None:
            return self.directory(data) if (self.directory(data) / self.made.filename).is_file() else None
        if all(remote.same_size(self.directory(data) / remote.filename) for remote in self.remotes):
            return self.directory(data)
        if self.archive and self.archive.same_size(self.directory(data) / self.archive.filename):
            return self.directory(data)
        if self.copy and all(file.same_size(self.copy.directory / file.filename) for file in self.copy.files):
            return self.copy.directory
        return None

    def lacking(self, directory: Path) -> list[str]:
        """Of files that were asked for, those that a directory does not have."""
        return [] if self.asked is None else [name for name in self.asked.names if not (directory / name).exists()]

    def present(self, data: Path) -> bool:
        """Whether every file is there with the right size; reads none."""
        return self.location(data) is not None

    def require(self, data: Path) -> Path:
        """The directory that has its files.

        Raises:
            SomethingToFetch: if a file is not there; the message has the command that gets it.
            DownloadError: if one is there with the wrong size.
        """
        directory = self.location(data)
        if directory is None:
            raise self.absent(data)
        return directory

    def stamp(self, data: Path) -> Stamp:
        """Name, size and time of change of the files that will be read: others once any of them has changed.

        Raises:
            SomethingToFetch: as `require`.
        """
        files = [self.shipped] if self.shipped is not None else sorted(self.require(data).iterdir())
        states = ((path, path.stat()) for path in files if path.is_file())
        return tuple((str(path), state.st_size, state.st_mtime_ns) for path, state in states)

    def damaged(self, file: Path, why: str) -> DownloadError:
        """The error to raise when a file is not as published."""
        return DownloadError(f"{file} is damaged: {why}; {self.mend}")

    @property
    def mend(self) -> str:
        """What to do about a damaged file, as part of a sentence."""
        return "reinstall biasloop" if self.shipped else f"`biasloop fetch {self.name}` gets it anew"

    def absent(self, data: Path) -> BiasloopError:
        """The error to raise when a file is not there."""
        directory = self.directory(data)
        if self.asked is not None:
            return SomethingToFetch(
                f"{_NOUNS[self.kind]} {self.name!r} lacks {', '.join(self.lacking(directory))} in {directory}; it has "
                f"no public address: {self.homepage} ({self.asked.how}); put what you are sent into {directory}"
            )
        if self.shipped is not None:
            return DownloadError(f"{self.shipped}, which comes with biasloop, is not there; reinstall biasloop")
        for remote in self.remotes:
            path = self.directory(data) / remote.filename
            if path.is_file() and not remote.same_size(path):
                return self.damaged(path, f"it has {path.stat().st_size:,} bytes, expected {remote.size:,}")
        return SomethingToFetch(
            f"{_NOUNS[self.kind]} {self.name!r} is not in {self.directory(data)}; "
            f"`biasloop fetch {self.name}` gets it ({self.bytes / 1e6:.1f} MB{takes(self.bytes, data)})"
        )


def find(name: str, among: Iterable[A], what: str) -> A:
    """The asset of that name.

    Args:
        name: what the person typed.
        among: those it may be.
        what: what they are, for the message.

    Raises:
        InvalidInput: if there is none; the message names the nearest.
    """
    by_name = {asset.name: asset for asset in among}
    if name not in by_name:
        raise InvalidInput(
            f"no {what} is called {name!r} (known: {', '.join(by_name)}){near(name, by_name, most=_MOST_NEAR)}"
        )
    return by_name[name]


def remotes(bases: tuple[str, ...], *files: tuple[str, int, str]) -> tuple[Remote, ...]:
    """Files (name, bytes, SHA-256) that lie together in each of the places (URLs that end in `/`)."""
    return tuple(
        Remote(filename, tuple(base + filename for base in bases), size, f"sha256:{digest}")
        for filename, size, digest in files
    )
