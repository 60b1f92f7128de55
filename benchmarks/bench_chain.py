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
from biasloop_generators import networks, training

STEPS, SIZE, BUDGET, LATENT = 20, 256, 64, 20
TRAIN, TEST, VALID, POPULATION = STEPS * SIZE, 10_000, 5_000, 10_000
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
star = "classifier"
star_budget = {budget}
star_refill = "single"
"""


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

    def __init__(self, references):
        super().__init__()
        self.kept = networks.simple_cnn(2)  # as many parameters
        self.references = references

    def forward(self, images):
        """As many of the answers in the bank."""
        return self.references[: len(images)]


BANK = Bank()


@contextmanager
def free_networks():
    """Fits and forward passes that do nothing, wherever the plugin looks for networks."""
    kept = networks.build_generator, networks.build_classifier, training.vae_step, training.classifier_step
    zeros = torch.zeros(())
    networks.build_generator = lambda name: FreeGenerator()
    networks.build_classifier = lambda name, outputs: FreeClassifier(BANK.references["label"])
    training.vae_step = lambda *_: zeros
    training.classifier_step = lambda *_: (zeros, zeros)
    try:
        yield
    finally:
        networks.build_generator, networks.build_classifier, training.vae_step, training.classifier_step = kept


# --- ours


def ours(place, rounds=4, networks="free"):
    """Seconds of each generation after the first, from commit to commit, so with everything that the engine does.

    What runs share is kept apart by `networks`: free annotators are of no use to a run with real ones.
    """
    images = place / "images.npz"
    if not images.exists():
        grey = datasets.get("fashion-mnist-t10k").load(place / "data")
        np.savez(images, images=np.tile(grey.images[..., 0], (5, 1, 1)), labels=np.tile(grey.labels, 5))
    preset = place / "chain.toml"
    sizes = {"train": TRAIN, "size": SIZE, "population": POPULATION, "budget": BUDGET, "rounds": rounds}
    preset.write_text(PRESET.format(images=images, **sizes))
    _, experiment = arms_of(presets.read(str(preset)))[0]
    commits = []

    def watch(event):
        if isinstance(event, Committed):
            commits.append(time.perf_counter())

    with tempfile.TemporaryDirectory(dir=place) as run:
        options = Options(place / networks, threads=1, on_event=watch)
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

    def __init__(self, place, workers=4):
        self.place, self.workers = place, workers
        self.train, self.test, self.valid = Pictures(TRAIN), Pictures(TEST), Pictures(VALID)
        self.generator, self.label = FreeGenerator(), FreeClassifier(BANK.references["label"])
        self.group = FreeClassifier(BANK.references["group"])

    def loader(self, pictures, size):
        """Its workers start when it is iterated."""
        return DataLoader(pictures, size, shuffle=True, num_workers=self.workers)

    def images_to_count_steps(self):
        """The loader's batches of the generator's epoch and of the classifier's, which nothing is learnt from."""
        for _ in range(2):
            for _batch in self.loader(self.train, SIZE):
                pass

    @torch.no_grad()
    def drawing(self):
        """The generator's batches: noise, samples, an order, the loss."""
        total = 0.0
        for _ in range(STEPS):
            images = self.generator.decode(torch.randn(SIZE, LATENT))
            images = images[torch.randperm(SIZE)]
            total += torch.zeros(()).item()
        return total

    @torch.no_grad()
    def star(self):
        """The classifier's batches."""
        total = 0.0
        for step in range(STEPS):
            images = self.generator.decode(torch.randn(SIZE + BUDGET, LATENT))
            labels, groups = self.label(images).argmax(1), self.group(images).argmax(1)
            kept, drawn = self.quotas(labels.cpu().numpy(), groups.cpu().numpy())
            short = SIZE - len(kept)
            more = self.generator.decode(torch.randn(short, LATENT))
            images = torch.cat([images[kept], more])
            labels = torch.cat([labels[kept], self.label(more).argmax(1)])
            order = torch.randperm(SIZE)
            images, labels = images[order], labels[order]
            with (self.place / "ar_cla_batches.csv").open("a", newline="") as file:
                csv.writer(file).writerow([1, step, short, *drawn])
            total += torch.zeros(()).item()
        return total

    def quotas(self, labels, groups):
        """What quotas keep, and samples drawn of each stratum."""
        by_label = [np.where(labels == label)[0] for label in range(2)]
        by_group = [np.where(groups == group)[0] for group in range(2)]
        members = [np.intersect1d(one, other) for one in by_label for other in by_group]
        kept = np.concatenate([found[: SIZE // 4] for found in members])
        return torch.from_numpy(kept), [len(found) for found in members]

    @torch.no_grad()
    def population(self):
        """Labels, groups and the annotator's margin of samples."""
        images = self.generator.decode(torch.randn(POPULATION, LATENT))
        labels, groups = self.label(images).argmax(1), self.group(images)
        margin = groups.softmax(1).diff(dim=1)
        return labels.float().mean().item(), margin[margin >= 0.5].mean().item(), margin[margin <= -0.5].mean().item()

    @torch.no_grad()
    def evaluation(self):
        """Real images through a loader; metrics by group."""
        for pictures in (self.valid, self.test):
            labels, groups, found = [], [], []
            for images, group, label in self.loader(pictures, SIZE):
                found += self.label(images).argmax(1).tolist()
                labels += label.tolist()
                groups += group.tolist()
            frame = fairlearn.MetricFrame(metrics=METRICS, y_true=labels, y_pred=found, sensitive_features=groups)
            rows = [frame.overall, frame.difference(), frame.ratio(), frame.group_min(), frame.group_max()]
            with (self.place / "cla_overall.csv").open("a", newline="") as file:
                csv.writer(file).writerow([value for row in rows for value in row])

    def keep(self):
        """Both networks."""
        torch.save(self.generator.state_dict(), self.place / "generator")
        torch.save(self.label.state_dict(), self.place / "classifier")

    PARTS = ("images_to_count_steps", "drawing", "star", "population", "evaluation", "keep")

    def generation(self):
        """Seconds of each part."""
        found = {}
        for part in self.PARTS:
            begun = time.perf_counter()
            getattr(self, part)()
            found[part] = time.perf_counter() - begun
        return found


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
        "images_to_count_steps": (2 * TRAIN, "image", 42.0),
        "star": (STEPS, "batch", 760 + 14),
        "evaluation": ((VALID + TEST) / 10_000, "10,000 images", None),
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
