"""`docs/writing-a-domain.md` names all that a plugin of each kind needs, as the contract has it."""

import re

import pytest
from support import toy
from typing_extensions import get_protocol_members

from biasloop.contract import batching, context, data, domains, losing, selection
from biasloop.contract.domains import Domain, Generating, Labelling, Sampled, Storing

PAGE = (toy.PROJECT / "docs" / "writing-a-domain.md").read_text()
SECTION = re.search(r"^## What is needed\n(.*?)^## ", PAGE, re.MULTILINE | re.DOTALL)[1]
KINDS = {"labelling": (Domain, Sampled, Labelling, Storing), "generating": (Domain, Generating, Storing)}


def needed(kind: str) -> dict[str, object]:
    """Methods of the capabilities of a kind, by name."""
    return {name: getattr(each, name) for each in KINDS[kind] for name in get_protocol_members(each)}


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_names_every_method(kind):
    named = set(re.findall(r"`(\w+)\(", SECTION))
    assert needed(kind).keys() - named == set()


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_calls_methods_by_the_contracts_arguments(kind):
    shown = dict(re.findall(r"`(\w+)\(([^)]*)\)`", re.sub(r"\s+", " ", SECTION)))
    for name, method in needed(kind).items():
        arguments = method.__code__.co_varnames[1 : method.__code__.co_argcount]
        assert shown[name] == ", ".join(arguments), name


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_names_every_type_and_its_module(kind):
    modules = (context, data, domains, batching, losing, selection)
    contract = {name: module.__name__ for module in modules for name in vars(module)}
    words = {
        word
        for method in needed(kind).values()
        for note in method.__annotations__.values()
        for word in re.findall(r"\b[A-Z]\w+", str(note))
    } - {"Any", "Mapping", "None", "Sequence"}
    assert len(words) > 5
    named = re.sub(r"\s+", " ", SECTION)
    assert {word for word in words if f"`{word}`" not in named} == set()
    assert {contract[word] for word in words if f"`{contract[word]}`" not in named} == set()
