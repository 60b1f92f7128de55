"""Every setting of training reaches the recipe."""

import pytest

from biasloop_images.config import Config
from biasloop_images.recipes import recipe

SETTINGS = {
    "batch_size": 32,
    "learning_rate": 0.25,
    "momentum": 0.5,
    "nesterov": False,
    "weight_decay": 1e-3,
    "decay_norms": False,
    "schedule": "triangle",
    "warm_up": 0.3,
    "drop_last": True,
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_of_the_recipes_own_name_is_taken_and_changes_no_other(name):
    usual, changed = recipe(Config(), 1000), recipe(Config.model_validate({name: SETTINGS[name]}), 1000)
    assert getattr(changed, name) == SETTINGS[name] != getattr(usual, name)
    assert {key for key, value in vars(changed).items() if value != getattr(usual, key)} == {name}


def test_epochs_are_of_the_samples_and_whole():
    config = Config(epochs=5, epochs_for=1000, warm_up_whole_epochs=True, schedule="steps")
    made = recipe(config, 300)
    assert (made.epochs, made.unrounded, made.whole_epochs) == (17, pytest.approx(50 / 3), True)
    assert made.changes[-1][0] == 1
    assert recipe(Config(), 300).changes == ()


def test_the_loss_is_summed_where_the_released_one_is():
    def summed(**settings):
        return recipe(Config.model_validate(settings), 100).summed

    assert summed(network="baidunet9", precision="released")
    assert not summed(network="cifar-resnet", precision="released")
    assert not summed(network="baidunet9")


def test_weight_decay_as_released_is_of_the_mean_loss():
    settings = {"network": "resnet18", "weight_decay": 0.5, "batch_size": 50}
    assert recipe(Config.model_validate({**settings, "compat": "released"}), 100).weight_decay == 0.01
    assert recipe(Config.model_validate(settings), 100).weight_decay == 0.5
