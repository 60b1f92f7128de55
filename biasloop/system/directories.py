"""Where fetched data sets lie."""

import os
import shlex
from pathlib import Path


def data_directory(given: Path | None = None) -> Path:
    """The directory given, else `$BIASLOOP_DATA`, else the person's own data directory."""
    if given is not None:
        return given
    if directory := os.environ.get("BIASLOOP_DATA"):
        return Path(directory)
    from platformdirs import user_data_path

    return user_data_path("biasloop", appauthor=False)


def data_option(directory: Path) -> str:
    """What to add to a command so that it uses this directory; nothing for the default one."""
    return "" if directory == data_directory() else f" --data {shlex.quote(str(directory))}"
