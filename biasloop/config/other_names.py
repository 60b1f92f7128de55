"""What publications, or their code, call the settings that presets reproduce: names that find a preset, too."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from biasloop.config.preset_files import files
from biasloop.errors import InvalidInput
from biasloop.parsing import parse_toml

KEY = "also"


def of(values: Mapping[str, Any]) -> tuple[str, ...]:
    """The other names of a preset; what is no list of texts is refused where the preset is read."""
    names = values.get(KEY)
    return tuple(map(str, names)) if isinstance(names, list) else ()


def meant(name: str) -> str | None:
    """The preset that a publication calls so, whatever the case of its letters; None where none does.

    Raises:
        InvalidInput: several are called so.
    """
    called = [preset for preset, path in files().items() if _has(path, name)]
    if len(called) > 1:
        raise InvalidInput(f"{name} is what a publication calls several presets: {', '.join(called)}; name one of them")
    return called[0] if called else None


def _has(path: Path, name: str) -> bool:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    if name.lower() not in text.lower():  # most are not parsed for a name that is merely wrong
        return False
    try:
        return name.lower() in map(str.lower, of(parse_toml(path)))
    except InvalidInput:
        return False
