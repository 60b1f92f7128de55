"""Training image classifiers: images a second, and where the time goes, against the published design.

The reference is that design written well (Taori & Hashimoto 2022, released code): one PIL transform an image in a
DataLoader with a worker process, over index sets nested as deep as there were rounds. Both train the same network,
same crop, flip, normalisation, loss and optimiser, float32. Run as a script, it prints tables; under pytest it times
the parts.

    python benchmarks/bench_images.py [steps|data|memory]
"""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset
from torchvision import transforms

from biasloop.contract.context import Work
from biasloop.contract.randomness import Streams
from biasloop.training import networks
from biasloop.training.augment import Preparation
from biasloop.training.device import computing
from biasloop.training.loop import fit
from biasloop.training.objectives import CrossEntropy
from biasloop.training.precision import precision
from biasloop.training.recipe import Recipe
from biasloop.training.sources import Rows, TrainingSet

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)
START, ADDED = 50_000, 5_000
ROUNDS = (1, 30, 60, 89)
NETWORKS = {"baidunet9": 512, "resnet18": 128}  # with the published batch sizes
WIDTH = 8


class Pixels(Dataset):
    """Images as the published code holds them: an array, a transform, labels that are overwritten in place."""

    def __init__(self, images):
        self.images, self.labels = images, torch.zeros(len(images), dtype=torch.int64)
        self.transform = transforms.Compose(
            [
                transforms.ToPILImage(),
                transforms.RandomCrop(32, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.transform(self.images[index]), self.labels[index], index


def nested(dataset, rounds):
    """The training set after some rounds: each takes a part of what is left of the reserve, and adds it."""
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0)).tolist()
    train, reserve = Subset(dataset, order[:START]), Subset(dataset, order[START:])
    for _ in range(rounds):
        left = list(range(len(reserve)))
        added, reserve = Subset(reserve, left[:ADDED]), Subset(reserve, left[ADDED:])
        train = ConcatDataset([train, added])
    return train


def flat(count, rounds):
    """The same rows as one array."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))[: START + rounds * ADDED]


def recipe(batch):
    return Recipe(
        1, batch, 0.1, momentum=0.9, nesterov=True, weight_decay=5e-4, schedule="cosine", drop_last=True
    )  # fmt: skip


def ours(name, batch, images, rows, steps, *, width=WIDTH, device="cpu", numbers="float32"):
    """Images a second of whole training steps."""
    device = torch.device(device)
    prepare = Preparation(torch.tensor(MEAN, device=device), torch.tensor(STD, device=device), padding=4, flip=True)
    stored = torch.from_numpy(images).to(device).permute(0, 3, 1, 2)
    network = networks.build(name, 10, 3, width).to(device)
    some = rows[: (steps + 2) * batch].to(device)
    train = TrainingSet(stored, torch.zeros(len(some), dtype=torch.int64, device=device), None, some)
    clock, how, objective = Clock(steps, device), recipe(batch), CrossEntropy(precision(numbers, device))
    with computing(0):
        fit(network, Rows(train, how, clock.streams, prepare), objective, how, clock)
    return batch * steps / clock.seconds


def wait(device):
    """Until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Clock(Work):
    """Times the steps after the first, which pays for what is made once."""

    def __init__(self, steps, device):
        super().__init__(Streams(("bench",)))
        self.steps, self.device, self.seconds = steps, device, 0.0

    def tick(self, done, total, state=None, epoch=None):
        """Begins after the first step."""
        if done == 1:
            wait(self.device)
            self.begun = time.perf_counter()
        if done == self.steps + 1:
            wait(self.device)
            self.seconds = time.perf_counter() - self.begun


def published(name, batch, train, steps, workers, *, width=WIDTH, device="cpu", numbers="float32"):
    """Images a second of the published loop, of steps after those that workers prepare before anything is asked."""
    device, first = torch.device(device), 2 * workers
    casting = precision(numbers, device).casting
    network = networks.build(name, 10, 3, width).to(device).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    loader = DataLoader(
        train, batch, shuffle=True, drop_last=True, num_workers=workers, pin_memory=device.type == "cuda"
    )  # fmt: skip
    for number, (inputs, labels, _) in enumerate(loader):
        optimizer.zero_grad()
        with casting():
            logits = network(inputs.to(device, non_blocking=True))
        functional.cross_entropy(logits.float(), labels.to(device, non_blocking=True)).backward()
        optimizer.step()
        if number == first:
            wait(device)
            begun = time.perf_counter()
        if number == first + steps:
            break
    wait(device)
    return batch * steps / (time.perf_counter() - begun)


def data_path(images, rows, batch=512, batches=20):
    """Seconds an image, of index, crop, flip and normalisation alone."""
    prepare = Preparation(torch.tensor(MEAN), torch.tensor(STD), padding=4, flip=True)
    stored, draws = torch.from_numpy(images).permute(0, 3, 1, 2), torch.Generator().manual_seed(0)
    begun = time.perf_counter()
    order = rows[torch.randperm(len(rows), generator=draws)]  # once an epoch; all of it is counted on these batches
    shuffled = time.perf_counter() - begun
    begun = time.perf_counter()
    for number in range(batches):
        prepare(stored[order[number * batch : (number + 1) * batch]], draws)
    return shuffled / len(rows) + (time.perf_counter() - begun) / (batch * batches)


def published_data_path(train, count=2_000):
    """Seconds an image of the reference, without a worker, so that both have one core."""
    order = torch.randperm(len(train)).tolist()[:count]
    begun = time.perf_counter()
    for index in order:
        train[index]
    return (time.perf_counter() - begun) / count


@pytest.fixture(scope="module")
def pictures():
    return made(60_000)


def made(count):
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), np.uint8)


