import os
import subprocess
import sys
import warnings

import pytest
import torch
from torch.nn import functional

from biasloop.errors import InvalidInput
from biasloop.training.networks import BaiduNet9, CifarResNet, FashionResNet, ResNet18, SmallCNN, build, check

torch.set_num_threads(1)


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_resnet18_has_the_published_number_of_parameters():
    assert parameters(ResNet18(10, 3, 64)) == 11_173_962


@pytest.mark.parametrize(
    ("name", "classes", "channels", "width", "count"),
    [("resnet18", 10, 3, 64, 11_173_962), ("resnet18", 100, 3, 64, 11_220_132), ("reducr-cnn", 10, 3, 64, 537_610),
     ("mlp", 10, 1, 512, 932_362)],
)  # fmt: skip
def test_networks_of_batch_selection_have_the_published_number_of_parameters(name, classes, channels, width, count):
    with torch.device("meta"):
        assert parameters(build(name, classes, channels, width)) == count


def test_networks_of_torchvision_have_the_published_number_of_parameters_but_for_their_last_layer():
    """11,689,512 and 28,589,128 with a thousand classes, of 512 and 768 channels."""
    with torch.device("meta"):
        assert parameters(build("torchvision-resnet18", 14, 3, 1)) == 11_689_512 - 986 * 513
        assert parameters(build("convnext_tiny", 14, 3, 1)) == 28_589_128 - 986 * 769


def test_a_name_behind_torchvision_that_is_none_is_refused_as_it_was_written():
    with pytest.raises(InvalidInput, match="no network is called 'torchvision-resnet81'"):
        build("torchvision-resnet81", 10, 3, 1)


@pytest.mark.parametrize("size", [22, 28, 40])
def test_networks_of_batch_selection_take_other_sizes(size):
    for name in ("reducr-cnn", "mlp"):
        assert build(name, 7, 3, 2)(torch.rand(2, 3, size, size)).shape == (2, 7)


def test_a_network_without_padding_refuses_small_images():
    with pytest.raises(InvalidInput, match="at least 22x22"):
        check("reducr-cnn", 10, (21, 28, 3), 2)


def test_resnet18_parameters_at_any_width():
    """Counted by hand from the block table: 3x3 convolutions, batch normalisation, shortcuts, head."""

    def expected(w, channels, classes):
        total = 9 * channels * w + 2 * w
        inputs = w
        for outputs, stride in ((w, 1), (2 * w, 2), (4 * w, 2), (8 * w, 2)):
            total += 9 * inputs * outputs + 9 * outputs * outputs + 4 * outputs + 2 * (9 * outputs**2 + 2 * outputs)
            total += inputs * outputs + 2 * outputs if stride == 2 else 0
            inputs = outputs
        return total + 8 * w * classes + classes

    for width, channels, classes in ((4, 1, 10), (8, 3, 100), (64, 3, 10)):
        assert parameters(ResNet18(classes, channels, width)) == expected(width, channels, classes)


def test_resnet18_keeps_full_resolution_in_its_first_stage():
    network = ResNet18(10, 3, 4)
    sizes = []
    for stage in network.stages:
        stage.register_forward_hook(lambda _, __, out: sizes.append(tuple(out.shape[1:])))
    network(torch.zeros(2, 3, 32, 32))
    assert sizes == [(4, 32, 32)] * 2 + [(8, 16, 16)] * 2 + [(16, 8, 8)] * 2 + [(32, 4, 4)] * 2


@pytest.mark.parametrize(("name", "width"), [("small-cnn", 4), ("resnet18", 4), ("baidunet9", 4)])
@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 32), (3, 19)])
def test_logits_for_any_size(name, width, channels, size):
    network = build(name, 7, channels, width)
    assert network(torch.rand(3, channels, size, size)).shape == (3, 7)


_GRADIENTS_OF_AN_ODD_BATCH = """
import sys, torch
from torch.nn import functional
from biasloop.training.networks import build
name, width, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
torch.manual_seed(0)
network = build(name, 10, 3, width)
images, labels = torch.randn(25, 3, 32, 32), torch.arange(25) % 10

def gradients(network, images):
    network.zero_grad()
    functional.cross_entropy(network(images), labels).backward()
    return torch.cat([parameter.grad.flatten().double() for parameter in network.parameters()])

for _ in range(5):
    found = gradients(network, images.to(memory_format=torch.channels_last))
torch.set_num_threads(1)
wanted = gradients(network.double().to(memory_format=torch.contiguous_format), images.double())
print(float((found - wanted).norm() / wanted.norm()))
"""


