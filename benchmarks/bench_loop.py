"""What a fit of the one epoch loop costs against the tree before it, which had a loop in every plugin.

Both trees train what their domains train: BaiduNet9 and ResNet18 of width 8 on random images, the VAE of ColoredMNIST,
a small GPT-2 of random weights; and ("small") a small network on batches of 4, where the cost of the loop itself shows
most; float32, one thread. A process of each tree has the same section at the same time and
fits when it is told: a fit that does not count, then pairs, of which every other begins with the tree before, so that a
slow moment of the machine falls on both. The ratio of a pair is of processor time (of wall time beside it), above 1
where ours is faster; of the pairs, the median, and least and most, which of seven are an interval of 98 % for the
median.

    git worktree add ../before c850e27
    python benchmarks/bench_loop.py --before ../before [--pairs 7] [--fresh] [--json FILE] [SECTION...]
"""

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent.parent


def moved(*names):
    """A module of the core, by its name in this tree or in the tree before."""
    for name in names:
        try:
            return importlib.import_module(f"biasloop.{name}")
        except ModuleNotFoundError:
            continue
    raise ModuleNotFoundError(names)


# --- in a process of one tree: each section is a fit to be called, and how many items it trains on


def images(network, batch, steps, folder):
    """A fit of a classifier; items are images."""
    context, data = moved("contract.context", "contract.domains", "domains"), moved("contract.data", "data")
    streams = moved("contract.randomness", "randomness").Streams(("bench",))
    from biasloop_images.domain import ImagesDomain

    count = batch * steps
    draws, path = np.random.default_rng(0), Path(folder) / f"{network}-{os.getpid()}.npz"
    pixels = draws.integers(0, 256, (count + 100, 32, 32, 3), np.uint8)
    np.savez(path, images=pixels, labels=np.arange(len(pixels)) % 10)
    settings = {
        "data": "npz", "path": str(path), "test": 100, "network": network, "width": 8, "epochs": 1,
        "batch_size": batch, "learning_rate": 0.01, "augment": {"padding": 4, "flip": True}, "drop_last": True,
    }  # fmt: skip
    domain = ImagesDomain(ImagesDomain.Config.model_validate(settings), context.Context(Path(folder), streams))
    ids = domain.splits().pool
    labels = data.Frame({"target": data.Column(ids % 10, role="target", vocabulary="classes")})
    samples = data.Samples(ids, np.zeros(len(ids), bool), labels)
    return lambda: domain.fit(samples, context.Work(streams)), count


