"""What settings mean, in the words of the models that check them, beside the settings as TOML."""

import re
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from json import dumps
from typing import Any, get_args

from pydantic import BaseModel

from biasloop import discovery
from biasloop.config.experiment import DomainSection, Experiment
from biasloop.feedback import rules

Path = tuple[str, ...]
_KEY = re.compile(r'^("(?:[^"\\]|\\.)*"|[\w-]+) = ')
_WIDTH = 98  # characters of a comment


def meaning(experiment: Experiment, path: Path) -> str:
    """What a setting means; empty where its model does not say.

    Args:
        experiment: whose domain, rule and selection say which models check the sections.
        path: the setting's place: ("domain", "imbalance", "factor").
    """
    section, *rest = path
    if section == "domain":
        config = discovery.load(experiment.domain.name).Config
        return _of([DomainSection] if rest == ["name"] else [config], rest)
    if section == "loop":
        return _of([rules.meant({"rule": experiment.loop.rule}).Settings], rest)
    if section == "selection" and rest[:1] == ["options"] and len(rest) > 2:
        return _of([discovery.selector(rest[1])], rest[2:])
    return _of([Experiment], list(path))


def described(text: str, experiment: Experiment, effective: Mapping[str, Any]) -> str:
    """Settings as TOML with the meaning of each in a comment above it.

    Args:
        text: the settings, as `tomli_w` writes them.
        experiment: likewise.
        effective: what settings come to that are left open or "published", by flat key.
    """
    return "\n".join(_described(text, experiment, effective))


def _described(text: str, experiment: Experiment, effective: Mapping[str, Any]) -> Iterator[str]:
    section: Path = ()
    for line in text.splitlines():
        if line.startswith("["):
            section = _header(line)
            yield line
            continue
        key = _KEY.match(line)
        if key:
            path = (*section, *tomllib.loads(f"{key[1]} = 0"))
            yield from comments(meaning(experiment, path))
            flat = ".".join(path)
            if flat in effective:
                yield f"# here {dumps(effective[flat], ensure_ascii=False)}"
        yield line


def comments(text: str) -> list[str]:
    """A text as lines of comments."""
    return [f"# {line}" for line in textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)]


def _header(line: str) -> Path:
    """The place of a table: of `[a."b c"]` it is ("a", "b c")."""
    parsed: Any = tomllib.loads(line)
    path: list[str] = []
    while parsed:
        parsed = parsed[0] if isinstance(parsed, list) else parsed
        ((name, parsed),) = parsed.items()
        path.append(name)
    return tuple(path)


def _of(models: list[type[BaseModel]], path: list[str]) -> str:
    """The description of a field below one of the models."""
    if not path:
        return ""
    for model in models:
        for name, info in model.model_fields.items():
            if path[0] != (info.alias or name):
                continue
            if len(path) == 1:
                return info.description or ""
            return _of(list(_models(info.annotation)), path[1:])
    return ""


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a value may be of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