@pytest.mark.parametrize(("name", "width"), [("resnet18", 8), ("resnet18", 4), ("baidunet9", 8), ("small-cnn", 8)])
@pytest.mark.parametrize("threads", [2, 4])
def test_gradients_of_a_batch_that_the_threads_do_not_divide(name, width, threads):
    """In a process of its own: oneDNN's strided 1x1 convolution ends it, or gives wrong gradients."""
    done = subprocess.run(
        [sys.executable, "-c", _GRADIENTS_OF_AN_ODD_BATCH, name, str(width), str(threads)],
        check=False, capture_output=True, text=True, timeout=120, env=os.environ | {"OMP_NUM_THREADS": "4"},
    )  # fmt: skip
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr}"
    assert float(done.stdout) < 1e-4


def test_small_cnn_parameters():
    width = 8
    convolutions = 9 * (width + 2 * width**2 + 8 * width**2)
    assert parameters(SmallCNN(10, 1, width)) == convolutions + 2 * 7 * width + 4 * width * 10 + 10


def test_memory_format_does_not_change_what_is_computed():
    torch.manual_seed(0)
    plain = SmallCNN(10, 1, 4).eval()
    fast = build("small-cnn", 10, 1, 4).eval()
    fast.load_state_dict(plain.state_dict())
    images = torch.rand(5, 1, 28, 28)
    torch.testing.assert_close(plain(images), fast(images))


def test_memory_format_of_images_does_not_change_what_baidunet9_computes():
    torch.manual_seed(0)
    network = build("baidunet9", 10, 3, 4).eval()
    images = torch.rand(3, 3, 32, 32)
    torch.testing.assert_close(network(images), network(images.contiguous(memory_format=torch.channels_last)))


class Weights:
    """The tensors of a network in the order in which its layers are written down."""

    def __init__(self, network):
        self.left = list(network.state_dict().values())

    def convolution(self, x, stride=1):
        """Convolution without bias, then batch normalisation by running statistics."""
        weight, scale, shift, mean, variance, _ = self.left[:6]
        del self.left[:6]
        x = functional.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        axes = (slice(None), None, None)
        return (x - mean[axes]) / (variance[axes] + 1e-5).sqrt() * scale[axes] + shift[axes]


def trained_a_little(network):
    """Batch statistics and scales that are not those of a new network."""
    generator = torch.Generator().manual_seed(2)
    for name, tensor in network.state_dict().items():
        if tensor.ndim == 1 and tensor.is_floating_point():
            low = -0.3 if name.endswith(("bias", "mean")) else 0.5
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + low)
    return network.eval()


def test_baidunet9_layer_by_layer():
    torch.manual_seed(0)
    network, x = trained_a_little(BaiduNet9(10, 3, 4)), torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        found, weights, relu = network(x), Weights(network), functional.relu
        x = relu(weights.convolution(x))
        for _ in range(2):
            x = functional.max_pool2d(relu(weights.convolution(x)), 2)
            x = x + relu(weights.convolution(relu(weights.convolution(x))))
        x = functional.max_pool2d(relu(weights.convolution(x)), 2)
        assert x.shape == (3, 16, 4, 4)
        x = functional.max_pool2d(x, 4).flatten(1) @ weights.left.pop().T * 0.2
    assert not weights.left
    torch.testing.assert_close(found, x, rtol=1e-4, atol=1e-5)


def test_resnet18_layer_by_layer():
    torch.manual_seed(0)
    network, x = trained_a_little(ResNet18(10, 3, 4)), torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        found, weights, relu = network(x), Weights(network), functional.relu
        x = relu(weights.convolution(x))
        for block in range(8):
            stride = 2 if block in (2, 4, 6) else 1
            branch = weights.convolution(relu(weights.convolution(x, stride)))
            x = relu(branch + (weights.convolution(x, 2) if stride == 2 else x))
        weight, bias = weights.left
        x = functional.avg_pool2d(x, 4).flatten(1) @ weight.T + bias
    torch.testing.assert_close(found, x, rtol=1e-4, atol=1e-5)


def test_baidunet9_has_the_published_number_of_parameters():
    assert parameters(BaiduNet9(10, 3, 64)) == 2_440_256