def generator(batch, steps, folder):
    """A fit of a VAE; items are steps."""
    domains, batching = moved("contract.domains", "domains"), moved("contract.batching", "batches")
    context = moved("contract.context", "contract.domains", "domains")
    streams = moved("contract.randomness", "randomness").Streams(("bench",))
    from biasloop_generators.domain import GeneratorsDomain

    draws, path = np.random.default_rng(0), Path(folder) / f"grey-{os.getpid()}.npz"
    count = batch * steps
    pixels = draws.integers(0, 256, (count * 10 // 7 + 10, 28, 28), np.uint8)
    np.savez(path, images=pixels, labels=np.arange(len(pixels)) % 10)
    settings = {
        "data": "colored-npz", "path": str(path), "images": count, "generator_epochs": 1, "generator_batch": batch
    }  # fmt: skip
    config = GeneratorsDomain.Config.model_validate(settings)
    domain = GeneratorsDomain(config, context.Context(Path(folder), streams))
    source = domains.Source(None, None, [], batching.Batches(0.0))
    return lambda: domain.fit_generator(source, context.Work(streams)), steps


def language(rows, folder):
    """Fine-tuning, batches of 16; items are rows."""
    context = moved("contract.context", "contract.domains", "domains")
    streams = moved("contract.randomness", "randomness").Streams(("bench",))
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    from biasloop_language import finetuning
    from biasloop_language.recipes import PUBLISHED
    from biasloop_language.tokens import TokenRows

    try:
        from biasloop.datasets.tokens import ragged
    except ModuleNotFoundError:  # of the tree before
        from biasloop_language.tokens import ragged
    draws = np.random.default_rng(0)
    texts = [ragged([draws.integers(0, 2000, size) for size in draws.integers(5, 26, rows)]) for _ in range(2)]
    torch.manual_seed(0)
    model = GPT2LMHeadModel(
        GPT2Config(n_layer=2, n_embd=128, n_head=4, vocab_size=2001, bos_token_id=2000, eos_token_id=2000)
    )
    recipe = replace(PUBLISHED["gpt2"], epochs=1)
    return lambda: finetuning.fit(model, TokenRows(*texts), recipe, context.Work(streams)), rows


SECTIONS = {
    "baidunet9": ("images/s", lambda tiny, folder: images("baidunet9", *((8, 2) if tiny else (512, 4)), folder)),
    "resnet18": ("images/s", lambda tiny, folder: images("resnet18", *((4, 2) if tiny else (128, 6)), folder)),
    "vae": ("steps/s", lambda tiny, folder: generator(*((8, 2) if tiny else (256, 8)), folder)),
    "small": ("images/s", lambda tiny, folder: images("small-cnn", *((4, 2) if tiny else (4, 200)), folder)),
    "language": ("rows/s", lambda tiny, folder: language(16 if tiny else 256, folder)),
}


def work(folder, *, tiny):
    """Fits each section whose name comes in, once to warm up and then whenever it comes again; tells the seconds."""
    import torch

    torch.set_num_threads(1)
    fits = {}
    for line in sys.stdin:
        name = line.strip()
        if name not in fits:
            fits[name] = SECTIONS[name][1](tiny, folder)
            fits[name][0]()
        fit, items = fits[name]
        wall, processor = time.perf_counter(), time.process_time()
        fit()
        seconds = {"processor": time.process_time() - processor, "wall": time.perf_counter() - wall}
        print(json.dumps({"items": items, **seconds}), flush=True)


# --- the process that compares


class Tree:
    """A fresh process of a checkout."""

    def __init__(self, checkout, folder, *, tiny):
        paths = os.pathsep.join(map(str, (checkout, checkout / "plugins")))
        environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, __file__, "--worker", str(folder), *(["--tiny"] if tiny else [])]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def fit(self, section):
        """Items and seconds of one fit."""
        print(section, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


def paired(before, section, pairs, *, fresh, tiny):
    """Of each pair and tree, items a second of processor and of wall time; every other pair begins with theirs."""
    rates = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        for number in range(pairs):
            if number == 0 or fresh:
                stack.close()
                checkouts = {"ours": HERE, "before": before}
                trees = {
                    name: stack.enter_context(Tree(checkout, folder, tiny=tiny)) for name, checkout in checkouts.items()
                }
            order = ("ours", "before") if number % 2 == 0 else ("before", "ours")
            fits = {name: trees[name].fit(section) for name in order}
            rates.append({
                name: {clock: fit["items"] / fit[clock] for clock in ("processor", "wall")}
                for name, fit in fits.items()
            })  # fmt: skip
    return rates


def compare(before, section, pairs, *, fresh=False, tiny=False):
    """Medians of the rates, and the ratio's median, least and most over the pairs."""
    rates = paired(before, section, pairs, fresh=fresh, tiny=tiny)
    result = {"unit": SECTIONS[section][0], "pairs": pairs}
    for clock in ("processor", "wall"):
        each = [(rate["ours"][clock], rate["before"][clock]) for rate in rates]
        ratios = [ours / theirs for ours, theirs in each]
        ours, theirs = (statistics.median(side) for side in zip(*each, strict=True))
        result[clock] = {
            "ours": ours, "before": theirs,
            "ratio": statistics.median(ratios), "least": min(ratios), "most": max(ratios),
        }  # fmt: skip
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--before", type=Path, help="a checkout of the tree to compare with")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--fresh", action="store_true", help="new processes for every pair, which takes longer")
    parser.add_argument("--tiny", action="store_true", help="a fit is of two steps: whether it works, not how fast")
    parser.add_argument("--json", type=Path, help="written after every section")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker, tiny=options.tiny)
        return
    unknown = set(options.sections) - set(SECTIONS)
    if unknown or options.before is None or not (options.before / "biasloop").is_dir():
        parser.error(f"--before names a checkout of the tree to compare with, sections are {', '.join(SECTIONS)}")
    result = {}
    for name in options.sections or SECTIONS:
        section = compare(options.before.resolve(), name, options.pairs, fresh=options.fresh, tiny=options.tiny)
        for clock in ("processor", "wall"):
            told = section[clock]
            print(
                f"{name:>10}, {clock:>9} time: {told['ours']:9,.1f} against {told['before']:9,.1f} {section['unit']}, "
                f"{told['ratio']:.3f} ({told['least']:.3f} to {told['most']:.3f})",
                flush=True,
            )
        result[name] = section
        if options.json:
            options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
