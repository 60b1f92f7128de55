"""`--set`, `--grid`, `--seeds`: what no preset can say is refused before anything is made of it."""

import pytest

from biasloop.config.overrides import parse_grids, parse_seeds, parse_set, parse_sets
from biasloop.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("loop.start=" + "[" * 100_000, "levels deep"),
        ("loop.start=" + "{a=" * 200 + "1" + "}" * 200, "levels deep"),
        ("loop.start=" + "9" * 5_000, "thousands of digits"),
        ("loop.start=99999999999999999999", "beyond 64 bits"),
        ("domain.learning_rate=1e999999", "expected a finite number"),
        ("domain.learning_rate=nan", "expected a finite number"),
        ("domain.data=a\x00b", "control character"),
        ("domain.data=\udcff.csv", "not UTF-8"),
        ("lo\x1bop.start=1", "control character"),
        (".".join(["a"] * 100_000) + "=1", "100,000 parts"),
        ("a" * 100_000, "KEY=VALUE"),
        (".=1", "KEY=VALUE"),
        ("=", "KEY=VALUE"),
    ],
)
def test_a_hostile_set_is_refused_by_a_short_sentence(text, words):
    with pytest.raises(InvalidInput, match=words) as caught:
        parse_set(text)
    assert len(str(caught.value)) < 1000
    assert str(caught.value).isprintable()


def test_a_value_that_begins_other_keys_is_the_text_it_is():
    assert parse_set("summary=1\nseeds = 3") == (("summary",), "1\nseeds = 3")


@pytest.mark.parametrize(("text", "value"), [(".5", 0.5), ("-.25", -0.25), (".5x", ".5x"), ("a.5", "a.5"), (".", ".")])
def test_a_number_may_be_written_as_tables_have_it(text, value):
    assert parse_set(f"selection.share={text}") == (("selection", "share"), value)


def test_a_key_that_is_set_twice_is_refused():
    assert parse_sets(["loop.start=1", "loop.human=2"]) == {("loop", "start"): 1, ("loop", "human"): 2}
    with pytest.raises(InvalidInput, match="--set loop.start is given twice"):
        parse_sets(["loop.start=1", "loop . start=2"])
    with pytest.raises(InvalidInput, match="--grid loop.start is given twice"):
        parse_grids(["loop.start=1,2", "loop.start=3"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0-99999999999", "more than 10,000 seeds"),
        ("0-9999,20000", "more than 10,000 seeds"),
        ("0-" + "9" * 5_000, "18 digits"),
        ("9" * 19, "18 digits"),
        ("", "for example 0-2"),
        ("5-2", "for example 0-2"),
        ("-1", "for example 0-2"),
        ("1,", "for example 0-2"),
        ("²", "for example 0-2"),
    ],
)
def test_seeds_that_are_none_or_too_many_are_refused_before_they_are_made(text, words):
    with pytest.raises(InvalidInput, match=words) as caught:
        parse_seeds(text)
    assert len(str(caught.value)) < 500


def test_the_most_seeds_are_a_list():
    assert parse_seeds("0-9999") == list(range(10_000))
    assert parse_seeds("999999999999999999") == [10**18 - 1]
