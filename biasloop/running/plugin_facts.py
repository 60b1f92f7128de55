"""What a plugin is, in words: its settings, what it can do, the metrics that its presets name, and these presets."""

import importlib
import inspect
import types
from collections.abc import Iterator
from dataclasses import dataclass
from json import dumps
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typing_extensions import get_protocol_members, is_protocol

from biasloop import discovery
from biasloop.config import presets
from biasloop.contract.domains import missing_methods

_CAPABILITIES = (
    "domains", "label_metrics", "losing", "making", "variants", "published", "encoding", "illustrating",
    "inputs", "launching", "model_files",
)  # fmt: skip
_PLAIN = {int: "whole number", float: "number", str: "text", bool: "true or false"}


@dataclass(frozen=True)
class Setting:
    """A setting of a plugin.

    Attributes:
        name: its key in a preset.
        kind: what it may be, in words.
        default: as JSON; empty where it has to be given.
        meaning: in the plugin's own words.
    """

    name: str
    kind: str
    default: str
    meaning: str


@dataclass(frozen=True)
class Facts:
    """What a plugin is.

    Attributes:
        name: of the plugin.
        kind: "domain", "selector" or "sink".
        summary: the first sentence about it.
        settings: of `[domain]`, or of `[selection.options.NAME]`.
        capabilities: by the name of the protocol, what it is, in a sentence.
        metrics: that its presets draw or bound, with the label that they have there; empty where a preset has none.
        presets: of the domain, or with the selector.
    """

    name: str
    kind: str
    summary: str
    settings: list[Setting]
    capabilities: dict[str, str]
    metrics: dict[str, str]
    presets: list[str]


def facts(name: str) -> Facts:
    """What the plugin of that name is; a domain, where a selector has the same.

    Raises:
        InvalidInput: there is none, or it does not import.
    """
    domains, selectors, sinks = (discovery.entries(group) for group in (discovery.GROUP, discovery.SELECTORS,
                                                                        discovery.SINKS))  # fmt: skip
    if not {name} & {*domains, *selectors} and name in sinks:
        return Facts(name, "sink", _summary(discovery.sink(name)), [], {}, {}, [])
    if name not in domains and name in selectors:
        selector = discovery.selector(name)
        used = [listed.name for listed in presets.listing() if f'"{name}"' in dumps(listed.values.get("selection", {}))
                or name in listed.values.get("grid", {}).get("selection.name", ())]  # fmt: skip
        return Facts(name, "selector", _summary(selector), settings(selector), {}, {}, used)
    loaded = discovery.load(name)
    of_domain = [listed for listed in presets.listing() if listed.domain == name]
    return Facts(
        name, "domain", _summary(loaded), settings(loaded.Config), capabilities(loaded), _metrics(of_domain),
        [listed.name for listed in of_domain],
    )  # fmt: skip


def settings(model: type[BaseModel]) -> list[Setting]:
    """Every setting that a model has, by its key in a preset."""
    return [
        Setting(info.alias or name, kind(info.annotation), _default(info), info.description or "")
        for name, info in model.model_fields.items()
    ]


def capabilities(loaded: type[Any]) -> dict[str, str]:
    """What a domain can do: the protocols of the contract that its class has all methods of."""
    return {
        protocol.__name__: _summary(protocol)
        for protocol in _protocols()
        if get_protocol_members(protocol) and not missing_methods(loaded, protocol)
    }


def _protocols() -> Iterator[type[Any]]:
    for name in _CAPABILITIES:
        module = importlib.import_module(f"biasloop.contract.{name}")
        for member in vars(module).values():
            if inspect.isclass(member) and member.__module__ == module.__name__ and is_protocol(member):
                yield member


def kind(annotation: Any) -> str:
    """What a value may be, in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(dumps(word) for word in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(kind(each) for each in arguments if each is not type(None)))
    if origin is not None and hasattr(annotation, "__metadata__"):
        return kind(arguments[0])
    if origin in (list, tuple):
        return "list"
    if origin is dict or (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return "table"
    return _PLAIN.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return ""
    value = info.get_default(call_default_factory=True)
    value = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return "none" if value is None else dumps(value, default=str, ensure_ascii=False)


def _metrics(listed: "list[presets.Listed]") -> dict[str, str]:
    named: dict[str, str] = {}
    for each in listed:
        plot, bound = each.values.get("plot", {}), each.values.get("bound", {})
        for metric in (*plot.get("series", ()), *(bound.get(key) for key in ("metric", "baseline"))):
            if metric:
                named[metric] = named.get(metric) or plot.get("labels", {}).get(metric, "")
    return dict(sorted(named.items()))


def _summary(documented: type[Any]) -> str:
    text = (inspect.getdoc(documented) or "").split("\n\n")[0]
    return " ".join(text.split())
