"""What a generation of a chain costs besides its networks: drawing, STAR, annotating, evaluation, the store.

Sizes of ColoredMNIST: batches of 256, STAR from 320 for the classifier, 10,000 test images, 10,000 samples of the
population; an epoch is 20 steps, and a generator and a classifier have one each. Ours is a real run: engine, rule,
plugin, store, and the training loops, with networks that cost nothing (they give what was made beforehand, and a step
only adds zeros). The reference does the same parts as the published code: a loader of PIL images with 4 workers
that start anew each epoch (samples alone are learnt from; its batches are counted), `.item()` each step, STAR by where
and intersect with a row of a CSV file each batch, loaders of test and validation images, `MetricFrame` between groups.
Its networks cost nothing either. Evaluation is done once, where the published code does it up to three times, and both
take 10,000 samples of a population, where the published runs took 1,000 or 100.

Then the whole generation is run with the real networks. One CPU thread. Run as a script, it prints the table;
`pytest benchmarks/bench_chain.py` times the parts of either way with pytest-benchmark.
"""

import csv
import itertools
import statistics
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import fairlearn.metrics as fairlearn
import numpy as np
import pytest
import torch
from bench_fairness import METRICS
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.functional import to_tensor

from biasloop import datasets
from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.running import engine
from biasloop.running.engine import Committed, Options
from biasloop_generators import networks, objectives
from biasloop_generators.losses import LOSSES

LATENT = 20
SHARES = [0.35, 0.15, 0.15, 0.35]
PRESET = """\
[domain]
name = "generators"
data = "colored-npz"
path = "{images}"
images = {train}
generator_epochs = 1
classifier_epochs = 1
generator_batch = {size}
classifier_batch = {size}
population = {population}
[loop]
rule = "generations"
rounds = {rounds}
star = "{star}"
star_budget = {budget}
star_refill = "single"
"""


@dataclass(frozen=True)
class Sizes:
    """Of a generation.

    Attributes:
        steps: of an epoch.
        size: images of a batch.
        budget: further images that STAR draws for a batch.
        images: in the file; of ten, seven may train, one validates, two test.
        population: samples measured.
    """

    steps: int = 20
    size: int = 256
    budget: int = 64
    images: int = 50_000
    population: int = 10_000

    @property
    def train(self):
        """Training images."""
        return self.steps * self.size


SIZES = Sizes()

# --- networks that cost nothing


