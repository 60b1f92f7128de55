"""Content of a report as scripts read it."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

PAGE_ALONE: Mapping[str, Any] = {"page_alone": True}
"""Metadata of a field that `--json` leaves out: pictures, figures and files, whose numbers stand elsewhere."""


def plain(value: Any) -> Any:
    """Content as objects, lists and values of JSON, without what the page alone has."""
    if is_dataclass(value) and not isinstance(value, type):
        told = (each for each in fields(value) if not each.metadata.get("page_alone"))
        return {each.name: plain(getattr(value, each.name)) for each in told}
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value
