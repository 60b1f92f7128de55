"""Networks of transformers from directories on disk: safetensors alone, nothing fetched, nobody's code run."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Read when the library is imported; files are only ever read from disk.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from torch import nn
from transformers.utils import logging

from biasloop.errors import InvalidInput


def read(source: Any, folder: Path, what: str, **settings: Any) -> tuple[Any, dict[str, Any]]:
    """A network in float32, and what its weights lack or have besides (`missing_keys`, `mismatched_keys`, ...).

    What is not in the files comes from torch's global generators, which are as before afterwards.

    Args:
        source: a class of transformers with `from_pretrained`.
        folder: with config.json and *.safetensors.
        what: it is to be, with its article, for messages.
        settings: for `from_pretrained`.

    Raises:
        InvalidInput: if the files are no such network, or hold weights that are not finite.
    """
    try:
        with quiet(), torch.random.fork_rng([]):
            network, info = source.from_pretrained(
                folder,
                dtype=torch.float32,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                **settings,
            )
    except Exception as error:  # libraries raise anything on damaged files
        reason = str(error).strip().split("\n")[0]
        raise InvalidInput(f"{folder} cannot be read as {what}: {reason}") from error
    return network, info


def check_finite(network: nn.Module, folder: Path) -> None:
    """Refuse weights that are no numbers.

    Raises:
        InvalidInput: naming the first array.
    """
    wrong = [name for name, weights in network.named_parameters() if not bool(torch.isfinite(weights).all())]
    if wrong:
        raise InvalidInput(
            f"the weights in {folder} are not all finite numbers, those of {wrong[0]} for one; put the network's own "
            "*.safetensors there"
        )


def check_arrays(missing: set[str], folder: Path) -> None:
    """Refuse files that lack weights.

    Raises:
        InvalidInput: naming the first array.
    """
    if missing:
        raise InvalidInput(
            f"the weights in {folder} lack {len(missing)} arrays of the network that config.json describes, among them "
            f"{min(missing)}; put the network's own *.safetensors there"
        )


def detach_from_files(network: Any) -> None:
    """Copies weights that lie in a mapped file into memory: else they would change with it."""
    with torch.no_grad():
        for tensor in [*network.parameters(), *network.buffers()]:
            tensor.set_(tensor.clone())


@contextmanager
def quiet() -> Iterator[None]:
    """Inside, the library shows no progress and no table of what it loads."""
    library: Any = logging
    shown, level = library.is_progress_bar_enabled(), library.get_verbosity()
    library.disable_progress_bar()
    library.set_verbosity_error()
    try:
        yield
    finally:
        library.set_verbosity(level)
        if shown:
            library.enable_progress_bar()
