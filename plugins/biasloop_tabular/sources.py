"""Where rows come from: the table that comes with biasloop, or a person's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.downloads.temporary import home_of
from biasloop_tabular import adult, own_table
from biasloop_tabular.config import FILE

if TYPE_CHECKING:
    from biasloop.contract.context import Context
    from biasloop_tabular.config import Config
    from biasloop_tabular.rows import LabelledRows


def check(config: Config) -> None:
    """Refuse a path at which there is no such file.

    Raises:
        InvalidInput: a person's file is not there, or of another kind.
        DownloadError: the file that comes with biasloop is missing.
    """
    own_table.check(_path(config))


def read(config: Config, context: Context) -> LabelledRows:
    """All rows.

    Raises:
        InvalidInput: the table is not as it has to be.
        DownloadError: as `check`.
    """
    on_note = context.on_note if config.data == FILE else lambda text: None  # what comes along, its page describes
    return own_table.read(_path(config), config, on_note)


def _path(config: Config) -> Path:
    return adult.path() if config.path is None else home_of(Path(config.path))
