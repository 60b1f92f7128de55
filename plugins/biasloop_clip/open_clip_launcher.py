"""Starts open_clip_train on shards, whichever webdataset is installed; copied beside the shards, it needs no biasloop.

After version 0.2.86 webdataset ends every shard with a marker, which the trainer takes for a file without a name.
"""

import inspect
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

NEEDED = ("open_clip_train", "webdataset", "pandas", "fsspec")
INSTALL = "python -m pip install 'open_clip_torch[training]>=3.3,<4'"


def lacking() -> list[str]:
    """Which modules that the trainer imports are not installed."""
    return [name for name in NEEDED if find_spec(name) is None]


def without_markers(expander: Callable[..., Any]) -> Callable[..., Any]:
    """What gives the files of tars, and nothing at the end of each."""
    marks = "eof_value" in inspect.signature(expander).parameters
    return partial(expander, eof_value=None) if marks else expander


def prepare() -> None:
    """Work round the markers in this process; in those that read, too, where these begin by running this file anew."""
    if absent := lacking():
        sys.exit(f"open_clip_train needs {', '.join(absent)}, which this Python has not; type: {INSTALL}")
    from open_clip_train import data

    data.tar_file_expander = without_markers(data.tar_file_expander)


def main() -> int:
    """Train, with the trainer's own arguments; the exit code."""
    from open_clip_train.main import main as train

    return 1 if train(sys.argv[1:]) else 0  # it returns -1 for what it refuses, else nothing


if __name__ in {"__main__", "__mp_main__"}:
    prepare()
if __name__ == "__main__":
    sys.exit(main())
