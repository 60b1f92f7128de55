"""Images a second through crop, flip and normalisation: whole batches against one PIL image at a time.

Both on one CPU thread in the same process, the same 32x32 RGB images, the same transform. Run as a script, it
prints the ratio; `pytest benchmarks/bench_augment.py` times each with pytest-benchmark.
"""

import statistics
import time

import numpy as np
import pytest
import torch
from torchvision import transforms

from biasloop.training.augment import Preparation

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)
BATCH = 512
STORED = np.random.default_rng(0).integers(0, 256, (BATCH, 32, 32, 3), np.uint8)
ONE = transforms.Compose(
    [
        transforms.ToPILImage(),
        transforms.RandomCrop(32, padding=4),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ]
)


def one_by_one():
    return torch.stack([ONE(image) for image in STORED])


def whole_batch():
    prepare = Preparation(torch.tensor(MEAN), torch.tensor(STD), padding=4, flip=True)
    return prepare(torch.from_numpy(STORED).permute(0, 3, 1, 2), torch.Generator().manual_seed(0))


WAYS = {"one by one, PIL": one_by_one, "whole batch": whole_batch}


@pytest.mark.parametrize("way", WAYS)
def test_augment(benchmark, way):
    torch.set_num_threads(1)
    assert benchmark(WAYS[way]).shape == (BATCH, 3, 32, 32)


def rates(repeats=15):
    """Images a second of each way; median of alternating repeats after one that does not count."""
    torch.set_num_threads(1)
    seconds = {name: [] for name in WAYS}
    for _ in range(repeats + 1):
        for name, way in WAYS.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    return {name: BATCH / statistics.median(times[1:]) for name, times in seconds.items()}


if __name__ == "__main__":
    found = rates()
    for name, rate in found.items():
        print(f"{name:>16}: {rate:9,.0f} images/s")
    slow, fast = found.values()
    print(f"{'ratio':>16}: {fast / slow:9.1f} x")
