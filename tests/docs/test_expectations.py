"""`docs/expectations.md`: both lists whole, with answers that name tests and commands that there are."""

import ast
import re
from functools import cache

import pytest
from support import pages, toy

PAGE = (toy.PROJECT / "docs" / "expectations.md").read_text()
LISTS = {"Expectations": 25, "Faults": 20}


def lines(title):
    """Number and text of each item of a list."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return re.findall(r"^(\d+)\. (.*(?:\n   .*)*)", section, re.MULTILINE)


@cache
def names_in(file):
    tree = ast.parse((toy.PROJECT / file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("title", LISTS)
def test_lists_are_whole(title):
    assert [number for number, _ in lines(title)] == [str(number + 1) for number in range(LISTS[title])]


@pytest.mark.parametrize("title", LISTS)
def test_every_line_has_an_answer_and_what_shows_it(title):
    for number, text in lines(title):
        answer = re.search(r"\. \*\*(Done|Partly|Not done)\*\*(.*)\n   Seen by (.*)\.$", text)
        assert answer, number
        assert answer[1] == "Done" or answer[2].startswith(": "), number  # what is missing
        assert re.search(r"`tests/[\w/]+\.py::test_\w+`", answer[3]), number


def test_tests_that_are_named_are_there():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
    assert len(named) > 60
    assert {f"{file}::{name}" for file, name in named if name not in names_in(file)} == set()


def test_commands_that_are_named_are_there():
    assert {mention for mention in pages.mentions(PAGE) if pages.unknown(mention)} == set()