def test_baidunet9_parameters_at_any_width():
    def expected(w, channels, classes):
        kernels = 9 * (channels * w + 2 * w**2 + 2 * 4 * w**2 + 8 * w**2 + 2 * 16 * w**2 + 16 * w**2)
        return kernels + 2 * (w + 3 * 2 * w + 3 * 4 * w + 4 * w) + 4 * w * classes

    for width, channels, classes in ((4, 1, 10), (8, 3, 100), (64, 3, 10)):
        assert parameters(BaiduNet9(classes, channels, width)) == expected(width, channels, classes)


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("baidunet9", (7, 32, 3), "7x32 pixels; use images of at least 8x8"),
        ("restnet18", (32, 32, 3), "no network is called 'restnet18'; did you mean 'resnet18'"),
        ("squeezenet1_1", (32, 32, 1), "3 channels, and these have 1"),
        ("squeezenet1_1", (8, 8, 3), "cannot take images of 8x8 pixels .*larger domain.shape"),
    ],
)
def test_networks_that_do_not_exist_or_fit_are_refused_in_one_sentence(name, shape, words):
    with pytest.raises(InvalidInput, match=words) as refused:
        check(name, 10, shape, 8)
    assert "\n" not in str(refused.value)


def test_check_takes_what_fits_and_leaves_the_generator_alone():
    state = torch.get_rng_state()
    for name, shape in (("baidunet9", (8, 8, 1)), ("small-cnn", (1, 1, 2)), ("shufflenet_v2_x0_5", (32, 32, 3))):
        check(name, 10, shape, 4)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", ["squeezenet1_1", "googlenet"])
def test_networks_of_torchvision_give_logits_in_training_too(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = build(name, 7, 3, 8)
    assert network.train()(torch.rand(2, 3, 64, 64)).shape == (2, 7)


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        (8, 77_522), (14, 174_738), (20, 271_954), (26, 369_170), (32, 466_386), (38, 563_602), (44, 660_818),
        (50, 758_034), (56, 855_250), (74, 1_146_898), (92, 1_438_546), (110, 1_730_194),
    ],
)  # fmt: skip
def test_cifar_resnet_has_the_published_number_of_parameters(depth, expected):
    assert parameters(CifarResNet(2, depth=depth)) == expected


@pytest.mark.parametrize(("width", "expected"), [(4, 109_798), (8, 434_762), (32, 6_903_074), (64, 27_576_898)])
def test_cifar_resnet_parameters_at_any_width(width, expected):
    with torch.device("meta"):
        assert parameters(CifarResNet(2, width=width, depth=110)) == expected


def test_fashion_resnet_has_the_published_number_of_parameters():
    assert parameters(FashionResNet(2)) == 2_774_466


def test_blocks_of_a_cifar_resnet_begin_as_their_shortcuts():
    """The scale of the last batch normalisation is 0, so only the shortcuts of stages 2 and 3 change the stem."""
    torch.manual_seed(0)
    network = CifarResNet(2, depth=14).eval()
    images = torch.rand(2, 3, 8, 8)
    with torch.inference_mode():
        stem = network.stem(images)
        assert torch.equal(network.stages[:2](stem), stem)
        second = functional.relu(network.stages[2].shortcut(stem))
        assert torch.equal(network.stages[:4](stem), second)
    assert FashionResNet(2).stages[0].branch[-1].weight.min() == 1


@pytest.mark.parametrize("kind", [CifarResNet, FashionResNet])
def test_convolutions_begin_with_the_spread_of_he(kind):
    torch.manual_seed(0)
    for module in kind(2, width=32).modules():
        if isinstance(module, torch.nn.Conv2d):
            height, width = module.kernel_size
            expected = (2 / (height * width * module.out_channels)) ** 0.5
            assert module.weight.std().item() == pytest.approx(expected, rel=0.1)


def test_three_stages_halve_twice():
    network = FashionResNet(2, width=4)
    shapes = []
    for block in network.stages:
        block.register_forward_hook(lambda module, given, found: shapes.append(tuple(found.shape[1:])))
    assert network(torch.rand(1, 1, 28, 28)).shape == (1, 2)
    assert shapes == [(4, 28, 28)] * 2 + [(8, 14, 14)] * 2 + [(16, 7, 7)] * 2


@pytest.mark.parametrize(
    ("name", "depth", "words"),
    [
        ("cifar-resnet", 21, "depth of 8, 14, 20"),
        ("cifar-resnet", 2, "depth of 8, 14, 20"),
        ("resnet18", 20, "for network 'cifar-resnet'"),
        ("mobilenet_v2", 20, "for network 'cifar-resnet'"),
    ],
)
def test_depths_that_do_not_exist_are_refused(name, depth, words):
    for refused in (lambda: check(name, 2, (32, 32, 3), 8, depth), lambda: build(name, 2, 3, 8, depth)):
        with pytest.raises(InvalidInput, match=words):
            refused()
