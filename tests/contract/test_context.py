"""What domains of one process share: what was built of the same is not built again, whatever else was built since."""

from pathlib import Path

import pytest

from biasloop.contract.context import Context
from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput


def context(memory=None, data="data"):
    return Context(Path(data), Streams((0,)), **({} if memory is None else {"memory": memory}))


def refuse():
    raise AssertionError("it was built before")


def test_what_was_built_of_the_same_is_shared():
    memory = {}
    table = context(memory).once("table", (1, "a"), lambda: ["rows"])
    assert context(memory).once("table", (1, "a"), refuse) is table
    nothing = context(memory).once("nothing", 1, lambda: None)
    assert context(memory).once("nothing", 1, refuse) is nothing is None
    assert context(memory).once("table", (1, "a"), refuse) is table


@pytest.mark.parametrize(("name", "made_from", "data"), [("t", 2, "data"), ("u", 1, "data"), ("t", 1, "other")])
def test_what_is_built_of_something_else_is_built_anew(name, made_from, data):
    memory = {}
    assert context(memory).once("t", 1, lambda: "first") == "first"
    assert context(memory, data).once(name, made_from, lambda: "second") == "second"
    assert context(memory, data).once(name, made_from, refuse) == "second"


def test_of_each_name_the_newest_alone_is_held():
    memory = {}
    for number in (1, 2):
        context(memory).once("t", number, lambda number=number: f"table {number}")
    assert [value for _, value in memory.values()] == ["table 2"]
    assert context(memory).once("t", 1, lambda: "again") == "again"


def test_what_could_not_be_built_is_tried_again():
    memory = {}

    def fail():
        raise InvalidInput("no such file")

    with pytest.raises(InvalidInput):
        context(memory).once("t", 1, fail)
    assert context(memory).once("t", 1, lambda: "mended") == "mended"


def test_without_a_memory_in_common_nothing_is_shared():
    context().once("t", 1, lambda: "first")
    assert context().once("t", 1, lambda: "second") == "second"
