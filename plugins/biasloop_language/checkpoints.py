"""Where the files of a network are, and whether they are all there; no torch."""

import json
import os
from pathlib import Path

from biasloop.downloads.places import home_of
from biasloop.errors import InvalidInput, SomethingToFetch

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def is_path(name: str) -> bool:
    """Whether it names a directory: it has a separator, or begins with "." or "~"."""
    return name.startswith((".", "~")) or bool({os.sep, os.altsep or os.sep} & set(name))


def directory(name: str, data: Path) -> Path:
    """`data`/`name`; or the name itself where it is a path."""
    return home_of(Path(name)) if is_path(name) else data / name


def lacking(place: Path) -> list[str]:
    """What a network needs and the directory does not have; looks at names alone."""
    tokenizer = (place / "tokenizer.json").is_file() or all(
        (place / part).is_file() for part in ("vocab.json", "merges.txt")
    )
    found = {
        "config.json": (place / "config.json").is_file(),
        "*.safetensors": any(place.glob("*.safetensors")),
        "tokenizer.json (or vocab.json and merges.txt)": tokenizer,
    }
    return [name for name, there in found.items() if not there]


def locate(name: str, data: Path) -> Path:
    """The directory with all files of a network.

    Args:
        name: of a network that can be fetched, or the path of a directory.
        data: the data directory.

    Raises:
        InvalidInput: if a path lacks files, or the weights are there as a pickle only.
        SomethingToFetch: if the files of a name are not all there.
    """
    place = directory(name, data)
    missing = lacking(place)
    if not missing:
        return place
    pickles = [path.name for pattern in _PICKLES for path in sorted(place.glob(pattern))]
    if pickles and "*.safetensors" in missing:
        raise InvalidInput(
            f"the weights in {place} are a pickle ({pickles[0]}), which can run code when it is read; put them there "
            "as model.safetensors"
        )
    what = ", ".join(missing)
    if is_path(name):
        raise InvalidInput(f"{place} is not the directory of a language model: it lacks {what}")
    near = f' (for the directory here, write "./{name}")' if Path(name).is_dir() else ""
    raise SomethingToFetch(
        f"the network {name} is not in {place}, which lacks {what}{near}; type:\nbiasloop fetch {name}"
    )


def end_of_text(place: Path) -> int | None:
    """The first `eos_token_id` in config.json, if it has one.

    Raises:
        InvalidInput: if the file is not a JSON object.
    """
    path = place / "config.json"
    try:
        settings = json.loads(path.read_text("utf-8"))
        eos = settings.get("eos_token_id")
    except (ValueError, AttributeError) as error:
        raise InvalidInput(f"{path} is not a JSON object ({error}); put the network's own config.json there") from error
    if isinstance(eos, list):
        eos = eos[0] if eos else None
    return int(eos) if eos is not None else None
