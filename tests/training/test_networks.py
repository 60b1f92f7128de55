import pytest
import torch

from biasloop.training.networks import ResNet18, SmallCNN, build

torch.set_num_threads(1)


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_resnet18_has_the_published_number_of_parameters():
    assert parameters(ResNet18(10, 3, 64)) == 11_173_962


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


@pytest.mark.parametrize(("name", "width"), [("small-cnn", 4), ("resnet18", 4)])
@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 32), (3, 19)])
def test_logits_for_any_size(name, width, channels, size):
    network = build(name, 7, channels, width)
    assert network(torch.rand(3, channels, size, size)).shape == (3, 7)


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
