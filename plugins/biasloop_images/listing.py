"""What lies in a folder of images: those that are read, and what is left out, so that it can be said."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from biasloop.errors import InvalidInput
from biasloop.system.regular import irregular

_CLUTTER = {"__macosx", "thumbs.db", "desktop.ini", "@eadir"}  # what systems put beside files; hidden in all but name
_NAMED = 3  # files


@dataclass
class Listing:
    """Files below a folder.

    Attributes:
        images: those to read.
        unread: those that are not hidden and whose suffix says that they are no images.
        dangling: links to what is not there.
        linked: links to folders, which are not followed: they may lead anywhere, and round in a circle.
    """

    images: list[Path] = field(default_factory=list)
    unread: list[Path] = field(default_factory=list)
    dangling: list[Path] = field(default_factory=list)
    linked: list[Path] = field(default_factory=list)

    def add(self, folder: Path) -> None:
        """Enter all below a folder; hidden files and folders are passed over.

        Raises:
            InvalidInput: if a folder does not read, or what is called an image is a pipe or a device.
        """
        waiting = [folder]
        while waiting:
            for path in visible(waiting.pop()):
                if path.is_dir() and not path.is_symlink():
                    waiting.append(path)
                else:
                    self.enter(path)

    def enter(self, path: Path) -> None:
        """Enter what is no folder, or a link to one."""
        from biasloop.datasets.decoding import SUFFIXES

        try:
            kind = irregular(path)
        except OSError:
            self.dangling.append(path)
            return
        if path.suffix.lower() not in SUFFIXES and kind != "a directory":
            self.unread.append(path)
        elif kind is None:
            self.images.append(path)
        elif kind == "a directory":
            self.linked.append(path)
        else:
            raise InvalidInput(f"{shown(path)} is {kind}; remove it, or put an image there")

    def extend(self, other: Listing) -> None:
        """Enter all of another listing."""
        self.images += other.images
        self.unread += other.unread
        self.dangling += other.dangling
        self.linked += other.linked

    def left_out(self, root: Path) -> list[str]:
        """What a person should know of, a sentence for each kind."""
        said = []
        if self.unread:
            count, names = _count(self.unread, "file"), _names(self.unread, root)
            said.append(f"{shown(root)}: {count} left out for a suffix that is not read ({names})")
        if self.dangling:
            count, names = _count(self.dangling, "link"), _names(self.dangling, root)
            said.append(f"{shown(root)}: {count} left out that cannot be followed ({names})")
        if self.linked:
            count, names = _count(self.linked, "linked folder"), _names(self.linked, root)
            said.append(
                f"{shown(root)}: {count} left out ({names}): links to folders inside a class are not followed; "
                "link the images, or move them there"
            )
        return said


def several(files: Sequence[Path], root: Path) -> str:
    """The sentence on files with several pictures."""
    return (
        f"{shown(root)}: {_count(files, 'file')} with several pictures ({_names(files, root)}); the first picture of "
        "each is used"
    )


def visible(folder: Path) -> Iterator[Path]:
    """What lies directly in a folder and is not hidden, by the alphabet.

    Raises:
        InvalidInput: if the folder does not read.
    """
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise InvalidInput(f"{shown(folder)} does not read: {error.strerror or error}") from error
    return (entry for entry in entries if not entry.name.startswith(".") and entry.name.lower() not in _CLUTTER)


def shown(path: Path) -> str:
    """A path as one line that can be printed and stored, also where its name is not UTF-8, or has several lines."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def is_text(path: Path) -> bool:
    """Whether a name can be stored as text, which is UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _count(files: Sequence[Path], noun: str) -> str:
    return f"1 {noun}" if len(files) == 1 else f"{len(files):,} {noun}s"


def _names(files: Sequence[Path], root: Path) -> str:
    names = [shown(file.relative_to(root)) for file in sorted(files)[:_NAMED]]
    return ", ".join(names) + (", ..." if len(files) > _NAMED else "")
