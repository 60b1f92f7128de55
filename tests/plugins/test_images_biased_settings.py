"""The table [domain.bias]: what it refuses, and what it resolves to."""

import numpy as np
import pytest
from pydantic import ValidationError

from biasloop.errors import InvalidInput
from biasloop_images import ImagesDomain
from biasloop_images.biased.design import Design
from biasloop_images.biased.settings import Bias

CLASSES = ("ring", "cross", "dots", "bars", "stars")
OVERLAY = {"attribute": "overlay", "eta": 30, "epsilon": 20}
NAMED = {"tasks": [["ring"], ["cross"]], "groups": [["dots"], ["bars"]]}


def design(**settings):
    return Design.of(Bias.model_validate(settings), CLASSES)


def test_every_setting_is_described():
    assert all(field.description for field in Bias.model_fields.values())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "set epsilon, or list the probabilities"),
        ({"epsilon": 3, "probabilities": [0.1, 0.2]}, "set epsilon, or list the probabilities"),
        ({"epsilon": 51}, "less than or equal to 50"),
        ({"epsilon": -1}, "greater than or equal to 0"),
        ({"epsilon": "3"}, "valid number"),
        ({"epsilon": 3, "eta": 10}, 'eta .* goes with attribute = "overlay"'),
        ({"epsilon": 3, "attribute": "overlay"}, 'eta .* goes with attribute = "overlay", which needs it'),
        ({**OVERLAY, "eta": 101}, "less than or equal to 100"),
        ({**OVERLAY, "tasks": NAMED["tasks"]}, "of overlays set both or neither"),
        ({"epsilon": 3, **NAMED}, 'groups goes with attribute = "overlay"'),
        ({**OVERLAY, "fraction": 0.5}, "for smaller sets of overlays set loop.start"),
        ({**OVERLAY, "task_count": 3}, "set tasks and groups, and not task_count"),
        ({"epsilon": 3, "tasks": NAMED["tasks"], "task_count": 3}, "set tasks .* not both"),
        ({"epsilon": 3, "tasks": [["ring"]]}, "at least 2 items"),
        ({"epsilon": 3, "tasks": [["ring"], []]}, "at least 1 item"),
        ({"epsilon": 3, "fraction": 0}, "greater than 0"),
        ({"epsilon": 3, "assignment": -1}, "greater than or equal to 0"),
        ({"epsilon": 3, "more": 1}, "Extra inputs"),
        ({"probabilities": [0.5, 1.5]}, "less than or equal to 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        Bias.model_validate(settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epsilon": 3, "tasks": [["rign"], ["cross"]]}, "tasks names the class 'rign'.*did you mean 'ring'"),
        ({**OVERLAY, **NAMED, "groups": [["x"], ["bars"]]}, "groups names the class 'x'.*they have ring, cross"),
        ({"epsilon": 3, "tasks": [["ring"], ["cross", "ring"]]}, "names the class 'ring' twice"),
        ({**OVERLAY, **NAMED, "groups": [["ring"], ["bars"]]}, "names the class 'ring' twice"),
        ({"epsilon": 3, "task_count": 6}, "task_count is 6 and the data have 5 classes; set 2 to 5"),
        ({"epsilon": 3, "assignment": 10}, "assignment is 10, and 5 classes can be merged into 2 tasks in 10 ways"),
        ({"epsilon": 3, "high": [2]}, r"high is \[2\]; expected different numbers of tasks, from 0 to 1"),
        ({"epsilon": 3, "high": [0, 0]}, r"high is \[0, 0\]"),
        ({"probabilities": [0.1]}, "has 1 numbers for 2 tasks"),
        ({"probabilities": [[0.1, 0.2], [0.5, 0.5]]}, "which sum to 1"),
        ({"probabilities": [[0.5, 0.5]]}, "for each of 2 tasks the shares of 2 groups"),
        (
            {**OVERLAY, "tasks": [["ring"], ["cross"]], "groups": [["dots"], ["bars"], ["stars"]]},
            "groups are 3, and their shares do not follow from one number",
        ),
    ],
)
def test_settings_that_do_not_fit_the_data_are_refused(settings, message):
    with pytest.raises(InvalidInput, match=message):
        design(**settings)


def test_a_merge():
    made = design(epsilon=10)
    assert (made.tasks, made.groups) == (("task0", "task1"), ("plain", "inverted"))
    assert sorted(made.task_of.tolist()) == [0, 0, 0, 1, 1]
    assert np.allclose(made.shares, [[0.4, 0.6], [0.6, 0.4]])
    assert (made.targets, made.attributes) == (made.tasks, made.groups)


def test_swapped_roles():
    made = design(epsilon=10, swap=True)
    assert (made.targets, made.attributes) == (("plain", "inverted"), ("task0", "task1"))


def test_classes_that_are_named():
    made = design(epsilon=10, tasks=[["bars"], ["ring", "dots"], ["cross"]], high=[1])
    assert made.tasks == ("bars", "task1", "cross")
    assert made.task_of.tolist() == [1, 2, 1, 0, -1]
    assert np.allclose(made.shares[:, 1], [0.4, 0.6, 0.4])


def test_an_overlay():
    made = design(**OVERLAY, **NAMED)
    assert (made.tasks, made.groups) == (("ring", "cross"), ("dots", "bars"))
    assert made.group_of.tolist() == [-1, -1, 0, 1, -1]
    assert np.allclose(made.shares, [[0.7, 0.3], [0.3, 0.7]])
    drawn = design(**OVERLAY)
    assert len({*drawn.tasks, *drawn.groups}) == 4


def test_other_probabilities():
    five = {"task_count": 5, "epsilon": 30}
    assert np.allclose(design(**five, probabilities="evenly-spaced").shares[:, 1], [0.2, 0.35, 0.5, 0.65, 0.8])
    assert np.allclose(design(**five, probabilities="shuffled", high=[0, 1]).shares[:, 1], [0.2, 0.2, 0.2, 0.8, 0.8])
    assert np.allclose(design(probabilities=[0.25, 1]).shares[:, 1], [0.25, 1])
    three = {
        "tasks": [["ring"], ["cross"]],
        "groups": [["dots"], ["bars"], ["stars"]],
        "attribute": "overlay",
        "eta": 1,
    }
    shares = [[0.5, 0.3, 0.2], [0.1, 0.3, 0.6]]
    assert np.allclose(design(**three, probabilities=shares).shares, shares)


def test_settings_survive_a_round_trip():
    for bias in ({"epsilon": 5, "high": [1]}, {**OVERLAY, **NAMED}, {"probabilities": [0.1, 0.4], "task_count": 2}):
        config = ImagesDomain.Config.model_validate({"bias": bias})
        assert ImagesDomain.Config.model_validate(config.model_dump()) == config
