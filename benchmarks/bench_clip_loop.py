"""What training CLIP by biasloop costs beyond the computation of its models.

* fit: the CLIP of `quickstart-clip` by the one epoch loop (streams, curves, one source and objective for one process or
  many) against the published design written well: rows on the device, one permutation an epoch, forward, both
  cross-entropies, backward, torch's AdamW as it comes, cosine. Fits take turns; processor time, medians of the ratios.
  (A fused AdamW would take 6 % less on CPUs; both leave torch's choice, since it has other bits.)
* run: a run of `quickstart-clip` from data to the last stored byte; what of it is not spent in fits, in making
  pictures, or in encoding and reading them: rendering drawings, metrics, ledger, checkpoints, store.

    OMP_NUM_THREADS=1 python benchmarks/bench_clip_loop.py [fit] [run] [--pairs 5] [--quick]
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from bench_round import timed
from torch.nn import functional

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.contract.context import Work
from biasloop.contract.randomness import Streams
from biasloop.running import engine
from biasloop.running.engine import Options
from biasloop.training import loop, schedule
from biasloop.training.contrastive import HIGHEST, Contrastive
from biasloop.training.precision import precision
from biasloop.training.sources import Rows, TrainingSet
from biasloop_clip import encoders, recipes
from biasloop_clip.captions import LENGTH, Tokenizer
from biasloop_clip.config import Config
from biasloop_clip.learner import Learner

PRESET = "quickstart-clip"
MODELS = ("fit", "fit_maker", "make", "embedded", "embedded_captions", "read")


def training_set(config, samples, words):
    """Random pictures and captions of the run's sizes, `(n, H, W, 3)` uint8 and `(n, words)` int64."""
    draws, side = np.random.default_rng(0), config.pictures.canvas
    pictures = draws.integers(0, 256, (samples, side, side, 3), np.uint8)
    captions = draws.integers(1, words - 1, (samples, LENGTH))
    captions[:, -1] = words - 1  # what ends a caption
    return torch.from_numpy(pictures), torch.from_numpy(captions)


def prepared(pictures, generator=None):
    """As the domain prepares them."""
    return pictures.permute(0, 3, 1, 2).float() / 127.5 - 1


def ours(network, rows, recipe):
    """By the one epoch loop."""
    work = Work(Streams(("bench",)))
    source = Rows(TrainingSet(*rows), recipe, work.streams, prepared)
    loop.fit(network, source, Contrastive(precision("float32", torch.device("cpu"))), recipe, work)


def plain(network, rows, recipe):
    """Nothing but the computation, as one would write it."""
    pictures, captions = rows
    decayed = [weights for weights in network.parameters() if weights.ndim > 1]
    others = [weights for weights in network.parameters() if weights.ndim < 2]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(
        groups, lr=recipe.learning_rate, betas=(recipe.beta1, recipe.beta2), eps=recipe.epsilon
    )
    steps = recipe.steps(len(pictures))
    update, size, pairs = 0, recipe.batch_size, torch.arange(recipe.batch_size)
    network.train()
    for _ in range(recipe.epochs):
        order = torch.randperm(len(pictures))
        for step in range(steps):
            update += 1
            for group in optimizer.param_groups:
                group["lr"] = schedule.rate(recipe, update, recipe.planned(steps))
            chosen = order[step * size : (step + 1) * size]
            with torch.no_grad():
                network.logit_scale.clamp_(0, HIGHEST)
            images = network.encode_image(prepared(pictures[chosen]), normalize=True)
            texts = network.encode_text(captions[chosen], normalize=True)
            logits = network.logit_scale.exp() * images @ texts.T  # (batch, batch)
            loss = (functional.cross_entropy(logits, pairs) + functional.cross_entropy(logits.T, pairs)) / 2
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()


def fit(pairs, *, quick):
    """The ratio of processor times, ours to the plain loop's, of each pair."""
    config = Config.model_validate({"data": "emoji-roles", "epochs": 1 if quick else 3})  # else as the preset's
    recipe = recipes.of_clip(config)
    words = len(Tokenizer(tuple(f"role {number}" for number in range(config.pictures.roles))).words)
    rows = training_set(config, 4 * recipe.batch_size if quick else 4_800, words)
    ratios = []
    for number in range(pairs + 1):
        times = {}
        for way in (ours, plain) if number % 2 else (plain, ours):
            torch.manual_seed(0)
            network = encoders.build(config, words)
            begun = time.process_time()
            way(network, rows, recipe)
            times[way] = time.process_time() - begun
        if number:  # the first pair warms up
            ratios.append(times[ours] / times[plain])
    steps = recipe.epochs * recipe.steps(len(rows[0]))
    print(f"fit, {steps} steps: {statistics.median(ratios):.3f} of the plain loop's time ({min(ratios):.3f} to "
          f"{max(ratios):.3f}, {pairs} pairs)")  # fmt: skip
    return statistics.median(ratios)


def run(*, quick):
    """The share of a run that is not the models' computation."""
    _, experiment = arms_of(presets.read(f"{PRESET}-mini" if quick else PRESET))[0]
    originals = {name: getattr(Learner, name) for name in MODELS}
    try:
        spent = timed(Learner, MODELS)
        with tempfile.TemporaryDirectory() as folder:
            options = Options(Path(folder), threads=1)
            begun = time.perf_counter()
            engine.run(engine.prepare(experiment, 0, options), Path(folder) / "run", options)
            total = time.perf_counter() - begun
    finally:
        for name, call in originals.items():
            setattr(Learner, name, call)
    outside = total - spent[0]
    print(f"run: {total:.1f} s, of which {outside:.2f} s outside of models, {100 * outside / spent[0]:.1f} % of theirs")
    return outside / spent[0]


def main(arguments=None):
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", choices=[[], "fit", "run"])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    measured = {}
    for section in options.sections or ("fit", "run"):
        measured[section] = fit(options.pairs, quick=options.quick) if section == "fit" else run(quick=options.quick)
    return measured


if __name__ == "__main__":
    main()
