import pytest
import torch
from pydantic import ValidationError
from support.generators import golden

from biasloop.training.optimizers import build
from biasloop_generators import sources
from biasloop_generators.compat import released_optimizer
from biasloop_generators.config import Config
from biasloop_generators.optimizers import Optimizer, chosen, published
from biasloop_generators.recipes import PUBLISHED_LOSSES, classifier_recipe, generator_recipe, loss_of

torch.set_num_threads(1)
OPTIMIZERS = golden()["optimizers_lr0.0123_wd0.7"]
DATA = {
    "MNIST": "colored-npz", "ColoredMNIST": "colored-mnist", "SVHN": "colored-svhn", "celeba": "celeba",
    "FairFace": "fairface",
}  # fmt: skip
KINDS = {"sgd": "sgd", "ADAM": "adam", "adamw_unknown": "adamw"}
STEPS = golden()["steps_per_epoch"]


def config(**settings):
    return Config.model_validate(settings)


def chosen_by(recipe):
    return Optimizer(recipe.optimizer, recipe.learning_rate, recipe.weight_decay)


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_optimisers_as_released(case):
    """With learning rate 0.0123 and weight decay 0.7 asked for."""
    expected = OPTIMIZERS[case]
    data, kind = case.split("|")
    settings = config(
        data=DATA[data], compat="released", generator_optimizer=KINDS[kind], generator_learning_rate=0.0123,
        generator_weight_decay=0.7,
    )  # fmt: skip
    recipe = generator_recipe(settings, 100)
    built = build(recipe, torch.nn.Linear(1, 1))
    (group,) = built.param_groups
    assert type(built).__name__ == expected["class"]
    assert group["lr"] == expected["lr"]
    assert group["weight_decay"] == expected["weight_decay"]
    assert group.get("momentum") == expected["momentum"]
    assert list(group.get("betas", ())) == (expected["betas"] or [])
    assert chosen_by(recipe) == released_optimizer(KINDS[kind], DATA[data], 0.0123)


def test_optimisers_do_as_they_are_told():
    settings = config(
        data="celeba", generator_learning_rate=0.5, generator_weight_decay=0.7, classifier_optimizer="adamw",
        classifier_learning_rate=0.25, classifier_weight_decay=0.125,
    )  # fmt: skip
    made, judge = chosen_by(generator_recipe(settings, 10)), chosen_by(classifier_recipe(settings, 10))
    assert (made.kind, made.learning_rate, made.weight_decay) == ("adam", 0.5, 0.7)
    assert (judge.kind, judge.learning_rate, judge.weight_decay) == ("adamw", 0.25, 0.125)


@pytest.mark.parametrize("data", PUBLISHED_LOSSES)
def test_what_is_not_told_is_as_published(data):
    made, judge = (chosen_by(recipe(config(data=data), 10)) for recipe in (generator_recipe, classifier_recipe))
    assert made == published(data)
    assert (judge.kind, judge.learning_rate, judge.weight_decay) == ("sgd", 0.1, 0)
    assert chosen("adam", "colored-mnist", None, None) == published("colored-mnist")
    assert chosen("adam", "colored-svhn", None, None) == published("colored-mnist")


def test_each_data_set_has_a_loss():
    assert set(PUBLISHED_LOSSES) == set(sources.names())
    assert loss_of(config(data="colored-svhn")) == "squared-sum"
    assert loss_of(config(data="colored-svhn", loss="bce-mean")) == "bce-mean"


def test_steps_as_published():
    mnist = generator_recipe(config(), 50_001)
    assert (mnist.epoch_steps, mnist.last_size) == (STEPS["ColoredMNIST_50001_b256"], STEPS["last_batch"])
    svhn = generator_recipe(config(generator_batch=128), 52_327)
    assert (svhn.epoch_steps, svhn.last_size) == (STEPS["SVHN_52327_b128"], STEPS["SVHN_last"])
    celeba = generator_recipe(config(generator_batch=64), 162_770)
    assert (celeba.epoch_steps, celeba.last_size) == (STEPS["celeba_162770_b64"], STEPS["celeba_last"])


