"""Where the files of a network are, and whether they are all there; no torch."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from biasloop.datasets.network_shape import check_shape
from biasloop.downloads.temporary import home_of
from biasloop.errors import InvalidInput, SomethingToFetch

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


@dataclass(frozen=True)
class Wanted:
    """What a network's directory has to hold besides config.json and *.safetensors.

    Attributes:
        what: it is, with its article.
        tokenizers: files of its tokenizer, in any of these ways.
        read_as: what a library reads it as, with its article; None for `what`.
    """

    what: str
    tokenizers: tuple[tuple[str, ...], ...] = (("tokenizer.json",),)
    read_as: str | None = None

    def lacking(self, folder: Path) -> list[str]:
        """What the directory does not have; looks at names alone."""
        first, *others = (" and ".join(files) for files in self.tokenizers)
        tokenizer = f"{first} (or {' or '.join(others)})" if others else first
        present = {
            "config.json": (folder / "config.json").is_file(),
            "*.safetensors": any(folder.glob("*.safetensors")),
            tokenizer: any(all((folder / file).is_file() for file in files) for files in self.tokenizers),
        }
        return [name for name, there in present.items() if not there]

    def locate(self, name: str, data: Path) -> Path:
        """The directory with all files of a network.

        Args:
            name: of a network that can be fetched, or the path of a directory.
            data: the data directory.

        Raises:
            InvalidInput: if a path lacks files, the weights are there as a pickle only, or config.json describes what
                they cannot be of.
            SomethingToFetch: if the files of a name are not all there.
        """
        folder = directory(name, data)
        missing = self.lacking(folder)
        if not missing:
            check_shape(folder, self.read_as or self.what)
            return folder
        pickles = [path.name for pattern in _PICKLES for path in sorted(folder.glob(pattern))]
        if pickles and "*.safetensors" in missing:
            raise InvalidInput(
                f"the weights in {folder} are a pickle ({pickles[0]}), which can run code when it is read; put them "
                "there as model.safetensors"
            )
        listed = ", ".join(missing)
        if is_path(name):
            raise InvalidInput(f"{folder} is not the directory of {self.what}: it lacks {listed}")
        near = f' (for the directory here, write "./{name}")' if Path(name).is_dir() else ""
        raise SomethingToFetch(
            f"the network {name} is not in {folder}, which lacks {listed}{near}; type:\nbiasloop fetch {name}"
        )

    def check(self, name: str, data: Path, published: Collection[str], built_in: str) -> None:
        """Refuse a network that cannot be loaded, without loading it.

        Args:
            name: as the preset has it.
            data: the data directory.
            published: names of networks that can be fetched.
            built_in: the name of the network that needs no files.

        Raises:
            InvalidInput: no network has that name, or as `locate`.
            SomethingToFetch: as `locate`.
        """
        if name == built_in:
            return
        if not is_path(name) and name not in published and not directory(name, data).is_dir():
            known = [built_in, *sorted(published)]
            near = difflib.get_close_matches(name[:100], known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InvalidInput(
                f"domain.network = {name[:100]!r}: no network is called so (known: {', '.join(known)}; a directory is "
                f'written with a separator, as "./mine"){hint}'
            )
        self.locate(name, data)


def is_path(name: str) -> bool:
    """Whether it names a directory: it has a separator, or begins with "." or "~"."""
    return name.startswith((".", "~")) or bool({os.sep, os.altsep or os.sep} & set(name))


def directory(name: str, data: Path) -> Path:
    """`data`/`name`; or the name itself where it is a path."""
    return home_of(Path(name)) if is_path(name) else data / name
