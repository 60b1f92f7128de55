import numpy as np
import pytest
import torch

from biasloop.contract.context import Work
from biasloop.contract.data import Samples
from biasloop.contract.labels import class_labels, softmax
from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput
from biasloop.records.record import Model, Record
from biasloop.store import codec
from biasloop_images.config import Config
from biasloop_images.learner import Learner, has_dropout
from biasloop_images.pictures import Pictures
from biasloop_images.recipes import recipe

torch.set_num_threads(1)
IDS = np.arange(0, 600, 3)


def pictures(size=16, channels=3):
    draws = np.random.default_rng(1)
    labels = draws.integers(0, 4, len(IDS))
    images = draws.integers(0, 150, (len(IDS), size, size, channels), np.uint8)
    images[np.arange(len(IDS)), labels] += 100  # a bright line
    images.setflags(write=False)  # as a file mapped into memory is
    return Pictures(images, IDS, np.full(channels, 0.4), np.full(channels, 0.2)), labels


def learner(images, **settings):
    config = {"network": "baidunet9", "width": 4, "epochs": 2, "batch_size": 20, **settings}
    return Learner(Config.model_validate(config), images, 4, "cpu", 1)


def fitted(one, labels, count=100):
    ids, given = IDS[:count], class_labels(labels[:count], np.ones(count))
    return one.fit(Samples(ids, np.zeros(count, bool), given), Work(Streams((0, "fit"))))