@pytest.mark.parametrize("name", NETWORKS)
def test_steps(benchmark, pictures, name):
    torch.set_num_threads(1)
    assert benchmark.pedantic(ours, (name, NETWORKS[name], pictures, flat(60_000, 1), 4), rounds=3) > 0


def test_data_path(benchmark, pictures):
    torch.set_num_threads(1)
    assert benchmark(data_path, pictures, flat(60_000, 1)) > 0


def medians(ways, repeats):
    """Medians of alternating repeats, so that a slow moment of the machine falls on all ways."""
    found = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            found[name].append(way())
    return {name: statistics.median(values) for name, values in found.items()}


def show_steps():
    images = made(60_000)
    rows, train = flat(60_000, 1), nested(Pixels(images), 1)
    print(f"training steps, width {WIDTH}: images/s (median of 5)")
    for name, batch in NETWORKS.items():
        steps = 4096 // batch
        mine = partial(ours, name, batch, images, rows, steps)
        torch.set_num_threads(1)
        one = medians({"ours": mine, "theirs": partial(published, name, batch, train, steps, 0)}, 5)
        share = one["ours"] * medians({"data": partial(data_path, images, rows)}, 5)["data"]
        print(f"  {name}, batch {batch}, one core: {compared(one)}; {share:.1%} of our step is the data path")
        torch.set_num_threads(2)
        two = medians({"ours": mine}, 5)
        torch.set_num_threads(1)  # beside a worker process
        two |= medians({"theirs": partial(published, name, batch, train, 2 * steps, 1)}, 5)
        print(f"  {name}, batch {batch}, two cores, one worker: {compared(two)}")


def compared(rates):
    return f"{rates['ours']:,.0f} against {rates['theirs']:,.0f}, {rates['ours'] / rates['theirs']:.2f} x"


def show_data():
    count = START + ROUNDS[-1] * ADDED
    images, first = made(count), None
    torch.set_num_threads(1)
    print("data path alone, one core: microseconds an image (median of 5)")
    for rounds in ROUNDS:
        rows, train = flat(count, rounds), nested(Pixels(images), rounds)
        found = medians({"ours": partial(data_path, images, rows), "theirs": partial(published_data_path, train)}, 5)
        mine, theirs = 1e6 * found["ours"], 1e6 * found["theirs"]
        first = first or mine
        print(
            f"  round {rounds:2}, {len(rows):,} images: {mine:6.1f} against {theirs:6.1f}, {theirs / mine:5.1f} x; "
            f"ours is {mine / first:.2f} of round {ROUNDS[0]}"
        )


LOAD = {
    "ours": """
from pathlib import Path
import biasloop.datasets.cifar5m
from biasloop.datasets import get
from dataclasses import replace
from biasloop_images.domain import ImagesDomain
from biasloop_images import sources
from biasloop.contract.context import Context
from biasloop.contract.randomness import Streams
published = get("cifar5m")
sources.datasets.get = lambda name: replace(published, counts=dict.fromkeys(published.counts, {count}))
config = {{"data": "cifar5m", "test": 1000, "imbalance": {{"class": "dog", "factor": 9}}}}
domain = ImagesDomain(ImagesDomain.Config.model_validate(config), Context(Path({place!r}), Streams((0,))))
base = held()
kept = domain._pictures[0].images.nbytes
""",
    "published": """
import torch
base = held()
parts = [numpy.load(f"{place}/cifar5m/part{{number}}.npz") for number in range(3)]
images = torch.tensor(numpy.concatenate([part["X"] for part in parts])).permute(0, 3, 1, 2)
labels = numpy.concatenate([part["Y"] for part in parts])
kept = 3072 * int((labels == 5).sum()) * 2
""",
}
HELD = """
import numpy
def held():
    return 1024 * int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
"""


def show_memory(count=40_000):
    """What loading needs at most, over what is kept: three parts of a scaled CIFAR-5m, one image in five kept."""
    print("loading CIFAR-5m, scaled: most memory held while loading, over the kept images' size")
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "cifar5m").mkdir()
        for number in range(3):
            np.savez(Path(place) / "cifar5m" / f"part{number}.npz", X=made(count), Y=np.arange(count) % 10)
        for name, code in LOAD.items():
            program = HELD + code.format(count=count, place=place) + "print(held() - base, kept)"
            done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
            most, kept = map(int, done.stdout.split())
            print(f"  {name}: {most / 1e6:,.0f} MB for {kept / 1e6:,.0f} MB kept, {most / kept:.2f} x")


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["steps", "data", "memory"]
    for name in wanted:
        {"steps": show_steps, "data": show_data, "memory": show_memory}[name]()
    print(f"this process held at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")
