"""Settings of a preset of one's own that have no effect, because [grid] or [arms] of what it extends set them."""

from collections.abc import Iterator, Mapping
from typing import Any

from biasloop.config import preset_files
from biasloop.config.arms import ARMS
from biasloop.config.overrides import Key
from biasloop.config.presets import Preset
from biasloop.parsing import dotted, shown

_VARYING = ("grid", ARMS)


def ineffective(preset: Preset) -> list[str]:
    """Which settings of the preset's own file have no effect, a sentence each; none of a preset of biasloop's.

    What the file varies itself, or a person sets or varies on the command line, is meant so.

    Args:
        preset: as read, with what was set and varied, and the arms that were chosen.
    """
    if preset_files.is_shipped(preset.path):
        return []
    return [text for key, value in _settings_of_its_own(preset) for text in _told(preset, key, value)]


def _settings_of_its_own(preset: Preset) -> Iterator[tuple[Key, Any]]:
    for key in preset.origins:
        if key[0] not in _VARYING and _is_its_own(preset, key):
            value = _at(preset.values, key)
            if value is not None and not isinstance(value, dict):
                yield key, value


def _told(preset: Preset, key: Key, value: Any) -> Iterator[str]:
    said = f"{preset.path}: {dotted(key)} = {shown(value)} has no effect"
    for varied in _table(preset.values.get("grid")):
        if key[: varied.count(".") + 1] == tuple(varied.split(".")) and not _is_meant(preset, ("grid", varied)):
            yield f'{said}: [grid] sets it; unset = ["grid.{varied}"] at the top of the file takes that off'
            return
    arms = _table(preset.values.get(ARMS))
    setting = [name for name, overrides in arms.items() if _arm_sets(preset, name, overrides, key, value)]
    if setting:
        where = "" if len(setting) == len(arms) else f" in {', '.join(f'[{dotted((ARMS, name))}]' for name in setting)}"
        yield f"{said}{where}: [arms] sets it; write the arm anew in this file, or set it with --set"


def _arm_sets(preset: Preset, name: str, overrides: Any, key: Key, value: Any) -> bool:
    """Whether an inherited arm has another value of a setting."""
    other = _at(overrides, key)
    return other is not None and other != value and not _is_meant(preset, (ARMS, name, *key))


def _is_its_own(preset: Preset, key: Key) -> bool:
    """Whether the preset's file says it, or its mini."""
    return preset.origins.get(key) in {str(preset.path), f"{preset.path} [mini]"}


def _is_meant(preset: Preset, key: Key) -> bool:
    """Whether it is the file's own, or was typed."""
    return _is_its_own(preset, key) or preset.origins.get(key, "").startswith("--")


def _at(values: Any, key: Key) -> Any:
    """The value of a key in nested tables; None where there is none."""
    for part in key:
        values = values.get(part) if isinstance(values, dict) else None
    return values


def _table(value: Any) -> Mapping[str, Any]:
    """A table of the preset; empty where it is none, which whoever validates it says."""
    return value if isinstance(value, dict) else {}
