"""Faults that the guard has to notice: `python -m tests.support.guard.mutants` plants each in a copy of the tree.

Where a file moves or a line is written anew, its row of `MUTANTS` is what changes: a text has to be in its file exactly
once.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

from .experiments import EXPERIMENTS
from .running import TREE, preload, run

TRAINING = "biasloop/training"
RULES = "biasloop/feedback"
IMAGES = "plugins/biasloop_images"
GENERATORS = "plugins/biasloop_generators"
LANGUAGE = "plugins/biasloop_language"


@dataclass(frozen=True)
class Mutant:
    """A fault.

    Attributes:
        name: says it.
        file: path in the tree.
        old: what is there, once.
        new: what is there instead.
        noticed_by: experiments of which each stores something else then.
    """

    name: str
    file: str
    old: str
    new: str
    noticed_by: tuple[str, ...]


MUTANTS = [
    Mutant("images-momentum", f"{TRAINING}/optimizers.py", "momentum=recipe.momentum,",
           "momentum=recipe.momentum * 0.99,", ("images-plain",)),
    Mutant("decay-dropped", f"{TRAINING}/optimizers.py", "recipe.weight_decay * recipe.factor", "0.0",
           ("images-plain", "images-replaced", "generators-plain")),
    Mutant("rate-an-update-late", f"{TRAINING}/loop.py", "recipe.rate(update, planned) / recipe.factor",
           "recipe.rate(max(update - 1, 1), planned) / recipe.factor",
           ("images-plain", "images-sampled", "images-bfloat16")),
    Mutant("images-short-batch-dropped", f"{TRAINING}/recipe.py", "return full + bool(rest and not self.drop_last)",
           "return full", ("images-plain",)),
    Mutant("images-weight-dropped", f"{TRAINING}/objectives.py", "return (losses * weights).mean()",
           "return losses.mean()", ("images-weighted",)),
    Mutant("images-order-by-another-stream", f"{TRAINING}/sources.py",
           'draws, sampling = streams.at("order").generator(), self._sampling',
           'draws, sampling = streams.at("noise").generator(), self._sampling', ("images-plain", "images-weighted")),
    Mutant("noise-by-another-stream", f"{TRAINING}/loop.py", '"epoch", self.at.number, "noise"',
           '"epoch", self.at.number, "order"',
           ("images-dropout", "generators-plain", "language-greedy", "language-processes")),
    Mutant("images-draws-swapped", f"{TRAINING}/augment.py",
           "    corners = torch.randint(0, 2 * padding + 1, (2, count), generator=generator, device=device)\n"
           "    mirrored = torch.rand(count, generator=generator, device=device) < (0.5 if flip else 0.0)\n",
           "    mirrored = torch.rand(count, generator=generator, device=device) < (0.5 if flip else 0.0)\n"
           "    corners = torch.randint(0, 2 * padding + 1, (2, count), generator=generator, device=device)\n",
           ("images-plain",)),
    Mutant("cast-dropped", f"{TRAINING}/precision.py", "return torch.autocast(self.device.type, self.dtype)",
           "return nullcontext()", ("images-bfloat16", "images-float16", "generators-frozen")),
    Mutant("loss-not-scaled", f"{TRAINING}/precision.py", "enabled=self.scaled", "enabled=False", ("images-float16",)),
    Mutant("labels-not-drawn", "biasloop/contract/labels.py", "if by == ARGMAX:", "if by:",
           ("images-sampled", "images-extended")),
    Mutant("subsample-never-redrawn", f"{RULES}/accumulate.py", 'at(number, "subsample")', 'at("subsample")',
           ("images-sampled", "language-nucleus")),
    Mutant("beta", f"{TRAINING}/optimizers.py", "recipe.beta1, recipe.beta2", "recipe.beta1, 0.99",
           ("generators-plain", "language-greedy", "language-small")),
    Mutant("generators-order-by-another-stream", f"{TRAINING}/sources.py",
           'streams.at("order").generator().permutation(len(self._real.images))',
           'streams.at("chunk").generator().permutation(len(self._real.images))',
           ("generators-plain", "generators-mixed")),
    Mutant("generators-short-batch-filled", f"{TRAINING}/recipe.py",
           "return self.last_size if last and self.last_size is not None else self.batch_size",
           "return self.batch_size", ("generators-plain", "generators-star-surplus")),
    Mutant("generators-norms-not-frozen", f"{TRAINING}/loop.py",
           "model.network.train(self.at.number == 0 or not model.recipe.freeze_norm)", "model.network.train()",
           ("generators-svhn",)),
    Mutant("star-counts-kept", f"{TRAINING}/sources.py", "self._counts.clear()", "pass", ("generators-star-both",)),
    Mutant("star-surplus-from-its-end", f"{TRAINING}/star.py",
           "numbers = size - added[unmet, None] - again.within.cumsum(1)",
           "numbers = again.within.cumsum(1) + added[unmet, None]", ("generators-star-both",)),
    Mutant("language-rate-an-update-late", f"{TRAINING}/schedule.py", "1 - (update - 1) / planned",
           "1 - update / planned", ("language-nucleus", "language-released")),
    Mutant("language-factor-by-micro-batch", f"{LANGUAGE}/updates.py", "return 1 / group", "return 1 / tokens",
           ("language-nucleus", "language-processes")),
    Mutant("language-released-factor", f"{LANGUAGE}/compat.py", "return 1 / (tokens * self.recipe.accumulation)",
           "return 1 / group", ("language-released",)),
    Mutant("language-processes-draw-alike", f"{TRAINING}/distributed.py",
           'return streams.at("process", self.rank) if self.rank else streams', "return streams",
           ("language-processes",)),
    Mutant("language-token-by-another-stream", f"{LANGUAGE}/decoding.py", '"token", step, attempt',
           '"token", attempt, step', ("language-nucleus", "language-released-nucleus")),
    Mutant("language-no-length-penalty", f"{LANGUAGE}/scoring.py",
           "scored: Tensor = scores / (step + 1) ** self.penalty", "scored: Tensor = scores", ("language-beam",)),
    Mutant("language-released-prompt-not-counted", f"{LANGUAGE}/compat.py", "(self.prompts[:, None] + step",
           "(1 + step", ("language-released",)),
]  # fmt: skip


def planted(mutant: Mutant, source: Path, place: Path) -> Path:
    """A copy of the tree with the fault.

    Raises:
        ValueError: if the text is not in the file exactly once.
    """
    for part in ("biasloop", "plugins", "tests/toy_plugin"):
        shutil.copytree(source / part, place / part)  # with times, so that what Python compiled is good
    file = place / mutant.file
    text = file.read_text() if file.is_file() else ""
    if text.count(mutant.old) != 1:
        raise ValueError(f"{mutant.name}: {mutant.old!r} is {text.count(mutant.old)} times in {mutant.file}; amend it")
    file.write_text(text.replace(mutant.old, mutant.new))
    return place


def unnoticed(mutants: Iterable[Mutant], source: Path) -> list[str]:
    """Plant each; what stores the same as before, as "mutant: experiment"."""
    known: dict[str, list[str]] = {}
    missed = []
    for mutant in mutants:
        asked = [experiment for experiment in EXPERIMENTS if experiment.name in mutant.noticed_by]
        assert len(asked) == len(mutant.noticed_by), mutant
        known |= run([experiment for experiment in asked if experiment.name not in known], source)
        assert all(known[name] for name in mutant.noticed_by), (
            f"the tree itself fails where {mutant.name} is looked for"
        )
        with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
            for name, lines in run(asked, planted(mutant, source, Path(folder))):
                changed = len(set(lines) - set(known[name]))
                print(f"{mutant.name}: {name}: {changed} of {len(lines)} changed", file=sys.stderr, flush=True)
                missed += [] if changed else [f"{mutant.name}: {name}"]
    return missed


def main() -> None:
    words = argparse.ArgumentParser(prog="python -m tests.support.guard.mutants", description=__doc__)
    words.add_argument("--only", nargs="+", metavar="NAME", help="these mutants; a beginning of names will do")
    words.add_argument("--source", type=Path, default=TREE, metavar="TREE", help="the tree that is copied")
    given = words.parse_args()
    chosen = [mutant for mutant in MUTANTS if given.only is None or mutant.name.startswith(tuple(given.only))]
    preload(EXPERIMENTS)
    missed = unnoticed(chosen, given.source.resolve())
    if missed:
        raise SystemExit("\n".join(["not noticed:", *missed]))
    print(f"{len(chosen)} mutants, each noticed")


if __name__ == "__main__":
    main()
