"""What is wrong with the arms of a preset together, of which each is right by itself."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from biasloop.config.arms import ARMS
from biasloop.config.flatten import flatten
from biasloop.errors import InvalidInput
from biasloop.parsing import shown

if TYPE_CHECKING:
    from biasloop.config.experiment import Experiment
    from biasloop.config.presets import Preset

EPOCH = "epoch"
"""The x axis of what was measured after epochs, which is no setting."""


def refuse_twins(preset: Preset, arms: Sequence[tuple[Mapping[str, Any], Experiment]]) -> None:
    """Refuse two arms that are the same run.

    Args:
        preset: as read.
        arms: values of the keys of its grid, and the experiment.

    Raises:
        InvalidInput: naming both, and what was set over them.
    """
    seen: dict[tuple[str, str], str] = {}
    sections: dict[int, str] = {}  # arms that do not differ in [domain] have one object of it
    for chosen, experiment in arms:
        identity = experiment.identity(0, domain=id(experiment.domain) not in sections)
        if "domain" in identity:
            sections[id(experiment.domain)] = json.dumps(identity.pop("domain"), sort_keys=True, default=str)
        run = sections[id(experiment.domain)], json.dumps(identity, sort_keys=True, default=str)
        values = [f"{key} = {shown(value)}" for key, value in chosen.items()]
        called = ", ".join([repr(experiment.arm), *values] if experiment.arm else values)
        if run in seen:
            at, go_on = (ARMS, "; leave one of them out, as with --arm NAME") if experiment.arm else ("grid", "")
            where, over = preset.origin((at,)), _set_over(preset)
            raise InvalidInput(f"{where}: [{at}]: {over}{seen[run]} and {called} are one and the same run{go_on}")
        seen[run] = called


def _set_over(preset: Preset) -> str:
    """By which options keys of arms were set, as the beginning of a sentence; nothing where none was."""
    options = {origin for key, origin in preset.origins.items() if key[0] == ARMS and origin.startswith("--")}
    return f"with {' and '.join(sorted(options))} over all arms, " if options else ""


def refuse_axis(preset: Preset, experiments: Sequence[Experiment]) -> None:
    """Refuse an x axis that no arm will have a number for.

    Raises:
        InvalidInput: with the nearest setting.
    """
    x = experiments[0].plot.x if experiments else None
    if x is None:
        return
    settings: dict[str, Any] = {}
    for experiment in experiments:
        settings |= flatten({"domain": experiment.domain.model_dump(), **experiment.identity(0, domain=False)})
        if (x == EPOCH and settings.get("loop.snapshots")) or (x in settings and _is_number_or_open(settings[x])):
            return
    at = f"{preset.origin(('plot', 'x'))}: plot.x = {shown(x)}"
    if x == EPOCH:
        raise InvalidInput(f"{at}: nothing is measured after epochs; set loop.snapshots=1, or every how many epochs")
    if x in settings:
        raise InvalidInput(f"{at}: an x axis needs numbers, and this setting is {shown(settings[x])}")
    near = difflib.get_close_matches(x, [EPOCH, *settings], 1)
    hint = f"did you mean {near[0]!r}?" if near else 'give a setting that the study varies, or "epoch"'
    raise InvalidInput(f"{at}: there is no such setting; {hint}")


def _is_number_or_open(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
