"""The reference of settings: every key of every section of a preset, of every plugin."""

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from builder.markdown import MADE, code, heading, prose, table
from builder.words import kind, models

_SECTIONS = {"domain", "loop", "selection", "bound", "plot", "resources"}
"""Keys of a preset that are sections of their own on the page."""


class UndocumentedError(Exception):
    """A setting has no description; the text names it."""


def page() -> str:
    """The page of every section but [domain], whose keys are a plugin's."""
    from biasloop.config.experiment import BoundSection, Experiment, PlotSection
    from biasloop.config.resources import Resources
    from biasloop.feedback.rules import RULES
    from biasloop.feedback.selection_settings import SelectionSettings

    parts = [
        MADE,
        heading(1, "Settings"),
        "Every key of a preset, as `--set SECTION.KEY=VALUE` takes it too. The keys of `[domain]` are on [a page of "
        "their own](domains.md). How presets extend each other and what `[grid]`, `[arms]` and `[mini]` do is in "
        "[Write a preset](../writing-a-preset.md).\n\n",
        heading(2, "At the top"),
        _table_of(Experiment, "", leave=_SECTIONS | {"name", "arm", "resolved"}),
        "`extends` names the preset that this one goes on from, `unset` keys of it that are taken out, and `[mini]` "
        "has what `NAME-mini` changes.\n\n",
    ]
    for name, rule in RULES.items():
        parts.append(heading(2, f"[loop], rule {name}") + of_model(rule.Settings, "loop"))
    parts.append(heading(2, "[selection]") + of_model(SelectionSettings, "selection"))
    parts += [heading(2, "[selection.options.NAME]"), _selectors()]
    for section, model in (("bound", BoundSection), ("plot", PlotSection), ("resources", Resources)):
        parts.append(heading(2, f"[{section}]") + of_model(model, section))
    return "".join(parts).rstrip() + "\n"


def page_of_domains() -> str:
    """The page of the settings of every domain that comes with biasloop."""
    from biasloop import discovery

    parts = [
        MADE,
        heading(1, "Settings of domains"),
        "The keys of `[domain]`, which belong to the plugin that `name` names. `biasloop presets show NAME` prints "
        "what a preset sets, with every default.\n\n",
    ]
    for name, config in domains().items():
        about = prose((discovery.load(name).__doc__ or "").split("\n\n")[0])
        parts.append(f"{heading(2, name)}{about}\n\n{of_model(config, 'domain', introduced=False)}")
    return "".join(parts).rstrip() + "\n"


def page_of_scenarios() -> str:
    """The page of the keys of a scenario file, and of the files that come with biasloop."""
    from biasloop.config.presets import packaged
    from biasloop.parsing import parse_toml
    from biasloop.scenario.settings import Scenario

    files = sorted((packaged() / "scenarios").glob("*.toml"))
    rows = [[code(f"presets/scenarios/{path.name}"), prose(str(parse_toml(path)["summary"]))] for path in files]
    parts = [
        MADE,
        heading(1, "Scenarios"),
        'Every key of a file that `biasloop bound --scenario FILE` reads. Numbers may be written as text: `"5e4"`, '
        '`"50k"`, `"20 %"`.\n\n',
        _table_of(Scenario, ""),
    ]
    for path, model in _within(Scenario, "", {Scenario}):
        name = path.strip(".")
        called = f"[[{name}]]" if name == "sources" else f"[{name}]"
        parts.append(heading(2, called) + _introduction(model) + _table_of(model, name))
    parts += [heading(2, "Files that come with biasloop"), table(["file", "what it is about"], rows)]
    return "".join(parts).rstrip() + "\n"


def domains() -> dict[str, type[BaseModel]]:
    """The settings of every domain that comes with biasloop, by its name."""
    from biasloop import discovery

    return {name: discovery.load(name).Config for name in _bundled(discovery.GROUP)}


def selectors() -> dict[str, type[BaseModel]]:
    """The options of every selector that comes with biasloop, by its name."""
    from biasloop import discovery

    return {name: discovery.selector(name) for name in _bundled(discovery.SELECTORS)}


def _bundled(group: str) -> list[str]:
    from biasloop import discovery

    return [
        name
        for name, declared in discovery.entries(group).items()
        if any(entry.dist is not None and entry.dist.name == "biasloop" for entry in declared)
    ]


def of_model(model: type[BaseModel], section: str, *, introduced: bool = True) -> str:
    """The table of a section's keys, and a table for each table within."""
    text = (_introduction(model) if introduced else "") + _table_of(model, section)
    for path, inner in _within(model, section, {model}):
        text += f"**`[{path}]`**: {_introduction(inner)}{_table_of(inner, path)}"
    return text


def _within(model: type[BaseModel], section: str, seen: set[type[BaseModel]]) -> Iterator[tuple[str, type[BaseModel]]]:
    model.model_rebuild()
    for name, field in model.model_fields.items():
        for inner in models(field.annotation):
            if inner not in seen:
                path = f"{section}.{field.alias or name}"
                yield path, inner
                yield from _within(inner, path, seen | {inner})


def _introduction(model: type[BaseModel]) -> str:
    """What a table is, by its docstring."""
    paragraphs = [each for each in (model.__doc__ or "").split("\n\n") if not each.strip().startswith("Attributes")]
    return "".join(f"{prose(each)}\n\n" for each in paragraphs if each.strip())


def _table_of(model: type[BaseModel], section: str, leave: frozenset[str] | set[str] = frozenset()) -> str:
    model.model_rebuild()
    rows = [
        [code(field.alias or name), kind(field), _default(field), _meaning(model, name, f"{section}.{name}".strip("."))]
        for name, field in model.model_fields.items()
        if name not in leave
    ]
    return table(["key", "value", "default", "meaning"], rows)


def _meaning(model: type[BaseModel], name: str, path: str) -> str:
    """What a setting means: its description, else what the docstring says of it, else what its table is."""
    field = model.model_fields[name]
    inner = next(models(field.annotation), None)
    of_table = inner.__doc__.split("\n\n")[0] if inner is not None and inner.__doc__ else ""
    text = field.description or _attributes(model).get(name) or of_table
    if not text:
        raise UndocumentedError(f"{path} has no description")
    return prose(text)


def _attributes(model: type[BaseModel]) -> dict[str, str]:
    """What the section "Attributes" of a docstring says of each."""
    section = inspect.cleandoc(model.__doc__ or "").partition("Attributes:\n")[2]
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
    return {name: f"{text[:1].upper()}{text[1:]}" for name, text in entries}


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel) or (isinstance(value, list) and any(isinstance(each, BaseModel) for each in value)):
        return "see below"
    if value is None or value is PydanticUndefined or value in ({}, []):
        return ""
    return code(json.dumps(value, ensure_ascii=False, default=str))


def _selectors() -> str:
    """A row for each selector, and a table of options where it has any."""
    options = [
        [
            code(name),
            code(key),
            kind(field),
            _default(field),
            _meaning(selector, key, f"selection.options.{name}.{key}"),
        ]
        for name, selector in selectors().items()
        for key, field in selector.model_fields.items()
    ]
    known = [[code(name), prose((selector.__doc__ or "").split("\n\n")[0])] for name, selector in selectors().items()]
    return table(["selector", "what it selects by"], known) + table(
        ["selector", "option", "value", "default", "meaning"], options
    )
