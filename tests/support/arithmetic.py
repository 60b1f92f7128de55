"""What the last bits of a result depend on besides the program: versions, and how this machine computes."""

import hashlib
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


def described() -> dict[str, str]:
    """Versions, CPU capability, and a digest of a little arithmetic in one thread that is none of biasloop's."""
    return {
        "machine": platform.machine(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "digest": _digest(),
    }


def _digest() -> str:
    digest = hashlib.sha256(np.exp(np.linspace(-3, 3, 1001)).tobytes())
    with torch.random.fork_rng([]), _one_thread():
        torch.manual_seed(0)
        for tensor in [*_pictures(), *_sentences()]:
            digest.update(tensor.detach().numpy().tobytes())
    return digest.hexdigest()[:16]


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _pictures() -> list[Tensor]:
    """Weights of a small convolutional network after three steps of SGD."""
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.ConvTranspose2d(4, 2, 4, 2, 1), nn.AvgPool2d(4),
        nn.Flatten(), nn.Linear(98, 10),
    )  # fmt: skip
    images, classes = torch.rand(16, 3, 28, 28), torch.arange(16) % 10
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, weight_decay=1e-3, nesterov=True)
    return _trained(network, optimizer, images, classes)


def _sentences() -> list[Tensor]:
    """Weights of a small transformer after three steps of AdamW."""
    network = nn.Sequential(
        nn.Embedding(50, 16), nn.TransformerEncoderLayer(16, 2, 32, 0.0, "gelu", batch_first=True), nn.Flatten(),
        nn.Linear(16 * 9, 50),
    )  # fmt: skip
    tokens, following = torch.randint(50, (6, 9)), torch.arange(6)
    return _trained(network, torch.optim.AdamW(network.parameters(), 1e-2), tokens, following)


def _trained(network: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, classes: Tensor) -> list[Tensor]:
    for _ in range(3):
        loss = functional.cross_entropy(network(inputs), classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return list(network.state_dict().values())
