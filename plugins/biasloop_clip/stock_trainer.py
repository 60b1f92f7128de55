"""The command of open_clip's own trainer for shards of a mixture, with every setting written out.

The trainer chooses betas by the name of a network, ends readers of newer shards with an error, never ends where a
reader has less than a batch, and torchrun takes its `--logs` for an option of its own: all this is worked round here.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.contract.launching import Corpus, Launch
from biasloop.errors import InvalidInput
from biasloop_clip import open_clip_launcher, published, recipes, towers

if TYPE_CHECKING:
    from biasloop_clip.shards_config import Config

ENGINE = "open_clip_train"
SCRIPT, LAUNCHER = "train.sh", "train_open_clip.py"
SEED = 0
"""As published; of weights, of the order of shards, and of parts of pictures."""
READERS = 4
"""Processes that read for each that trains, as published: batches of an epoch are rounded up to a multiple of them."""
_PRECISIONS = {"float16": "amp", "bfloat16": "amp_bf16", "float32": "fp32"}


def launch(engine: str, config: Config, corpus: Corpus) -> Launch:
    """As `contract.launching.Launching` says."""
    if engine != ENGINE:
        raise InvalidInput(f"--engine {engine}: there is no such trainer; expected {ENGINE}")
    towers.check(config.network)
    _check_weights(config)
    samples = config.epoch_samples or corpus.samples
    options = _options(config, corpus, samples)
    notes = []
    if samples != corpus.samples:
        notes.append(
            f"an epoch is {samples:,} samples by domain.epoch_samples, however many these shards have "
            f"({corpus.samples:,}); they are read again as often as it takes"
        )
    if absent := open_clip_launcher.lacking():
        install = open_clip_launcher.INSTALL
        notes.append(f"{ENGINE} needs {', '.join(absent)}, which this Python has not; type: {install}")
    launcher = Path(open_clip_launcher.__file__).read_text(encoding="utf-8")
    return Launch({SCRIPT: _script(options, corpus.gpus), LAUNCHER: launcher}, SCRIPT, tuple(notes))


def _options(config: Config, corpus: Corpus, samples: int) -> dict[str, object]:
    """Of the trainer, by name."""
    processes = max(1, corpus.gpus)
    batch, rest = divmod(config.batch_size, processes)
    if rest:
        raise InvalidInput(
            f"domain.batch_size is {config.batch_size}, which {processes} processes cannot share evenly; set a "
            f"multiple of {processes}, or resources.gpus"
        )
    transformer = None in (config.beta2, config.epsilon) and towers.is_vision_transformer(
        towers.build(config.network, read=False)
    )
    recipe = recipes.of_shards(config, samples, is_vision_transformer=transformer)
    return {
        "--model": _located(config.network),
        **_pretrained(config),
        "--dataset-type": "webdataset",
        "--train-data": braced(corpus.shards),
        "--train-num-samples": samples,
        "--batch-size": batch,
        "--workers": _readers(corpus, batch, processes),
        "--epochs": recipe.epochs,
        "--opt": recipe.optimizer,
        "--lr": recipe.learning_rate,
        "--beta1": recipe.beta1,
        "--beta2": recipe.beta2,
        "--eps": recipe.epsilon,
        "--wd": recipe.weight_decay,
        "--lr-scheduler": "cosine",
        "--warmup": config.warm_up,
        "--precision": _precision(config.precision, corpus.gpus),
        "--accum-freq": recipe.accumulation,
        "--seed": SEED,
        "--device": "cuda" if corpus.gpus else "cpu",
        "--save-frequency": 1,
        "--logs": "logs",
        "--name": corpus.name,
        "--resume": "latest",
    }


def _precision(name: str, gpus: int) -> str:
    """As the trainer calls it."""
    if name == "auto":
        name = "bfloat16" if gpus else "float32"
    if name == "float16" and not gpus:
        raise InvalidInput(
            'domain.precision is "float16", in which nothing is trained on a CPU (resources.gpus is 0); set "auto"'
        )
    return _PRECISIONS[name]


def _located(network: str) -> str:
    """A network by a name that means the same from any directory."""
    name = towers.identifier(network)
    if not name.startswith(towers.FOLDER):
        return name
    return f"{towers.FOLDER}{Path(name.removeprefix(towers.FOLDER)).resolve()}"


def _check_weights(config: Config) -> None:
    """Refuse weights that the trainer would not read, and no training at all."""
    if not config.epochs:
        raise InvalidInput("domain.epochs is 0, so that there is nothing to train; set 1 or more")
    if config.weights is None:
        return
    published.check(config.network, config.weights)
    if towers.identifier(config.network).startswith((towers.FOLDER, towers.HUB)):
        raise InvalidInput(
            f"domain.weights is {config.weights!r}, and the trainer takes weights of {config.network} from where that "
            "lies; leave domain.weights out, and put them there"
        )


def _pretrained(config: Config) -> dict[str, object]:
    """Where training begins, by a name that means the same from any directory."""
    if config.weights is None:
        return {}
    file = published.file_of(config.network, config.weights)
    return {"--pretrained": config.weights if file is None else str(file)}


def _readers(corpus: Corpus, batch: int, processes: int) -> int:
    """As many as each have a batch, whichever shards they are given; the trainer would wait forever for others."""
    sizes = sorted(corpus.shards.values())
    for readers in range(READERS, 0, -1):
        if sum(sizes[: len(sizes) // (readers * processes)]) >= batch:
            return readers
    raise InvalidInput(
        f"{processes} processes take {batch} samples a step each from shards of their own, and {len(sizes)} shards "
        f"with {corpus.samples:,} samples are too few for that; set a lower domain.batch_size or resources.gpus, or "
        "make smaller shards"
    )


def braced(names: Iterable[str]) -> str:
    """Names `00000.tar` and so on in the trainer's spelling: ranges in braces.

    Args:
        names: in their order, of five digits or more.
    """
    ranges: list[list[int]] = []
    for number in (int(name.removesuffix(".tar")) for name in names):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    spelled = (f"{first:05d}" if first == last else f"{{{first:05d}..{last:05d}}}" for first, last in ranges)
    return "::".join(f"{numbers}.tar" for numbers in spelled)


def _script(options: dict[str, object], gpus: int) -> str:
    """A file for any POSIX shell; names in it are from its own directory."""
    start = '"$PYTHON" '
    if gpus > 1:  # all behind -- is the trainer's
        start += f"-m torch.distributed.run --standalone --nproc-per-node {gpus} -- "
    told = [f"{name} {shlex.quote(str(value))}" for name, value in options.items()]
    lines = [
        "#!/bin/sh",
        f"# Trains CLIP on the shards beside this file; needs {open_clip_launcher.INSTALL}",
        "# Typed again, it goes on after the newest epoch in logs. PYTHON=... sh train.sh takes another Python.",
        "set -e",
        'CDPATH="" cd -- "$(dirname -- "$0")"',
        f'[ -n "$PYTHON" ] || PYTHON={shlex.quote(sys.executable)}',
        " \\\n    ".join([f"exec {start}{LAUNCHER}", *told]),
    ]
    return "".join(f"{line}\n" for line in lines)
