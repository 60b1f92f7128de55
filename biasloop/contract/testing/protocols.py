"""Whether a class has the methods of the contract, and calls their arguments as it does."""

from __future__ import annotations

import inspect
from typing import Any

from pydantic import BaseModel
from typing_extensions import get_protocol_members

from biasloop.contract import domains, encoding, inputs, label_metrics, losing, making, model_files, published
from biasloop.contract.testing.subject import demand

CAPABILITIES = tuple(
    value
    for module in (domains, encoding, inputs, label_metrics, losing, making, model_files, published)
    for value in vars(module).values()
    if isinstance(value, type) and getattr(value, "_is_runtime_protocol", False) and value.__module__ == module.__name__
)


def check(domain: type) -> None:
    """Hold a class to the protocols that it means to have.

    Raises:
        Broken: naming the method.
    """
    name = domain.__name__
    config = getattr(domain, "Config", None)
    demand(isinstance(config, type) and issubclass(config, BaseModel), f"{name} has no pydantic model `Config`")
    assert isinstance(config, type)
    assert issubclass(config, BaseModel)
    demand(
        config.model_config.get("extra") == "forbid",
        f'{name}.Config takes any key: set model_config = ConfigDict(extra="forbid"), so that a mistyped setting is '
        "refused",
    )
    undescribed = _undescribed(config)
    demand(not undescribed, f"{name}.Config: {', '.join(undescribed)} has no description, which `presets show` prints")
    lacking = domains.missing_methods(domain, domains.Domain)
    demand(not lacking, f"{name} lacks {', '.join(lacking)}, which every domain has")
    for capability in CAPABILITIES:
        _check_complete(name, domain, capability)
    for method, contract in _methods().items():
        defined = inspect.getattr_static(domain, method, None)
        if defined is not None:
            _check_arguments(f"{name}.{method}", defined, contract)


def _check_complete(name: str, domain: type, capability: type) -> None:
    """A class with a method that is of one capability alone has the others of it: a half is as good as none."""
    others = {member for other in CAPABILITIES if other is not capability for member in get_protocol_members(other)}
    defined = get_protocol_members(capability) - others
    telling = sorted(member for member in defined if callable(getattr(domain, member, None)))
    lacking = domains.missing_methods(domain, capability)
    demand(
        not (telling and lacking),
        f"{name} has {', '.join(telling)}, and lacks {', '.join(lacking)}: {capability.__name__} is had with all of "
        "its methods, and without one nobody calls the others",
    )


def _undescribed(config: type[BaseModel]) -> list[str]:
    """Settings without a description; tables of settings are looked into."""
    names = []
    for key, info in config.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            names += [f"{key}.{inner}" for inner in _undescribed(info.annotation)]
        elif not info.description:
            names.append(key)
    return names


def _methods() -> dict[str, Any]:
    """Of each method of a capability, the contract's own definition."""
    return {
        member: inspect.getattr_static(capability, member)
        for capability in CAPABILITIES
        for member in get_protocol_members(capability)
        if callable(getattr(capability, member, None))
    }


def _check_arguments(where: str, defined: Any, contract: Any) -> None:
    """Arguments are handed by place: as many as the contract has, and those that have names by the same ones."""
    demand(callable(defined), f"{where} is no method")
    wanted = [*inspect.signature(contract).parameters.values()][1:]
    given = [*inspect.signature(defined).parameters.values()][1:]
    names = ", ".join(parameter.name for parameter in wanted)
    needed = [p for p in given if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    takes_any = any(p.kind is p.VAR_POSITIONAL for p in given)
    demand(
        (len(given) >= len(wanted) or takes_any) and len(needed) <= len(wanted),
        f"{where} takes ({', '.join(p.name for p in given)}), and the contract calls it with ({names})",
    )
    keyword = [p.name for p in wanted if p.kind is p.KEYWORD_ONLY]
    missing = [word for word in keyword if word not in {p.name for p in given}]
    demand(not missing, f"{where} does not take {', '.join(missing)}, which the contract gives it by name")
