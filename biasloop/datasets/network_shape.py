"""What config.json says of a network's size, refused where the weights beside it cannot be of it; no torch.

A library builds what the file describes before it looks at the weights: a billion layers are built for ever.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from biasloop.errors import InvalidInput
from biasloop.parsing import dotted, parse_json, read_text, shown

_LARGEST = 10_000_000  # bytes of config.json, which may name thousands of classes
_LAYERS = re.compile(r"(n|num|n_hidden|num_hidden|num_decoder|num_encoder|decoder|encoder)_layers?")
_COUNTS = re.compile(r"(n|num|.*_num|num_.*)_(heads?|experts?|blocks|groups|stages)")
_WIDTHS = {"n_embd", "hidden_size", "d_model", "word_embed_proj_dim", "embedding_size"}
_BESIDE = {"vocab_size", "n_positions", "n_inner", "intermediate_size"}  # each times the width are parameters
_MOST = {"layers": 1_000, "counts": 10_000, "sizes": 100_000_000}
_WEIGHTS = 2  # parameters a byte at most: four bits each


def read_settings(folder: Path) -> dict[str, Any]:
    """What config.json says.

    Raises:
        InvalidInput: it cannot be read, is larger than 10 MB, nested too deep, or not a JSON object.
    """
    path = folder / "config.json"
    settings = parse_json(read_text(path, _LARGEST), str(path))
    if not isinstance(settings, dict):
        raise InvalidInput(f"{path} is not a JSON object; put the network's own config.json there")
    return settings


def check_shape(folder: Path, what: str) -> None:
    """Refuse sizes that no network has, and those of a network with more parameters than the weights can hold.

    Args:
        folder: directory with config.json and *.safetensors.
        what: it is to be, with its article.

    Raises:
        InvalidInput: naming the key.
    """
    settings, path = read_settings(folder), folder / "config.json"
    for part in (settings, *(inner for inner in settings.values() if isinstance(inner, dict))):
        for name, value in part.items():
            most = _most(name)
            if most is not None:
                _check(path, name, value, most)
        parameters = _at_least(part)
        stored = sum(file.stat().st_size for file in folder.glob("*.safetensors") if file.is_file())
        if parameters > stored * _WEIGHTS:
            raise InvalidInput(
                f"{folder} cannot be read as {what}: config.json describes {parameters:,} parameters "
                f"or more, and the weights have {stored:,} bytes; put the network's own files there"
            )


def _most(name: str) -> int | None:
    """The largest value of a key that says how many or how large; None for another key."""
    if _LAYERS.fullmatch(name):
        return _MOST["layers"]
    if _COUNTS.fullmatch(name):
        return _MOST["counts"]
    return _MOST["sizes"] if name in _WIDTHS | _BESIDE else None


def _check(path: Path, name: str, value: Any, most: int) -> None:
    for number in value if isinstance(value, list) else [value]:
        if number is not None and (type(number) is not int or not 0 <= number <= most):
            raise InvalidInput(
                f"{path}: {dotted((name,))} = {shown(number)}: expected a whole number from 0 to {most:,}; put the "
                "network's own config.json there"
            )


def _at_least(settings: dict[str, Any]) -> int:
    """Parameters that a network of such sizes has in any case: the largest table, and a square for each layer."""
    numbers = {name: value for name, value in settings.items() if type(value) is int}
    widths = [value for name, value in numbers.items() if name in _WIDTHS and value]
    if not widths:
        return 0
    width = min(widths)
    layers = max((value for name, value in numbers.items() if _LAYERS.fullmatch(name)), default=0)
    return max([layers * width * width, *(numbers.get(name, 0) * width for name in _BESIDE)])
