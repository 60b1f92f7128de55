"""A preset with what somebody asks for besides: some of its arms, other settings, a grid."""

from collections.abc import Mapping, Sequence
from typing import Any

from biasloop.config import arms, presets
from biasloop.config.overrides import Key
from biasloop.config.presets import Preset
from biasloop.errors import InvalidInput


def requested(
    name: str, changes: Mapping[Key, Any], grid: Mapping[str, list[Any]], named: Sequence[str] = ()
) -> Preset:
    """The preset of a name or path, as `--set`, `--grid` and `--arm` have it; what it says is not checked yet.

    Args:
        name: of the preset, or the path of its file.
        changes: settings by key.
        grid: values by key, every combination of which is an arm.
        named: arms of the preset's [arms] to run; none for all.

    Raises:
        InvalidInput: there is no such preset or arm, or a key is set and varied.
    """
    preset = arms.only(presets.read(name).override(changes, "--set"), named)
    both = [key for key in grid if tuple(key.split(".")) in changes]
    if both:
        raise InvalidInput(f"{both[0]} is given with --set and with --grid; give it once")
    return preset.vary(grid, "--grid") if grid else preset