@pytest.mark.parametrize(("samples", "batch"), [(1, 4), (4, 4), (5, 4), (8, 4), (50_001, 256)])
def test_an_epoch_has_as_many_images_as_are_real(samples, batch):
    recipe = generator_recipe(config(generator_batch=batch), samples)
    assert sum(map(recipe.size, range(recipe.epoch_steps))) == samples
    assert all(0 < recipe.size(step) <= batch for step in range(recipe.epoch_steps))
    assert generator_recipe(config(generator_batch=batch), samples, star=True).last_size == batch


def test_batches_of_classifiers():
    settings = {"generator_batch": 128, "classifier_batch": 32}
    own = classifier_recipe(config(**settings), 52_327)
    assert (own.epoch_steps, own.batch_size, own.last_size) == (1636, 32, 7)
    loader = classifier_recipe(config(compat="released", **settings), 52_327)
    assert (loader.epoch_steps, loader.batch_size, loader.last_size) == (409, 128, 103)
    star = classifier_recipe(config(compat="released", **settings), 52_327, star=True)
    assert (star.epoch_steps, star.batch_size, star.last_size) == (409, 32, 32)
    set_by_itself = classifier_recipe(config(compat="released", classifier_steps="own", **settings), 52_327)
    assert set_by_itself.epoch_steps == 1636


@pytest.mark.parametrize("settings", [
    {"classifier_steps": "own"}, {"classifier_steps": "loader"}, {"compat": "released"},
    {"generator_batch": 100, "classifier_batch": 64, "classifier_steps": "loader"},
])  # fmt: skip
@pytest.mark.parametrize("samples", [1, 31, 32, 3000, 52_327])
def test_classifiers_see_as_many_images_with_reparation_as_without(settings, samples):
    settings = {"generator_batch": 128, "classifier_batch": 32, **settings}

    def images(recipe):
        return sum(map(recipe.size, range(recipe.epoch_steps)))

    matched = config(match_samples=True, **settings)
    with_star, without = (classifier_recipe(matched, samples, star=star) for star in (True, False))
    assert images(with_star) == images(without) == samples
    assert with_star.batch_size == settings["classifier_batch"]
    assert 0 < with_star.last_size <= with_star.batch_size
    assert without == classifier_recipe(config(**settings), samples)
    assert generator_recipe(matched, samples, star=True) == generator_recipe(config(**settings), samples, star=True)


def test_unmatched_classifiers_see_other_numbers_of_images_as_published():
    settings = {"generator_batch": 128, "classifier_batch": 32, "compat": "released"}
    recipes = [classifier_recipe(config(**settings), 52_327, star=star) for star in (True, False)]
    assert [sum(map(recipe.size, range(recipe.epoch_steps))) for recipe in recipes] == [13_088, 52_327]
    matched = classifier_recipe(config(match_samples=True, **settings), 52_327, star=True)
    assert (matched.epoch_steps, matched.batch_size, matched.last_size) == (1636, 32, 7)


def test_switches_follow_compat_unless_set():
    fixed, released = config(), config(compat="released")
    assert (fixed.bias_of_test, released.bias_of_test) == ("balanced", "as-released")
    assert (fixed.frozen_norm, released.frozen_norm) == (False, True)
    assert (fixed.mirrored_evaluation, released.mirrored_evaluation) == (False, True)
    own = config(compat="released", test_bias="balanced", freeze_norm=False, mirror_evaluation=False)
    assert (own.bias_of_test, own.frozen_norm, own.mirrored_evaluation) == ("balanced", False, False)
    assert classifier_recipe(released, 10).freeze_norm
    assert not generator_recipe(released, 10).freeze_norm


@pytest.mark.parametrize(
    "wrong",
    [{"green": [0.3]}, {"green": [0.3, 1.2]}, {"threshold": 10}, {"noise": -0.1}, {"loss": "l1"}, {"latnt": 3},
     {"generator_optimizer": "ADAM"}, {"generator_batch": 0}, {"test_bias": "none"}, {"images": 0}],
)  # fmt: skip
def test_settings_that_mean_nothing(wrong):
    with pytest.raises(ValidationError):
        config(**wrong)


def test_settings_survive_being_written():
    settings = config(green=[0.5, 0.5], compat="released")
    assert Config.model_validate(settings.model_dump(mode="json")) == settings
