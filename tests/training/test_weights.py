import numpy as np
import pytest
import torch

from biasloop.training.networks import build
from biasloop.training.weights import (
    load_network,
    load_optimizer,
    prefixed,
    save_network,
    save_optimizer,
    to_arrays,
    to_tensors,
    under,
)

torch.set_num_threads(1)


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8]
)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4, 5)])
def test_tensors_survive_with_every_bit(dtype, shape):
    tensor = (torch.rand(shape) * 100).to(dtype)
    back = to_tensors(to_arrays({"a.b": tensor}))["a.b"]
    assert back.dtype == dtype
    assert back.shape == tensor.shape
    assert torch.equal(back, tensor)


def test_bfloat16_is_kept_as_its_bits():
    special = torch.tensor([1.0, -0.0, float("inf"), 3.0e38, 1e-40], dtype=torch.bfloat16)
    (name, array), *rest = to_arrays({"w": special}).items()
    assert not rest
    assert array.dtype == np.uint16
    assert name != "w"
    assert array[0] == 0x3F80
    assert array[1] == 0x8000


def test_arrays_do_not_follow_later_training():
    weight = torch.ones(3)
    arrays = to_arrays({"w": weight})
    weight.add_(1)
    assert arrays["w"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_array_is_contiguous_and_owns_its_only_copy_whatever_the_layout(dtype):
    images = torch.rand(2, 3, 4, 5).to(dtype)
    layouts = {
        "channels last": images.to(memory_format=torch.channels_last),
        "transposed": images.transpose(1, 3),
        "expanded": images[:1].expand(2, 3, 4, 5),
    }
    for name, tensor in layouts.items():
        (array,) = to_arrays({name: tensor}).values()
        assert array.flags.c_contiguous
        (back,) = to_tensors(to_arrays({name: tensor})).values()
        assert torch.equal(back, tensor)


@pytest.mark.parametrize("name", ["small-cnn", "resnet18"])
def test_network_read_back_gives_the_same_bits(name):
    torch.manual_seed(0)
    network = build(name, 10, 1, 4)
    network(torch.rand(8, 1, 28, 28))  # moves the running statistics
    arrays = save_network(network.eval())
    assert any(array.dtype == np.int64 and array.ndim == 0 for array in arrays.values())
    torch.manual_seed(1)
    other = build(name, 10, 1, 4)
    load_network(other, arrays)
    images = torch.rand(6, 1, 28, 28)
    assert torch.equal(other.eval()(images), network(images))
    assert {key: a.tobytes() for key, a in save_network(other).items()} == {k: a.tobytes() for k, a in arrays.items()}


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
def test_optimizer_goes_on_as_if_never_stored(kind):
    options = {"momentum": 0.9, "nesterov": True} if kind is torch.optim.SGD else {}

    def train(network, optimizer, steps):
        for step in steps:
            optimizer.zero_grad()
            network(torch.full((2, 3), float(step))).square().sum().backward()
            optimizer.step()

    torch.manual_seed(0)
    network = torch.nn.Linear(3, 2)
    optimizer = kind(network.parameters(), lr=0.01, **options)
    train(network, optimizer, range(3))
    arrays = prefixed("n", save_network(network)) | prefixed("o", save_optimizer(optimizer))
    train(network, optimizer, range(3, 6))

    other = torch.nn.Linear(3, 2)
    load_network(other, under("n", arrays))
    again = kind(other.parameters(), lr=0.01, **options)
    load_optimizer(again, under("o", arrays))
    train(other, again, range(3, 6))
    assert torch.equal(other.weight, network.weight)
    assert torch.equal(other.bias, network.bias)


def test_a_network_of_another_shape_is_refused():
    with pytest.raises(RuntimeError, match="size mismatch"):
        load_network(build("small-cnn", 10, 1, 4), save_network(build("small-cnn", 10, 1, 5)))


def test_under_undoes_prefixed():
    arrays = {"a.b": np.arange(3), "c": np.array(1)}
    both = prefixed("x", arrays) | prefixed("xy", {"z": np.zeros(1)})
    assert set(under("x", both)) == set(arrays)
