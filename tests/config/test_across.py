"""What is wrong with the arms of a preset together."""

from pathlib import Path

import pytest

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.errors import InvalidInput

pytestmark = pytest.mark.usefixtures("workplace")


def _read(text: str) -> presets.Preset:
    Path("presets", "mine.toml").write_text(f'extends = "toy"\n{text}')
    return presets.read("mine")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[plot]\nx = "epoch"', "nothing is measured after epochs; set loop.snapshots=1"),
        ('[plot]\nx = "epochs"\n[loop]\nsnapshots = 1', "there is no such setting; did you mean 'epoch'?"),
        ('[plot]\nx = "loop.humans"', "did you mean 'loop.human'?"),
        ('[plot]\nx = "loop.keep"', 'an x axis needs numbers, and this setting is "all"'),
        ('[plot]\nx = "qqqq"', 'give a setting that the study varies, or "epoch"'),
    ],
)
def test_an_x_axis_that_nothing_has_is_refused_before_a_run(text, words):
    with pytest.raises(InvalidInput) as refused:
        arms_of(_read(text))
    assert "mine.toml: plot.x = " in str(refused.value)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        '[plot]\nx = "epoch"\n[loop]\nsnapshots = 1',
        '[plot]\nx = "loop.human"',
        '[plot]\nx = "epoch"\n[arms.plain]\n[arms.b.loop]\nsnapshots = 2',
    ],
)
def test_an_x_axis_that_an_arm_has_is_one(text):
    assert arms_of(_read(text))


def test_arms_that_a_setting_makes_the_same_name_where_it_was_set():
    preset = _read("[arms.plain]\n[arms.few.loop]\nhuman = 3")
    with pytest.raises(InvalidInput, match=r"with --set over all arms, 'plain' and 'few' are one and the same"):
        arms_of(preset.override({("loop", "human"): 9}, "--set"))
