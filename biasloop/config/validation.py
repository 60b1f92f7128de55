"""From a preset as read to typed experiments; every mistake names file, key, value and the nearest valid key."""

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ValidationError

from biasloop import discovery
from biasloop.config.across import refuse_axis, refuse_twins
from biasloop.config.arms import ARMS, applied
from biasloop.config.experiment import DomainSection, Experiment
from biasloop.config.presets import Key, Preset, parse_seeds
from biasloop.errors import InvalidInput
from biasloop.feedback import rules
from biasloop.feedback.rule import Rule
from biasloop.parsing import dotted, shown

Settings = dict[str, DomainSection]
"""Sections [domain] with every default, by what was written."""

MOST_ARMS = 10_000
_MOST_LINES = 40  # of mistakes of all arms
_MOST_MISTAKES = 20  # that are told; each is compared with every key that there is


def arms_of(preset: Preset) -> list[tuple[dict[str, Any], Experiment]]:
    """Every combination of the grid with every one of [arms], validated: (key of the grid -> value, experiment).

    Without a grid there are no keys; without [arms] all combinations are of the preset as it stands.

    Raises:
        InvalidInput: with every mistake of every arm, each once; two arms are the same run; more than 10,000 arms.
    """
    grid = preset.values.get("grid", {})
    if not isinstance(grid, dict) or not all(isinstance(v, list) and v for v in grid.values()):
        raise InvalidInput(f"{preset.origin(('grid',))}: [grid] maps a key to a list of values, got {shown(grid)}")
    for key in grid:
        if key.partition(".")[0] == "resources":
            raise InvalidInput(
                f"{_origin_of_grid(preset, key)}: {key}: what a run takes of a machine makes it no other run, so that "
                f"these would be one and the same; give one value, as in --set {key}={shown(grid[key][0])}"
            )
    presets = applied(preset)
    count = math.prod(map(len, grid.values())) * len(presets)
    if count > MOST_ARMS:
        with_arms = " with all [arms]" if len(presets) > 1 else ""
        raise InvalidInput(
            f"{preset.origin(('grid',))}: [grid] has {count:,} combinations{with_arms}, and {MOST_ARMS:,} are the "
            "most; vary fewer keys or values, or start several commands"
        )
    found, mistakes = [], []
    settings: Settings = {}
    varied = [(key, grid[key], _origin_of_grid(preset, key)) for key in grid]
    for chosen, arm in (pair for named in presets for pair in _combinations(named, {}, varied)):
        try:
            found.append((chosen, validate(arm, settings)))
        except InvalidInput as error:
            mistakes += str(error).splitlines()
    if mistakes:
        lines = list(dict.fromkeys(mistakes))
        more = [f"{preset.path}: and {len(lines) - _MOST_LINES:,} more mistakes"] if len(lines) > _MOST_LINES else []
        raise InvalidInput("\n".join([*lines[:_MOST_LINES], *more]))
    refuse_twins(preset, found)
    refuse_axis(preset, [experiment for _, experiment in found])
    return found


def _combinations(
    arm: Preset, chosen: dict[str, Any], varied: Sequence[tuple[str, list[Any], str]]
) -> Iterator[tuple[dict[str, Any], Preset]]:
    """Every combination of values of the keys that are left, with the preset that has them set."""
    if not varied:
        yield chosen, arm
        return
    (key, values, origin), *others = varied
    for value in values:
        yield from _combinations(arm.override({tuple(key.split(".")): value}, origin), {**chosen, key: value}, others)


def _origin_of_grid(preset: Preset, key: str) -> str:
    origin = preset.origin(("grid", key))
    return origin if origin.startswith("--") else f"{origin} [grid]"


def validate(preset: Preset, settings: Settings | None = None) -> Experiment:
    """The typed experiment, with the domain's own settings checked and completed.

    Args:
        preset: as read.
        settings: of sections [domain] that other arms have; that of this one is added.

    Raises:
        InvalidInput: one line a mistake, all of them at once.
    """
    # A file's name need not be text.
    values = {**preset.values, "name": preset.name.encode(errors="surrogateescape").decode(errors="replace")}
    mistakes: list[str] = []
    if "arm" in preset.values:
        given = f"arm = {shown(preset.values['arm'])}"
        mistakes.append(f"{preset.origin(('arm',))}: {given}: there is no such key; did you mean 'arms'?")
    values["arm"] = preset.arm or None
    if _has_other_data(preset) and isinstance(preset.values.get("source"), str):
        values["source"] = f"after {preset.values['source'].removeprefix('after ')}, with other data"
    domain = values.get("domain")
    if isinstance(domain, dict) and isinstance(domain.get("name"), str):
        try:
            values["domain"] = _completed(domain, values.get("compat", "fixed"), {} if settings is None else settings)
        except ValidationError as error:
            model = discovery.load(domain["name"]).Config
            mistakes += _explain_all(preset, ("domain",), error, model)
        except InvalidInput as error:
            mistakes.append(f"{preset.origin(('domain', 'name'))}: domain.name: {error}")
    if isinstance(values.get("selection"), dict):
        values["selection"] = _selection(preset, values["selection"], values.get("compat", "fixed"), mistakes)
    try:
        experiment = Experiment.model_validate(values)
    except ValidationError as error:
        mistakes = _explain_all(preset, (), error, Experiment) + mistakes
    else:
        mistakes += _seeds_mistake(preset, experiment.seeds)
    if mistakes:
        raise InvalidInput("\n".join(mistakes))
    return experiment


