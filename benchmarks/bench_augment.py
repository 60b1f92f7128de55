"""Images a second through crop, flip and normalisation: whole batches against one PIL image at a time.

Two recipes: crops that are shifted (Taori & Hashimoto 2022), and crops of random size that are resized, of images of
which half are inverted (Hall et al. 2022). Both ways on one CPU thread in the same process, the same 32x32 RGB images,
the same transform; the published code inverts an image whenever it is seen, ours once before training, which therefore
is not in its time. Run as a script, it prints the ratios; `pytest benchmarks/bench_augment.py` times each with
pytest-benchmark.
"""

import statistics
import time

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from biasloop.training.augment import Preparation

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)
BATCH = 512
STORED = np.random.default_rng(0).integers(0, 256, (BATCH, 32, 32, 3), np.uint8)
INVERTED = np.arange(BATCH) % 2 == 0
END = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
SHIFTED = transforms.Compose(
    [transforms.ToPILImage(), transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), *END]
)
RESIZED = transforms.Compose(
    [transforms.Pad(4), transforms.RandomHorizontalFlip(), transforms.RandomResizedCrop(32), *END]
)


def shifted_one_by_one():
    return torch.stack([SHIFTED(image) for image in STORED])


def resized_one_by_one():
    found = []
    for stored, inverted in zip(STORED, INVERTED, strict=True):
        image = Image.fromarray(stored)
        if inverted:
            image = Image.fromarray(255 - np.asarray(image))
        found.append(RESIZED(image))
    return torch.stack(found)


def whole_batch(*, resized):
    prepare = Preparation(torch.tensor(MEAN), torch.tensor(STD), padding=4, flip=True, resized=resized)
    return prepare(torch.from_numpy(STORED).permute(0, 3, 1, 2), torch.Generator().manual_seed(0))


WAYS = {
    "shifted, one by one": shifted_one_by_one,
    "shifted, whole batch": lambda: whole_batch(resized=False),
    "resized, one by one": resized_one_by_one,
    "resized, whole batch": lambda: whole_batch(resized=True),
}


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
        print(f"{name:>20}: {rate:9,.0f} images/s")
    for recipe in ("shifted", "resized"):
        ratio = found[f"{recipe}, whole batch"] / found[f"{recipe}, one by one"]
        print(f"{recipe + ', ratio':>20}: {ratio:9.1f} x")
