"""Weights of networks of open_clip: a tag that they were published under, or a file.

Weights that a name does not have are an error and never random, and nothing is unpickled: files are safetensors, or
state dictionaries that torch reads with `weights_only`. The library would fall back with a warning; here it is asked
for nothing that it would fall back from.
"""

from __future__ import annotations

import logging
import os
import pickle
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from biasloop.downloads import is_offline
from biasloop.errors import InvalidInput, SomethingToFetch
from biasloop.printable import printable

QUICK = "-quickgelu"
SILENT = 5.0  # seconds
INCLUDED = "--include 'open_clip*'"
"""What of a repository with several files is weights, for `hf download`."""
_OFFLINE = ("OfflineModeIsEnabled", "LocalEntryNotFoundError", "ConnectError", "ConnectionError", "URLError")


def is_tag(name: str, weights: str) -> bool:
    """Whether weights of a network were published under a tag."""
    import open_clip  # seconds

    return weights in open_clip.list_pretrained_tags_by_model(name)


def preprocessing_of(name: str, weights: str) -> Mapping[str, Any]:
    """Mean, std and resizing that a tag's pictures were prepared by; {} of a file."""
    import open_clip

    if not is_tag(name, weights):  # the library would take a tag in another spelling, too: "OpenAI" for "openai"
        return {}
    settings: Mapping[str, Any] = open_clip.get_pretrained_cfg(name, weights)
    return settings


def file_of(name: str, weights: str) -> Path | None:
    """The file that weights are read from, if they are no tag: a tag goes before a file that is called so."""
    path = Path(weights)
    return path.resolve() if path.is_file() and not is_tag(name, weights) else None


def check(name: str, weights: str) -> None:
    """Refuse weights that are neither a tag of a network nor a file, or were trained with another activation.

    Args:
        name: of the network: a configuration of open_clip, or anything else that files of weights are for.
        weights: a tag or a file.

    Raises:
        InvalidInput: with the name to type.
    """
    import open_clip

    if not is_tag(name, weights):
        if not Path(weights).is_file():
            tags = ", ".join(open_clip.list_pretrained_tags_by_model(name))
            raise InvalidInput(f"{weights!r} is no file and no tag of {name} (tags: {tags or 'none'})")
        return
    quick = bool(preprocessing_of(name, weights).get("quick_gelu", False))
    if quick != bool(open_clip.get_model_config(name).get("quick_gelu", False)):
        other = name + QUICK if quick else name.removesuffix(QUICK)
        activation = "QuickGELU" if quick else "GELU"
        raise InvalidInput(
            f"{name}:{weights} was trained with {activation}, which {name} does not compute with; use {other}:{weights}"
        )


def to_fetch(name: str, weights: str) -> str | None:
    """What to type to get weights that are not here; None where they are, and of files. The network is not touched."""
    published = preprocessing_of(name, weights)
    if not published or "file" in published:
        return None
    if hub := str(published.get("hf_hub", "")):
        from huggingface_hub import try_to_load_from_cache

        repository, _, file = hub.rpartition("/")
        files = [file] if file else ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"]
        if file.endswith((".bin", ".pth")):
            files.append(f"{file[:-4]}.safetensors")  # as the library prefers
        if any(isinstance(try_to_load_from_cache(repository, each), str) for each in files):
            return None
        return f"hf download {repository} {file or INCLUDED}"
    address = str(published.get("url", ""))
    cached = Path("~/.cache/clip").expanduser() / Path(address).name
    return None if cached.is_file() else f"curl --create-dirs -Lo {cached} {address}"


def fetched(name: str, weights: str | None, *, offline: bool) -> str | None:
    """What of a model will come over the network, for messages; None where nothing does.

    Args:
        name: of the network, or `hf-hub:ORG/REPO`, of which nobody knows here.
        weights: a tag or a file; None where the name says all.
        offline: whether the network must not be touched.
    """
    if offline or (weights is None and not name.startswith("hf-hub:")):
        return None
    if weights is None:
        return f"model {name}"
    return f"the weights of model {name}:{weights}" if to_fetch(name, weights) else None


def require(name: str, weights: str) -> None:
    """Refuse weights that are not here, where the network must not be touched.

    Raises:
        SomethingToFetch: with what to type.
    """
    command = to_fetch(name, weights)
    if command is not None:
        raise SomethingToFetch(
            f"the weights of model {name}:{weights} are not here, and the network must not be touched; type where it "
            f"may be:\n{command}"
        )


def offline(*, asked: bool = False) -> bool:
    """Whether the network must not be touched; the hub's library, which has to be told before it is imported, is."""
    if is_offline(asked):
        os.environ["HF_HUB_OFFLINE"] = "1"  # also over a 0: to be told once is enough
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


@contextmanager
def quiet(waited_for: str | None = None) -> Iterator[None]:
    """Inside, the library logs nothing: what there is to say is raised.

    Args:
        waited_for: what comes over the network, if anything does: after some seconds a line on stderr says that it is
            waited for, since the hub's library tries again and again in silence.
    """
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    timer = threading.Timer(SILENT, _tell_waiting, (waited_for,))
    timer.daemon = True
    if waited_for is not None:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
        logging.disable(before)


def _tell_waiting(waited_for: str) -> None:
    told = f"waiting for {waited_for} over the network; a server that does not answer is given up after a minute or so"
    print(printable(told), file=sys.stderr, flush=True)


def why(name: str, error: Exception) -> Exception:
    """What to say of an error of the library as it loads a model `NAME:TAG`, or of one that it was raised from."""
    causes = _causes(error)
    reason = str(error).strip().split("\n")[0] or type(error).__name__
    if any(isinstance(each, pickle.UnpicklingError) or "weights_only" in str(each) for each in causes):
        return InvalidInput(
            f"the weights of model {name} can be read by unpickling alone, which may run any code and is refused; save "
            "them as safetensors"
        )
    if is_unreachable(error):
        network, _, tag = name.partition(":")
        command = to_fetch(network, tag) or f"hf download {tag}"
        return SomethingToFetch(
            f"the weights of model {name} are not here, and could not be fetched; give NAME:FILE or local-dir:DIR, or "
            f"type on a machine that may use the network:\n{command}"
        )
    return InvalidInput(f"model {name} cannot be loaded: {reason}; if its file is damaged, get it again")


def is_unreachable(error: BaseException) -> bool:
    """Whether an error is, or comes from, one of a network that is not there or must not be used."""
    return any(type(each).__name__ in _OFFLINE for each in _causes(error))


def _causes(error: BaseException) -> list[BaseException]:
    """An error, what it was raised from, what that was raised from, and so on."""
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    return causes