def _has_other_data(preset: Preset) -> bool:
    """Whether data were named by somebody who inherits `source`, which is that of other data's runs."""
    own = {str(preset.path), f"{preset.path} [mini]"}

    def layer(key: Key) -> int:
        origin = preset.origins.get(key, "")
        return 2 if origin.startswith("--set") else int(origin in own)

    return max(layer(("domain", key)) for key in ("name", "data", "path")) > layer(("source",))


def _completed(domain: dict[str, Any], compat: object, settings: Settings) -> DomainSection:
    """The section [domain] with every default; worked out once for arms that do not differ in it."""
    written = repr((compat, domain))  # 1, 1.0 and True are three values
    if written not in settings:
        config = _domain_config(domain, compat)
        completed = {"name": domain["name"], **config.model_dump(mode="json")}
        settings[written] = DomainSection.model_validate(completed)
    return settings[written]


def _selection(preset: Preset, section: dict[str, Any], compat: object, mistakes: list[str]) -> dict[str, Any]:
    """The section [selection] with every default of the options of its selector; what is wrong is added to mistakes."""
    section = {"scoring": "train", **section} if compat == "released" else dict(section)
    if section.get("judge") and section.get("best", "last") == "last":
        mistakes.append(
            f"{preset.origin(('selection', 'judge'))}: selection.judge = {shown(section['judge'])}: no epoch is chosen "
            'with selection.best = "last"; set best to "accuracy" or "worst_class", or judge to 0'
        )
    options, chosen = section.get("options", {}), section.get("name")
    if not isinstance(options, dict) or not isinstance(chosen, str):
        return section  # which `Experiment` refuses
    completed = {}
    for name in dict.fromkeys([*options, chosen]):
        at: Key = ("selection", "options", name)
        try:
            selector = discovery.selector(name)
            completed[name] = selector.model_validate(options.get(name, {})).model_dump(mode="json")
        except ValidationError as error:
            mistakes += _explain_all(preset, at, error, selector)
        except InvalidInput as error:
            key = at if name in options else ("selection", "name")
            mistakes.append(f"{preset.origin(key)}: {dotted(key)}: {error}")
    return {**section, "options": completed}


def _seeds_mistake(preset: Preset, seeds: str) -> list[str]:
    mistake = _mistake_in(seeds)
    return [f"{preset.origin(('seeds',))}: {mistake}"] if mistake else []


@lru_cache(maxsize=1)  # all arms have the same
def _mistake_in(seeds: str) -> str:
    try:
        parse_seeds(seeds)
    except InvalidInput as error:
        return str(error)
    return ""


def resolved(preset: Preset) -> dict[str, Any]:
    """The preset with every default, such that what is read from it has the same arms.

    A default that depends on what the grid varies is left open, as in the preset.
    """
    nesting = validate(preset).nesting()
    written = preset.values["loop"]
    for _, experiment in arms_of(preset):
        overrides = preset.values[ARMS][experiment.arm] if experiment.arm else {}
        mine = overrides.get("domain", {})
        if mine.get("name", nesting["domain"]["name"]) == nesting["domain"]["name"]:  # another takes none of them along
            _leave_open(nesting["domain"], preset.values["domain"], mine, experiment.domain.model_dump())
        if "selection" in nesting:  # of its options each selector reads its own
            named, mine = {**preset.values["selection"], "options": {}}, overrides.get("selection", {})
            _leave_open(nesting["selection"], named, mine, experiment.nesting()["selection"])
            _tell_options(nesting["selection"]["options"], preset, experiment.nesting()["selection"]["name"])
        if experiment.loop.rule != nesting["loop"]["rule"]:  # settings of one are no keys of another
            nesting["loop"] = {key: value for key, value in nesting["loop"].items() if key in {*written, "rule"}}
    for key, setting in rules.meant(written).SUGAR.items():
        if key in written:  # the grid may vary what the setting is worked out from, and then it is not one value
            nesting["loop"] |= {key: written[key]}
            del nesting["loop"][setting]
    return nesting


def _tell_options(told: dict[str, Any], preset: Preset, name: str) -> None:
    """Add what options a selector of an arm has by default; those of one that has to be given some, the arm says."""
    options = preset.values["selection"].get("options", {})
    with suppress(ValidationError):
        told.setdefault(name, discovery.selector(name).model_validate(options.get(name, {})).model_dump(mode="json"))


