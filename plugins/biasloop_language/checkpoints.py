"""Where the files of a network are, and whether they are all there; no torch."""

import difflib
import os
from collections.abc import Collection
from pathlib import Path

from biasloop.downloads.temporary import home_of
from biasloop.errors import InvalidInput, SomethingToFetch
from biasloop_language.shape import check_shape, read_settings

BUILT_IN = "small"
BUILT_IN_CONTEXT = 256  # tokens that the built-in network holds
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def is_path(name: str) -> bool:
    """Whether it names a directory: it has a separator, or begins with "." or "~"."""
    return name.startswith((".", "~")) or bool({os.sep, os.altsep or os.sep} & set(name))


def directory(name: str, data: Path) -> Path:
    """`data`/`name`; or the name itself where it is a path."""
    return home_of(Path(name)) if is_path(name) else data / name


def lacking(folder: Path) -> list[str]:
    """What a network needs and the directory does not have; looks at names alone."""
    tokenizer = (folder / "tokenizer.json").is_file() or all(
        (folder / part).is_file() for part in ("vocab.json", "merges.txt")
    )
    present = {
        "config.json": (folder / "config.json").is_file(),
        "*.safetensors": any(folder.glob("*.safetensors")),
        "tokenizer.json (or vocab.json and merges.txt)": tokenizer,
    }
    return [name for name, there in present.items() if not there]


def locate(name: str, data: Path) -> Path:
    """The directory with all files of a network.

    Args:
        name: of a network that can be fetched, or the path of a directory.
        data: the data directory.

    Raises:
        InvalidInput: if a path lacks files, the weights are there as a pickle only, or config.json describes what they
            cannot be of.
        SomethingToFetch: if the files of a name are not all there.
    """
    folder = directory(name, data)
    missing = lacking(folder)
    if not missing:
        check_shape(folder)
        return folder
    pickles = [path.name for pattern in _PICKLES for path in sorted(folder.glob(pattern))]
    if pickles and "*.safetensors" in missing:
        raise InvalidInput(
            f"the weights in {folder} are a pickle ({pickles[0]}), which can run code when it is read; put them there "
            "as model.safetensors"
        )
    what = ", ".join(missing)
    if is_path(name):
        raise InvalidInput(f"{folder} is not the directory of a language model: it lacks {what}")
    near = f' (for the directory here, write "./{name}")' if Path(name).is_dir() else ""
    raise SomethingToFetch(
        f"the network {name} is not in {folder}, which lacks {what}{near}; type:\nbiasloop fetch {name}"
    )


def check(name: str, data: Path, published: Collection[str]) -> None:
    """Refuse a network that cannot be loaded, without loading it.

    Args:
        name: as the preset has it.
        data: the data directory.
        published: names of networks that can be fetched.

    Raises:
        InvalidInput: no network has that name, or as `locate`.
        SomethingToFetch: as `locate`.
    """
    if name == BUILT_IN:
        return
    if not is_path(name) and name not in published and not directory(name, data).is_dir():
        known = [BUILT_IN, *sorted(published)]
        near = difflib.get_close_matches(name[:100], known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InvalidInput(
            f"domain.network = {name[:100]!r}: no network is called so (known: {', '.join(known)}; a directory is "
            f'written with a separator, as "./mine"){hint}'
        )
    locate(name, data)


def check_decoding(name: str, data: Path, new_tokens: int, beams: int) -> None:
    """Refuse continuations that leave no room for a prompt, and more beams than there are tokens to begin with.

    Args:
        name: of a network that `check` lets through.
        data: the data directory.
        new_tokens: of a continuation at most.
        beams: 1 for none.

    Raises:
        InvalidInput: saying what to set.
    """
    settings = {} if name == BUILT_IN else read_settings(locate(name, data))
    stated = [settings.get(key) for key in ("n_positions", "max_position_embeddings")]
    positions = BUILT_IN_CONTEXT if name == BUILT_IN else next((size for size in stated if type(size) is int), None)
    if positions is not None and new_tokens >= positions:
        raise InvalidInput(
            f"domain.new_tokens = {new_tokens} leaves no room for a prompt: {name} holds {positions} tokens; set it "
            f"below {positions}"
        )
    vocabulary = settings.get("vocab_size")
    if type(vocabulary) is int and beams >= vocabulary:
        raise InvalidInput(
            f"domain.beams = {beams} needs a vocabulary of more than {vocabulary} tokens; set fewer beams"
        )


def end_of_text(folder: Path) -> int | None:
    """The first `eos_token_id` in config.json, if it has one.

    Raises:
        InvalidInput: if the file is not a JSON object, or what it says is no token id.
    """
    eos = read_settings(folder).get("eos_token_id")
    if isinstance(eos, list):
        eos = eos[0] if eos else None
    if eos is None:
        return None
    if type(eos) is not int or not 0 <= eos < 2**31:
        raise InvalidInput(f"{folder / 'config.json'}: eos_token_id is no token id; put the network's own file there")
    return eos