@pytest.mark.parametrize("network", ["baidunet9", "resnet18", "small-cnn"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_size_of_evaluation_batches_changes_rounding_alone(network, precision):
    images, labels = pictures()
    whole = learner(images, network=network, precision=precision, evaluation_batch=len(IDS))
    model = fitted(whole, labels)
    expected = whole.logits(model, IDS)
    first, second = np.sort(expected, 1)[:, -1], np.sort(expected, 1)[:, -2]
    for size in (1, 7, 64):
        found = learner(images, network=network, evaluation_batch=size).logits(model, IDS)
        assert np.abs(softmax(found).max(1) - softmax(expected).max(1)).max() <= 1e-5
        differ = found.argmax(1) != expected.argmax(1)
        assert (differ & (first - second >= 1e-4)).sum() == 0


def test_released_numbers_of_baidunet9_are_float16_in_predictions_and_files_too():
    images, labels = pictures(8)
    one = learner(images, width=1, epochs=1, precision="released", evaluation_batch=40)
    model = fitted(one, labels, 40)
    arrays = one.save(model)
    dtypes = {name.rsplit(".", 1)[-1]: array.dtype.name for name, array in arrays.items() if array.ndim > 1}
    assert set(dtypes.values()) == {"float16"}
    assert {array.dtype.name for name, array in arrays.items() if "running" in name} == {"float32"}
    _, kept = codec.decode(
        codec.encode(codec.Header("model", "m", "", ""), Record(models={"m": Model("m", arrays)})), "m"
    )
    found = one.logits(one.load(kept.models["m"].arrays), IDS[:40])
    assert found.tobytes() == one.logits(model, IDS[:40]).tobytes()
    assert np.array_equal(found, found.astype(np.float16))


def test_released_numbers_of_resnet18_are_float32_on_inputs_rounded_to_float16():
    images, labels = pictures(8)
    one, plain = (
        learner(images, network="resnet18", width=1, epochs=1, precision=name) for name in ("released", "float32")
    )
    model = fitted(one, labels, 40)
    assert {tensor.dtype for tensor in model.state_dict().values()} == {torch.float32, torch.int64}
    with torch.inference_mode():
        rounded = one._prepare(one._stored[:40]).half().float()
        np.testing.assert_allclose(one.logits(model, IDS[:40]), model(rounded).numpy(), atol=1e-6)
    assert (one.logits(model, IDS[:40]) != plain.logits(model, IDS[:40])).any()


@pytest.mark.parametrize(("network", "summed"), [("baidunet9", True), ("resnet18", True), ("cifar-resnet", False)])
def test_released_numbers_come_with_the_summed_loss_of_the_published_code(network, summed):
    found = recipe(Config.model_validate({"network": network, "precision": "released"}), 100)
    assert found.summed is summed
    assert not recipe(Config.model_validate({"network": network}), 100).summed


def test_released_numbers_of_another_network_are_refused():
    with pytest.raises(ValueError, match="known of baidunet9, resnet18, .* and network is 'small-cnn'"):
        Config.model_validate({"network": "small-cnn", "precision": "released"})


def test_a_device_without_float16_is_refused_when_the_learner_is_built(monkeypatch):
    def lacking(*_, **__):
        raise RuntimeError("not implemented for 'Half'")

    monkeypatch.setattr(torch.nn.functional, "batch_norm", lacking)
    with pytest.raises(InvalidInput, match=r"cannot be had on cpu .* or another domain\.precision"):
        learner(pictures()[0], precision="released")
    learner(pictures()[0], network="resnet18", precision="released")


def test_same_seed_same_bits():
    images, labels = pictures()
    first, again = (learner(images).save(fitted(learner(images), labels)) for _ in range(2))
    assert {name: array.tobytes() for name, array in first.items()} == {n: a.tobytes() for n, a in again.items()}


def test_images_are_stored_once_and_never_copied_on_a_cpu():
    images, labels = pictures()
    one = learner(images)
    stored = one._stored
    model = fitted(one, labels)
    one.logits(model, IDS)
    assert one._stored is stored
    assert stored.data_ptr() == images.images.__array_interface__["data"][0]
    assert stored.is_contiguous(memory_format=torch.channels_last)


def test_ids_are_not_positions():
    """Training on ids 0, 3, 6, ... reads the first images of the store, in whatever order."""
    images, labels = pictures()
    one = learner(images, epochs=1)
    model = fitted(one, labels)
    order = np.random.default_rng(2).permutation(len(IDS))
    np.testing.assert_allclose(one.logits(model, IDS[order]), one.logits(model, IDS)[order], atol=1e-5)
    with pytest.raises(ValueError, match="image 1 is not among the 200"):
        one.logits(model, np.array([0, 1]))


@pytest.mark.parametrize(
    ("changes", "size", "words"),
    [
        ({"network": "baidunet"}, 16, "did you mean 'baidunet9'"),
        ({}, 6, "at least 8x8"),
        ({"network": "squeezenet1_1"}, 9, "cannot take images of 9x9 pixels"),
    ],
)
def test_a_network_that_does_not_fit_is_refused_before_training(changes, size, words):
    with pytest.raises(InvalidInput, match=words):
        learner(pictures(size)[0], **changes)


def test_a_network_of_torchvision_is_trained_and_stored():
    images, labels = pictures(32)
    one = learner(images, network="squeezenet1_1", epochs=1, learning_rate=0.001)
    model = fitted(one, labels, 20)
    np.testing.assert_array_equal(one.logits(one.load(one.save(model)), IDS), one.logits(model, IDS))


def test_epochs_depend_on_the_set_trained_on():
    config = Config(epochs="by-size", warm_up=0.2, warm_up_whole_epochs=True, drop_last=True, schedule="triangle")
    assert [recipe(config, samples).epochs for samples in (20_000, 50_000, 495_000)] == [62, 50, 32]
    assert recipe(config, 50_000).whole_epochs


@pytest.mark.parametrize(("network", "decay"), [("resnet18", 5e-4 / 128), ("baidunet9", 5e-4)])
def test_released_weight_decay(network, decay):
    settings = {"network": network, "batch_size": 128, "weight_decay": 5e-4}
    assert recipe(Config(**settings), 100).weight_decay == 5e-4
    assert recipe(Config(**settings, compat="released"), 100).weight_decay == decay


@pytest.mark.parametrize(
    ("network", "expected"), [("small-cnn", False), ("cifar-resnet", False), ("mlp", False), ("alexnet", True)]
)
def test_it_is_known_before_a_fit_whether_a_network_has_dropout(network, expected):
    assert has_dropout(Config.model_validate({"network": network})) is expected
