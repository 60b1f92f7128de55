import pytest
import torch

from biasloop.errors import DownloadError
from biasloop.training import imagenet
from biasloop.training.networks import build


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A network with a thousand classes, and its file."""
    network = build("torchvision-resnet18", 1000, 3, 1)
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(network.state_dict(), path)
    return network, path


def test_all_layers_but_the_last_are_the_published_ones(published):
    network, path = published
    mine = build("torchvision-resnet18", 14, 3, 1)
    last = mine.fc.weight.detach().clone()
    imagenet.load(mine, path, "mend it")
    torch.testing.assert_close(mine.fc.weight.detach(), last, rtol=0, atol=0)
    for name, tensor in mine.state_dict().items():
        if not name.startswith("fc."):
            torch.testing.assert_close(tensor, network.state_dict()[name], rtol=0, atol=0)


def test_what_is_no_such_file_is_refused(published, tmp_path):
    _, path = published
    broken, other = tmp_path / "broken.pth", tmp_path / "other.pth"
    broken.write_bytes(path.read_bytes()[:1000])
    torch.save([1, 2], other)
    with pytest.raises(DownloadError, match=r"broken.pth is damaged: .*; mend it"):
        imagenet.load(build("torchvision-resnet18", 14, 3, 1), broken, "mend it")
    with pytest.raises(DownloadError, match="it has no named weights"):
        imagenet.load(build("torchvision-resnet18", 14, 3, 1), other, "mend it")
    with pytest.raises(DownloadError, match="it is of another network"):
        imagenet.load(build("small-cnn", 14, 3, 1), path, "mend it")
