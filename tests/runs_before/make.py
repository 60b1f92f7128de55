r"""Makes the runs beside this file. They are kept and not made anew: what is tested is that a later tree takes them.

They were made by the tree of commit c850e27, with what `maker.json` says, in one thread. To understand one, or to make
them anew (for another version of torch, say), check that very commit out and put it on the path, before the `tests` of
the commit that brought this file, for the rest of `support`; without names, all are made:

    PYTHONPATH=BEFORE:BEFORE/plugins:BEFORE/tests/toy_plugin/src:tests OMP_NUM_THREADS=1 python \
        tests/runs_before/make.py images language

Every folder has a preset, what it needs, and some of these directories of a run of it:

    unbroken   three rounds in one go
    finished   two rounds, all that were asked for; more can be asked for
    stopped    one round of three, then Ctrl-C: what the program leaves when it ends between two rounds
    within     Ctrl-C inside the second round, after the first checkpoint of a fit, with finished calls kept as well;
               `within-classifier` of generators likewise, in the fit that comes second

Ctrl-C is a real SIGINT to this process, at an instant chosen by what is written to the run; nothing else of the
program is changed, but for the name of the host and, of generators, the networks (`support/small_generators.py`).
"""

import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from support import arithmetic, small_generators, toy
from typer.testing import CliRunner

from biasloop.cli.main import app
from biasloop.store.writer import RunWriter

HERE = Path(__file__).parent
FINISHED, STOPPED, WITHIN = "finished", "stopped", "within"
# Of every folder the runs besides the unbroken one, and of those within a round the call whose checkpoint is the last.
RUNS: dict[str, dict[str, str]] = {
    "images": {FINISHED: "", STOPPED: "", WITHIN: "round-0001/fit"},
    "images-sampled": {WITHIN: "round-0001/fit"},
    "generators": {
        FINISHED: "", STOPPED: "", WITHIN: "round-0001/generator", f"{WITHIN}-classifier": "round-0001/classifier",
    },
    "language": {FINISHED: "", STOPPED: "", WITHIN: "round-0001/fit"},
    "command": {FINISHED: "", STOPPED: ""},
    "toy": {FINISHED: "", STOPPED: "", WITHIN: "round-0001/fit"},
}  # fmt: skip


def main(names: list[str]) -> None:
    """Make the runs of these folders, or of all."""
    torch.set_num_threads(1)
    small_generators.put_in(setattr)
    with tempfile.TemporaryDirectory() as installed, mock.patch.object(socket, "gethostname", lambda: "maker"):
        sys.path.insert(0, str(toy.declare(Path(installed), "biasloop-toy", "toy", "biasloop_toy:ToyDomain")))
        for name in names or list(RUNS):
            make_inputs(name)
            make_runs(name)
    (HERE / "maker.json").write_text(json.dumps(arithmetic.described(), indent=1) + "\n")


def make_inputs(name: str) -> None:
    """What a preset needs and nobody has written by hand: pictures, a network of random weights."""
    if name == "generators":
        draws = np.random.default_rng(0)
        labels = np.arange(120) % 10
        coarse = draws.integers(0, 60, (120, 4, 4)) + 20 * labels[:, None, None]  # (pictures, 4, 4)
        pictures = np.kron(coarse, np.ones((7, 7))).astype(np.uint8)  # (pictures, 28, 28)
        np.savez_compressed(HERE / name / "pictures.npz", images=pictures, labels=labels)
    if name == "language":
        rows = [json.loads(line) for line in (HERE / name / "texts.jsonl").read_text().splitlines()]
        make_network(HERE / name / "network", [row["prompt"] + row.get("continuation", "") for row in rows])


def make_network(directory: Path, texts: list[str]) -> None:
    """A random network of GPT-2's shape, 8 wide, with a vocabulary learnt from the texts."""
    from transformers import GPT2Config, GPT2LMHeadModel

    from biasloop_language.encoder import train

    shutil.rmtree(directory, ignore_errors=True)
    encoder = train(texts, 300)
    torch.manual_seed(0)
    shape = {"n_layer": 1, "n_embd": 8, "n_head": 2, "n_positions": 48, "initializer_range": 0.3}
    ends = {"bos_token_id": encoder.eos, "eos_token_id": encoder.eos}
    GPT2LMHeadModel(GPT2Config(vocab_size=encoder.size, **shape, **ends)).save_pretrained(directory)
    (directory / "model.safetensors").chmod(0o644)
    encoder.inner.save(str(directory / "tokenizer.json"))


def make_runs(name: str) -> None:
    """All directories of a folder, each with an empty data directory."""
    os.chdir(HERE / name)
    loop("unbroken")
    for out, call in RUNS[name].items():
        if out == FINISHED:
            loop(out, "--set", "loop.rounds=2")
        elif out == STOPPED:
            with interrupted("commit", "round-0000"):
                loop(out, code=130)
        else:
            with interrupted("put_partial", call):
                loop(out, "--checkpoint", "0", code=130)


def loop(out: str, *arguments: str, code: int = 0) -> None:
    """One call of the program, in this process."""
    shutil.rmtree(out, ignore_errors=True)
    with tempfile.TemporaryDirectory() as data:
        words = ["loop", "-p", "preset.toml", "--out", out, "--data", data, "--threads", "1", "--device", "cpu"]
        result = CliRunner().invoke(app, [*words, *arguments])
    if result.exit_code != code:
        sys.exit(f"{out}: exit code {result.exit_code} and not {code}\n{result.output}{result.exception!r}")


@contextmanager
def interrupted(method: str, key: str) -> Iterator[None]:
    """Ctrl-C right after a step was committed, or a checkpoint kept, for the first time under that name."""
    before, sent = getattr(RunWriter, method), []

    def then_interrupt(writer: RunWriter, name: str, *arguments: object) -> object:
        answer = before(writer, name, *arguments)
        if name == key and not sent:
            sent.append(name)
            os.kill(os.getpid(), signal.SIGINT)
        return answer

    with mock.patch.object(RunWriter, method, then_interrupt):
        yield


if __name__ == "__main__":
    main(sys.argv[1:])
