"""From a preset as read to typed experiments; every mistake names file, key, value and the nearest valid key."""

import difflib
import json
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from pydantic import BaseModel, ValidationError

from biasloop import domains
from biasloop.errors import InvalidInput
from biasloop.experiment import AccumulateSettings, Experiment
from biasloop.presets import Key, Preset


def arms_of(preset: Preset) -> list[tuple[dict[str, Any], Experiment]]:
    """Every combination of the grid, validated: (key -> value, experiment); one pair with no keys without a grid.

    Raises:
        InvalidInput: with every mistake of every arm, each once.
    """
    grid = preset.values.get("grid", {})
    if not isinstance(grid, dict) or not all(isinstance(v, list) and v for v in grid.values()):
        raise InvalidInput(f"{preset.origin(('grid',))}: [grid] maps a key to a list of values, got {grid!r}")
    found, mistakes = [], []
    for combination in product(*grid.values()):
        chosen = dict(zip(grid, combination, strict=True))
        changes = {tuple(key.split(".")): value for key, value in chosen.items()}
        try:
            found.append((chosen, validate(preset.override(changes, f"{preset.path} [grid]"))))
        except InvalidInput as error:
            mistakes += str(error).splitlines()
    if mistakes:
        raise InvalidInput("\n".join(dict.fromkeys(mistakes)))
    return found


def validate(preset: Preset) -> Experiment:
    """The typed experiment, with the domain's own settings checked and completed.

    Raises:
        InvalidInput: one line a mistake, all of them at once.
    """
    values = {**preset.values, "name": preset.name}
    mistakes: list[str] = []
    domain = values.get("domain")
    if isinstance(domain, dict) and isinstance(domain.get("name"), str):
        try:
            config = _domain_config(domain, values.get("compat", "fixed"))
            values["domain"] = {"name": domain["name"], **config.model_dump(mode="json")}
        except ValidationError as error:
            model = domains.load(domain["name"]).Config
            mistakes += [_explain(preset, ("domain",), e, model) for e in error.errors()]
        except InvalidInput as error:
            mistakes.append(f"{preset.origin(('domain', 'name'))}: domain.name: {error}")
    try:
        experiment = Experiment.model_validate(values)
    except ValidationError as error:
        mistakes = [_explain(preset, (), e, Experiment) for e in error.errors()] + mistakes
    if mistakes:
        raise InvalidInput("\n".join(mistakes))
    return experiment


def _domain_config(domain: Mapping[str, Any], compat: object) -> BaseModel:
    config: type[BaseModel] = domains.load(domain["name"]).Config
    settings = {name: value for name, value in domain.items() if name != "name"}
    if compat == "released":
        if "compat" not in config.model_fields:
            raise InvalidInput(
                f'compat = "released": the domain {domain["name"]!r} has no released behaviour to reproduce'
            )
        settings.setdefault("compat", compat)
    return config.model_validate(settings)


def _explain(preset: Preset, at: Key, error: Any, model: type[BaseModel]) -> str:
    key = (*at, *(str(part) for part in error["loc"]))
    where = f"{preset.origin(key)}: {'.'.join(key) or 'preset'}"
    if error["type"] == "missing":
        return f"{where}: this key is required"
    if error["type"] == "extra_forbidden":
        allowed = sorted(_fields(model, error["loc"][:-1]))
        near = difflib.get_close_matches(key[-1], allowed, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        return f"{where} = {_show(error['input'])}: there is no such key; {hint}(allowed: {', '.join(allowed)})"
    message = error["msg"].removeprefix("Value error, ")
    shown = "" if isinstance(error["input"], dict) else f" = {_show(error['input'])}"
    return f"{where}{shown}: {message[:1].lower()}{message[1:]}"


def _show(value: Any) -> str:
    try:
        return json.dumps(value)
    except TypeError:
        return str(value)


def _fields(model: type[BaseModel], place: Iterable[str | int]) -> set[str]:
    """Keys that are allowed at a place of a model."""
    for part in place:
        annotation = model.model_fields[str(part)].annotation if str(part) in model.model_fields else None
        options = [annotation, *getattr(annotation, "__args__", ())]
        inner = next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)
        if inner is None:
            return set()
        model = inner
    names = {info.alias or name for name, info in model.model_fields.items()}
    if model is AccumulateSettings:
        names.add("per_round")
    return (names - {"name"}) | {"extends", "mini"} if model is Experiment else names
