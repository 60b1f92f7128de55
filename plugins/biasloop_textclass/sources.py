"""Where texts come from: the sentences that come with biasloop, a data set that has a name, a person's table."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from biasloop.downloads.temporary import home_of
from biasloop.errors import InvalidInput
from biasloop_textclass import century, own_table
from biasloop_textclass.config import FILE, Columns
from biasloop_textclass.published import BY_NAME, Published

if TYPE_CHECKING:
    from collections.abc import Sequence

    from biasloop.contract.context import Context, Requirement
    from biasloop_textclass.config import Config
    from biasloop_textclass.texts import LabelledTexts


class Source(Protocol):
    """Texts that are known and not yet read."""

    def requirements(self) -> list[Requirement]:
        """What has to be fetched first; reads nothing."""

    def check(self) -> None:
        """Refuse a file that is not there.

        Raises:
            InvalidInput: naming it.
        """

    def read(self) -> LabelledTexts:
        """All rows.

        Raises:
            SomethingToFetch: if they have to be fetched first.
            DownloadError: if a fetched file is damaged.
            InvalidInput: if a person's file is not as it has to be.
        """


def source(config: Config, context: Context) -> Source:
    """The texts that `domain.data` and `domain.path` name; looks for none.

    Raises:
        InvalidInput: if it can be none.
    """
    if config.path is not None:
        return OwnTable(home_of(Path(config.path)), config.columns, config.classes)
    if config.data == century.NAME:
        return Century()
    if config.data in BY_NAME:
        return Published(BY_NAME[config.data], context)
    known = [century.NAME, *BY_NAME, FILE]
    near = difflib.get_close_matches(config.data[:100], known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise InvalidInput(
        f"domain.data is {config.data[:100]!r}, and no texts are called so (known: {', '.join(known)}){hint}"
    )


@dataclass(frozen=True)
class Century:
    """Sentences of State of the Union addresses."""

    def requirements(self) -> list[Requirement]:
        """Nothing: they come with biasloop."""
        return []

    def check(self) -> None:
        """Nothing."""

    def read(self) -> LabelledTexts:
        """Those of the 20th century."""
        return century.read()


@dataclass(frozen=True)
class OwnTable:
    """A person's own file."""

    path: Path
    columns: Columns
    classes: Sequence[str] | None

    def requirements(self) -> list[Requirement]:
        """Nothing."""
        return []

    def check(self) -> None:
        """Refuse a path at which there is no such file."""
        own_table.check(self.path)

    def read(self) -> LabelledTexts:
        """All rows."""
        return own_table.read(self.path, self.columns, self.classes)
