"""Settings of a preset of one's own that an inherited [grid] or [arms] overrides."""

from pathlib import Path

import pytest

from biasloop.config import arms, presets
from biasloop.config.ineffective import ineffective
from biasloop.config.validation import arms_of

BASE = """
[grid]
"loop.human" = [5, 10]
"domain.delta" = [0.1, 0.2]

[arms.plain]

[arms.small.loop]
start = 30

[arms.large.loop]
start = 60
keep = "replace"
"""


@pytest.fixture
def told(workplace):
    """Writes a preset that extends one with a grid and arms, and says which of its settings have no effect."""
    Path("presets/base.toml").write_text(f'extends = "toy"\n{BASE}')

    def written(text, *, name="mine", named=(), changes=None, grid=None):
        Path("presets/mine.toml").write_text(f'extends = "base"\n{text}')
        asked = arms.only(presets.read(name).override(changes or {}, "--set"), named).vary(grid or {}, "--grid")
        arms_of(asked)  # it is one that runs
        return ineffective(asked)

    return written


def test_a_setting_that_the_grid_sets_has_no_effect(told):
    (text,) = told("[loop]\nhuman = 70\nrounds = 3\n")
    assert text.endswith(
        "mine.toml: loop.human = 70 has no effect: [grid] sets it; "
        'unset = ["grid.loop.human"] at the top of the file takes that off'
    )
    assert told('unset = ["grid.loop.human"]\n[loop]\nhuman = 70\n') == []  # what it advises


def test_what_is_varied_or_typed_on_purpose_is_not_told(told):
    assert told('[loop]\nhuman = 70\n[grid]\n"loop.human" = [20, 30]\n') == []
    assert told("[loop]\nhuman = 70\n", changes={("loop", "human"): 7}) == []
    assert told("[loop]\nhuman = 70\n", grid={"loop.human": [7, 8]}) == []
    assert told("[loop]\nrounds = 3\n") == []


def test_a_setting_that_arms_set_is_told_with_the_arms(told):
    (text,) = told("[loop]\nstart = 70\n")
    assert "loop.start = 70 has no effect in [arms.small], [arms.large]: [arms] sets it" in text
    (text,) = told("[loop]\nstart = 70\n", named=["small", "large"])
    assert "loop.start = 70 has no effect: [arms] sets it; write the arm anew in this file, or set it with" in text
    assert told("[loop]\nstart = 70\n", named=["plain"]) == []
    assert told("[loop]\nstart = 70\n", changes={("loop", "start"): 80}, named=["small", "large"]) == []
    assert told("[loop]\nstart = 30\n", named=["small"]) == []  # the arm says the same
    assert told("[loop]\nstart = 70\n[arms.small.loop]\nstart = 20\n[arms.large.loop]\nstart = 25\n") == []


def test_of_a_mini_what_the_mini_sets_is_told(told):
    text = "[loop]\nrounds = 3\n[mini]\nloop = { human = 7 }\n"
    assert told(text) == []
    assert "loop.human = 7 has no effect: [grid] sets it" in told(text, name="mine-mini")[0]


def test_no_preset_that_comes_with_biasloop_has_such_a_line():
    for name in ("quickstart", "ffl-cmnist-mc", "reducr-ablations"):
        assert ineffective(presets.read(name)) == []
    assert "grid" in presets.read("quickstart").values