class Bank:
    """Images and answers that are given out again and again."""

    def __init__(self):
        draws = torch.Generator().manual_seed(0)
        self.images = torch.rand(4096, 3, 28, 28, generator=draws)
        strata = torch.from_numpy(np.random.default_rng(0).choice(4, 4096, p=SHARES))
        self.references = {"label": _logits(strata // 2), "group": _logits(strata % 2)}


def _logits(classes):
    return torch.nn.functional.one_hot(classes, 2).float() * 4 - 2


class FreeGenerator(networks.MnistVAE):
    """As many parameters, no work."""

    def decode(self, latents):
        """As many of the images in the bank."""
        return BANK.images[: len(latents)]


class FreeClassifier(torch.nn.Module):
    """As many parameters, no work."""

    def __init__(self, answers):
        super().__init__()
        self.kept = networks.simple_cnn(2)  # as many parameters
        self.answers = answers

    def forward(self, images):
        """As many of the answers in the bank."""
        return self.answers[: len(images)]


BANK = Bank()


@contextmanager
def free_networks():
    """Fits and forward passes that do nothing, wherever the plugin looks for networks."""
    builders = networks.build_generator, networks.build_classifier
    values = objectives.Evidence.value, objectives.BatchCrossEntropy.value
    networks.build_generator = lambda name: FreeGenerator()
    networks.build_classifier = lambda name, outputs: FreeClassifier(BANK.references["label"])
    objectives.Evidence.value = objectives.BatchCrossEntropy.value = lambda *_: None
    try:
        yield
    finally:
        networks.build_generator, networks.build_classifier = builders
        objectives.Evidence.value, objectives.BatchCrossEntropy.value = values


# --- ours


def ours(place, rounds=4, networks="free", *, sizes=SIZES, star="classifier", device="cpu"):
    """Seconds of each generation after the first, from commit to commit, so with everything that the engine does.

    What runs share is kept apart by `networks`: free annotators are of no use to a run with real ones.
    """
    images = place / f"images-{sizes.images}.npz"
    if not images.exists():
        grey = datasets.get("fashion-mnist-t10k").load(place / "data")
        rows = np.arange(sizes.images) % len(grey.labels)
        np.savez(images, images=grey.images[rows, ..., 0], labels=grey.labels[rows])
    preset = place / "chain.toml"
    settings = {name: getattr(sizes, name) for name in ("train", "size", "population", "budget")}
    preset.write_text(PRESET.format(images=images, rounds=rounds, star=star, **settings))
    _, experiment = arms_of(presets.read(str(preset)))[0]
    commits = []

    def watch(event):
        if isinstance(event, Committed):
            commits.append(time.perf_counter())

    with tempfile.TemporaryDirectory(dir=place) as run:
        options = Options(place / networks, device, threads=1, on_event=watch)
        engine.run(engine.prepare(experiment, 0, options), Path(run) / "run", options)
    return [after - before for before, after in itertools.pairwise(commits)]


# --- as published


class Pictures(Dataset):
    """Images as the released files hold them: PIL, with group and label."""

    def __init__(self, count):
        draws = np.random.default_rng(0)
        pixels = draws.integers(0, 256, (count, 28, 28, 3), np.uint8)
        self.items = [(Image.fromarray(one), int(i % 2), int(i // 2 % 2)) for i, one in enumerate(pixels)]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        image, group, label = self.items[index]
        return to_tensor(image), group, label


class Published:
    """Parts of a generation, each a method; `seconds` of what it was called for last."""

    def __init__(self, place, workers=4, sizes=SIZES):
        self.place, self.workers, self.sizes = place, workers, sizes
        self.train, self.test, self.valid = (
            Pictures(count) for count in (sizes.train, sizes.images // 5, sizes.images // 10)
        )
        self.generator, self.label = FreeGenerator(), FreeClassifier(BANK.references["label"])
        self.group = FreeClassifier(BANK.references["group"])
        self.device = torch.device("cpu")

    def loader(self, pictures, size):
        """Its workers start when it is iterated."""
        return DataLoader(pictures, size, shuffle=True, num_workers=self.workers)

    def learn_generator(self, images):
        """The loss of a step of the generator; nothing is learnt by a free one."""
        return torch.zeros(())

    def learn_classifier(self, images, labels):
        """The loss of a step of the classifier."""
        return torch.zeros(())

    def samples(self, count):
        """`(count, 3, 28, 28)` of the generator of the generation before."""
        return self.generator.decode(torch.randn(count, LATENT, device=self.device))

    def images_to_count_steps(self):
        """The loader's batches of the generator's epoch and of the classifier's, which nothing is learnt from."""
        for _ in range(2):
            for _batch in self.loader(self.train, self.sizes.size):
                pass

    def drawing(self):
        """The generator's batches: noise, samples, an order, the loss."""
        total = 0.0
        for _ in range(self.sizes.steps):
            with torch.no_grad():
                images = self.samples(self.sizes.size)
                images = images[torch.randperm(self.sizes.size)]
            total += self.learn_generator(images).item()
        return total

    def plain(self):
        """The classifier's batches without STAR."""
        total = 0.0
        for _ in range(self.sizes.steps):
            with torch.no_grad():
                images = self.samples(self.sizes.size)
                labels = self.label(images).argmax(1)
            total += self.learn_classifier(images, labels).item()
        return total

    def star(self):
        """The classifier's batches."""
        total = 0.0
        for step in range(self.sizes.steps):
            with torch.no_grad():
                images, labels = self.filled(step)
            total += self.learn_classifier(images, labels).item()
        return total

    def filled(self, step):
        """A batch by quotas, and a row about it."""
        size = self.sizes.size
        images = self.samples(size + self.sizes.budget)
        labels, groups = self.label(images).argmax(1), self.group(images).argmax(1)
        quotas, drawn = self.quotas(labels.cpu().numpy(), groups.cpu().numpy())
        short = size - len(quotas)
        more = self.samples(short)
        images = torch.cat([images[quotas], more])
        labels = torch.cat([labels[quotas], self.label(more).argmax(1)])
        order = torch.randperm(size)
        images, labels = images[order], labels[order]
        with (self.place / "ar_cla_batches.csv").open("a", newline="") as file:
            csv.writer(file).writerow([1, step, short, *drawn])
        return images, labels

    def quotas(self, labels, groups):
        """What quotas keep, and samples drawn of each stratum."""
        by_label = [np.where(labels == label)[0] for label in range(2)]
        by_group = [np.where(groups == group)[0] for group in range(2)]
        members = [np.intersect1d(one, other) for one in by_label for other in by_group]
        chosen = np.concatenate([rows[: self.sizes.size // 4] for rows in members])
        return torch.from_numpy(chosen), [len(rows) for rows in members]

    @torch.no_grad()
    def population(self):
        """Labels, groups and the annotator's margin of samples."""
        images = self.samples(self.sizes.population)
        labels, groups = self.label(images).argmax(1), self.group(images)
        margin = groups.softmax(1).diff(dim=1)
        return labels.float().mean().item(), margin[margin >= 0.5].mean().item(), margin[margin <= -0.5].mean().item()

    @torch.no_grad()
    def evaluation(self):
        """Real images through a loader; metrics by group."""
        for pictures in (self.valid, self.test):
            labels, groups, predictions = [], [], []
            for images, group, label in self.loader(pictures, self.sizes.size):
                predictions += self.label(images.to(self.device)).argmax(1).tolist()
                labels += label.tolist()
                groups += group.tolist()
            frame = fairlearn.MetricFrame(metrics=METRICS, y_true=labels, y_pred=predictions, sensitive_features=groups)
            rows = [frame.overall, frame.difference(), frame.ratio(), frame.group_min(), frame.group_max()]
            with (self.place / "cla_overall.csv").open("a", newline="") as file:
                csv.writer(file).writerow([value for row in rows for value in row])

    def keep(self):
        """Both networks."""
        torch.save(self.generator.state_dict(), self.place / "generator")
        torch.save(self.label.state_dict(), self.place / "classifier")

    PARTS = ("images_to_count_steps", "drawing", "star", "population", "evaluation", "keep")

    def generation(self, parts=PARTS):
        """Seconds of each part."""
        seconds = {}
        for part in parts:
            begun = time.perf_counter()
            getattr(self, part)()
            seconds[part] = time.perf_counter() - begun
        return seconds


class PublishedReal(Published):
    """The same with real networks on a device, which learn in every step."""

    def __init__(self, place, workers, sizes, device):
        super().__init__(place, workers, sizes)
        self.device = torch.device(device)
        self.generator, learner = (networks.build_generator("vae").to(self.device) for _ in range(2))
        self.generator.eval()
        self.label, self.group, classifier = (
            networks.build_classifier("SimpleCNN", 2).to(self.device) for _ in range(3)
        )
        self.label.eval(), self.group.eval()
        self.learner, self.classifier = learner, classifier
        self.adam = torch.optim.Adam(learner.parameters(), lr=1e-3, weight_decay=1e-5)
        self.sgd = torch.optim.SGD(classifier.parameters(), lr=0.1)

    def learn_generator(self, images):
        """A step of a VAE."""
        reconstruction, mu, logvar = self.learner(images)
        return self.learnt(LOSSES["bce-sum"](reconstruction, images, mu, logvar), self.adam)

    def learn_classifier(self, images, labels):
        """A step on cross-entropy."""
        return self.learnt(torch.nn.functional.cross_entropy(self.classifier(images), labels), self.sgd)

    @staticmethod
    def learnt(loss, optimizer):
        """An update by that loss."""
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()


@pytest.mark.parametrize("part", Published.PARTS)
def test_published(benchmark, part, tmp_path):
    benchmark.pedantic(getattr(Published(tmp_path), part), rounds=2, warmup_rounds=1)


def test_ours(benchmark, tmp_path):
    with free_networks():
        benchmark.pedantic(ours, args=(tmp_path, 2), rounds=2, warmup_rounds=1)


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        published = Published(place)
        published.generation()
        theirs = [published.generation() for _ in range(5)]
        parts = {part: statistics.median(one[part] for one in theirs) for part in Published.PARTS}
        with free_networks():
            ours(place, 2)
            free = statistics.median(ours(place, 6))
        whole = statistics.median(ours(place, 3, "real"))
    total = sum(parts.values())
    print("as published, networks free:")
    each = {
        "images_to_count_steps": (2 * SIZES.train, "image", 42.0),
        "star": (SIZES.steps, "batch", 760 + 14),
        "evaluation": (0.3 * SIZES.images / 10_000, "10,000 images", None),
    }
    for part, seconds in parts.items():
        line = f"  {part.replace('_', ' '):24} {1e3 * seconds:8.1f} ms"
        if part in each:
            count, item, sheet = each[part]
            beside = f" (fact sheet: {sheet:.0f})" if sheet else ""
            line += f"   {1e6 * seconds / count:10.0f} us a {item}{beside}"
        print(line)
    print(f"  {'all':24} {1e3 * total:8.1f} ms")
    print(f"ours, networks free:       {1e3 * free:8.1f} ms, {total / free:.1f}x less")
    print(f"ours, the whole:           {1e3 * whole:8.1f} ms; besides networks {100 * free / whole:.2f} %")
    print(f"whole generation, published parts with the same networks over ours: {(whole - free + total) / whole:.2f}x")


if __name__ == "__main__":
    main()
