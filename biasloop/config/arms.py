"""Named arms of a preset, [arms]: each is the preset with a table of overrides, of several keys at once."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from biasloop.config.merging import copied, merge, paths, unset
from biasloop.config.overrides import Key
from biasloop.errors import InvalidInput
from biasloop.parsing import dotted, shown

if TYPE_CHECKING:
    from biasloop.config.presets import Preset

ARMS = "arms"
_LONGEST = 80  # characters of a name, which stands in legends
_OF_ALL = {"name", "extends", "seeds", "mini", "grid", ARMS}
_DECIDING = (("domain", "name"), ("loop", "rule"))  # what the other settings of their section depend on


def applied(preset: "Preset") -> list["Preset"]:
    """Every arm as a preset of its own, without [arms]; the preset alone where it has none.

    Raises:
        InvalidInput: one line a mistake: what [arms] cannot be, or what an arm cannot have or take off.
    """
    tables = _tables(preset)
    rest = replace(preset, values={name: value for name, value in preset.values.items() if name != ARMS})
    if not tables:
        return [rest]
    presets, mistakes = [], []
    for name, overrides in tables.items():
        try:
            presets.append(_applied(preset, rest, name, overrides))
        except InvalidInput as error:
            mistakes.append(str(error))
    if mistakes:
        raise InvalidInput("\n".join(mistakes))
    return presets


def only(preset: "Preset", names: Sequence[str]) -> "Preset":
    """The preset with some of its arms, in its own order; with all of them where none is named.

    Raises:
        InvalidInput: it has no such arm (with the nearest), or one is named twice.
    """
    if not names:
        return preset
    tables = _tables(preset)
    for number, name in enumerate(names):
        if name in names[:number]:
            raise InvalidInput(f"--arm {name} is given twice; give it once")
        if name not in tables:
            raise InvalidInput(f"--arm {name[:_LONGEST]}: {_lacking(preset, name[:_LONGEST], list(tables))}")
    chosen = {name: overrides for name, overrides in tables.items() if name in names}
    return replace(preset, values={**preset.values, ARMS: chosen})


def give_way(values: Mapping[str, Any], layer: Mapping[str, Any]) -> None:
    """Have a layer's arms replace those of the same name, which keep their places."""
    inherited, later = values.get(ARMS), layer.get(ARMS)
    if isinstance(inherited, dict) and isinstance(later, dict):
        inherited.update(dict.fromkeys(inherited.keys() & later.keys()))


def go_over(values: dict[str, Any], layer: Mapping[str, Any], origin: str) -> dict[Key, str]:
    """Put what a person sets over every arm that might change it.

    Args:
        values: of the preset, before the layer is put over them; its arms are changed.
        layer: what is set.
        origin: of the layer.

    Returns:
        Where the keys of arms come from that have changed.
    """
    origins: dict[Key, str] = {}
    tables = values.get(ARMS)
    for name, overrides in tables.items() if isinstance(tables, dict) and not layer.keys() & _OF_ALL else ():
        if isinstance(overrides, dict) and (layer.keys() & overrides.keys() or "unset" in overrides):
            told: dict[Key, str] = {}
            lent = list(_lent(overrides, values))
            merge(overrides, layer, told, origin)
            for (section, key), value in lent:
                mine = overrides[section]
                if isinstance(mine, dict) and (section, key) not in told and mine.get(key) == value:
                    del mine[key]
            origins |= {(ARMS, name, *key): where for key, where in told.items()}
    return origins


def _lent(overrides: dict[str, Any], values: Mapping[str, Any]) -> Iterator[tuple[Key, Any]]:
    """Name the domain and the rule in an arm's sections that do not, for settings to be understood by them."""
    for section, key in _DECIDING:
        inherited, mine = values.get(section), overrides.get(section)
        if isinstance(inherited, dict) and isinstance(mine, dict) and key in inherited and key not in mine:
            mine[key] = inherited[key]
            yield (section, key), inherited[key]


def _tables(preset: "Preset") -> dict[str, dict[str, Any]]:
    """The overrides of each arm, by its name.

    Raises:
        InvalidInput: [arms] is no table of tables, or a name is none that a legend has room for.
    """
    tables = preset.values.get(ARMS, {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise InvalidInput(
            f"{preset.origin((ARMS,))}: [arms] maps a name to a table of overrides, as in [arms.small], "
            f"got {shown(tables)}"
        )
    for name in tables:
        if not 0 < len(name) <= _LONGEST or name != name.strip() or not name.isprintable():
            raise InvalidInput(
                f"{preset.origin((ARMS, name))}: [{dotted((ARMS, name))}]: expected a name of 1 to {_LONGEST} "
                "printable characters, without a space at either end"
            )
    return tables


def _applied(preset: "Preset", rest: "Preset", name: str, overrides: Mapping[str, Any]) -> "Preset":
    """The preset with the overrides of one arm.

    Args:
        preset: with [arms].
        rest: without.
        name: of the arm.
        overrides: of the arm.
    """
    origin = _origin(preset, (ARMS, name), name)
    for key in overrides:
        if key in _OF_ALL:
            where = _origin(preset, (ARMS, name, key), name)
            raise InvalidInput(
                f"{where}: {key} = {shown(overrides[key])}: all arms have the same {key}; write it outside of [arms]"
            )
    _refuse_varied(preset, name, overrides)
    values, origins = copied(rest.values), {key: where for key, where in rest.origins.items() if key[0] != ARMS}
    taken_off = overrides.get("unset", [])
    for inherited in taken_off if isinstance(taken_off, list) else ():
        if str(inherited).partition(".")[0] in _OF_ALL:
            raise InvalidInput(
                f"{origin}: unset: {shown(inherited)} is the same for all arms; take it out of this list"
            )
    unset(values, origins, taken_off, origin)
    merge(values, {key: value for key, value in overrides.items() if key != "unset"}, origins, origin)
    for path in paths(overrides, ()):
        if path in origins:  # which is not so of `unset`
            origins[path] = _origin(preset, (ARMS, name, *path), name)
    return replace(rest, values=values, origins=origins, arm=name)


def _refuse_varied(preset: "Preset", name: str, overrides: Mapping[str, Any]) -> None:
    """Refuse a key of the file's grid that an arm sets too; a grid that a person types goes over all arms."""
    grid = preset.values.get("grid", {})
    for key in paths(overrides, ()):
        varied = ".".join(key)
        if varied in grid and not preset.origin(("grid", varied)).startswith("--"):
            raise InvalidInput(
                f"{_origin(preset, (ARMS, name, *key), name)}: {dotted(key)}: [grid] varies it in every arm; take it "
                "out of the arm, or out of [grid]"
            )


def _origin(preset: "Preset", key: Key, name: str) -> str:
    """Where an arm's key came from, as a mistake names it."""
    origin = preset.origin(key)
    return origin if origin.startswith("--") else f"{origin} [{dotted((ARMS, name))}]"


def _lacking(preset: "Preset", name: str, known: list[str]) -> str:
    """That there is no such arm, as the end of a sentence."""
    if not known:
        return f"{preset.name} has no [arms]; leave --arm out"
    lower = name.lower()
    near = [arm for arm in known if lower and lower in arm.lower()] or difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return f"{preset.name} has no such arm; {hint}It has {', '.join(map(repr, known))}"