def _leave_open(
    section: dict[str, Any], written: Mapping[str, Any], overrides: Mapping[str, Any], settings: Mapping[str, Any]
) -> None:
    """Take settings off that nobody wrote and that an arm has otherwise, though it names none of them.

    Args:
        section: of the preset, with every default; changed.
        written: the section as it stands in the preset.
        overrides: the section of the arm.
        settings: of the arm, with every default.
    """
    named = {*written, *(name for name, value in overrides.items() if not isinstance(value, dict))}
    for name in [name for name, value in section.items() if name not in named and settings.get(name) != value]:
        del section[name]


def effective(experiment: Experiment) -> dict[str, Any]:
    """What settings that are left open, or "published", come to, by flat key, as far as their domain says.

    A domain says so by a method `effective` of its `Config`, of names and values.
    """
    config = discovery.load(experiment.domain.name).Config.model_validate(experiment.domain.settings)
    told = getattr(config, "effective", None)
    return {f"domain.{name}": value for name, value in told().items()} if callable(told) else {}


def not_set(experiment: Experiment) -> list[str]:
    """Settings of the domain that may have a value and have none, which TOML has no word for."""
    fields = discovery.load(experiment.domain.name).Config.model_fields
    return [
        f"domain.{info.alias or name}"
        for name, info in fields.items()
        if experiment.domain.settings.get(info.alias or name) is None
    ]


def _domain_config(domain: Mapping[str, Any], compat: object) -> BaseModel:
    config: type[BaseModel] = discovery.load(domain["name"]).Config
    settings = {name: value for name, value in domain.items() if name != "name"}
    if compat == "released":
        if "compat" not in config.model_fields:
            raise InvalidInput(
                f'compat = "released": the domain {domain["name"]!r} has no released behaviour to reproduce'
            )
        settings.setdefault("compat", compat)
    return config.model_validate(settings)


def explained(preset: Preset, error: ValidationError, model: type[BaseModel]) -> list[str]:
    """What is wrong with a whole file of a model's settings, one line a mistake."""
    return _explain_all(preset, (), error, model)


def _explain_all(preset: Preset, at: Key, error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line a mistake; where a value may be of two kinds, only what is wrong within the kind that was meant."""
    found = [(_written(preset, at, one), one) for one in error.errors()]
    above = {key[:end] for key, _ in found for end in range(len(key))}
    told = [(key, one) for key, one in found if not (key in above and isinstance(one["input"], dict))]
    lines = [_explain(preset, key, at, one, model) for key, one in told[:_MOST_MISTAKES]]
    more = len(told) - len(lines)
    return [*lines, f"{preset.path}: and {more:,} more mistakes"] if more else lines


def _written(preset: Preset, at: Key, error: Any) -> Key:
    """The place of a mistake as the preset's keys, without the names of alternatives that pydantic puts between."""
    here: Any = preset.values
    for part in at:
        here = here.get(part, {})
    key = at
    for index, part in enumerate(error["loc"]):
        known = range(len(here)) if isinstance(here, list) else here if isinstance(here, dict) else ()
        if part in known:
            here = here[part]
        elif error["type"] != "missing" or index < len(error["loc"]) - 1:
            continue
        key = (*key, str(part))
    return key


def _explain(preset: Preset, key: Key, at: Key, error: Any, model: type[BaseModel]) -> str:
    where = f"{preset.origin(key)}: {dotted(key) or 'preset'}"
    if error["type"] == "missing":
        return f"{where}: this key is required"
    if error["type"] == "extra_forbidden":
        allowed = sorted(_fields(model, key[len(at) : -1], rules.meant(preset.values.get("loop"))))
        near = difflib.get_close_matches(key[-1], allowed, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{where} = {shown(error['input'])}: there is no such key{hint} (allowed: {', '.join(allowed)})"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] in ("model_type", "dict_type"):
        message = "input should be a table"
    given = "" if isinstance(error["input"], dict) else f" = {shown(error['input'])}"
    return f"{where}{given}: {message[:1].lower()}{message[1:]}{_near_word(error)}"


def _near_word(error: Any) -> str:
    """Which of the allowed words a misspelt one is like; nothing where it is like none."""
    if error["type"] != "literal_error" or not isinstance(error["input"], str):
        return ""
    allowed = re.findall(r"'([^']*)'", error["ctx"]["expected"])
    near = difflib.get_close_matches(error["input"].lower().replace("-", "_"), allowed, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _fields(model: type[BaseModel], path: Iterable[str], rule: type[Rule]) -> set[str]:
    """Keys that are allowed at a place of a model; `rule` is the one that `[loop]` names."""
    for part in path:
        if model is Experiment and part == "loop":
            model = rule.Settings
            continue
        if part.isdigit():  # an item of a list: its model was found with the list
            continue
        named = {info.alias or name: info.annotation for name, info in model.model_fields.items()}
        annotation = named.get(part)
        options = [annotation, *getattr(annotation, "__args__", ())]
        inner = next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)
        if inner is None:
            return set()
        model = inner
    names = {info.alias or name for name, info in model.model_fields.items()}
    if model is rule.Settings:
        names |= rule.SUGAR.keys()
    return (names - {"name", "arm"}) | {"extends", "mini", "unset"} if model is Experiment else names
