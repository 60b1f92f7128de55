"""Two processes of one program on the loopback, as a launcher starts them; and fits for them to share."""

import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path

from support import fitting_together, toy

TESTS = Path(__file__).parents[1]
LAUNCHER = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def environment(paths=(), **extra):
    """That of a person, with one thread a process."""
    return toy.environment([*paths, TESTS], {"OMP_NUM_THREADS": "1", **extra})


def launched(rank: int, port: int) -> dict[str, str]:
    """What a launcher sets."""
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def two(command, cwd: Path, env=None):
    """Starts a command twice, without a launcher that ends one when the other ends."""
    port = free_port()
    return [
        subprocess.Popen(
            command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**(env or environment()), **launched(rank, port)},
        )
        for rank in range(2)
    ]  # fmt: skip


def forked(what: str, place: Path, within: float):
    """`fitting_together` in two children of this process, which need not import again what it has; as `ended`."""
    port = free_port()
    children = [_fork(what, place, launched(rank, port), place / str(rank)) for rank in range(2)]
    codes, until = {}, time.monotonic() + within
    while len(codes) < 2:
        for child in set(children) - set(codes):
            if time.monotonic() > until:
                os.kill(child, signal.SIGKILL)
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                codes[child] = os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    assert time.monotonic() < until, "they did not end"
    said = [[place.joinpath(f"{rank}{end}").read_text() for end in (".out", ".err")] for rank in range(2)]
    return [(codes[child], *texts) for child, texts in zip(children, said, strict=True)]


def _fork(what: str, place: Path, variables: dict[str, str], said: Path) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        sys.stdout, sys.stderr = (said.with_suffix(end).open("w") for end in (".out", ".err"))
        os.environ.update(variables)
        code = fitting_together.run(what, place)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def ended(processes, within: float):
    """Exit code, stdout and stderr of each; none may outlive the time."""
    try:
        said = [process.communicate(timeout=within) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, *texts) for process, texts in zip(processes, said, strict=True)]


def together(what: str, place: Path):
    """The command of `fitting_together`."""
    return [sys.executable, "-m", "support.fitting_together", what, str(place)]


def network(seed=0, dropout=0.0):
    """A tiny network of GPT-2's shape."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.set_num_threads(1)
    shape = {"n_layer": 2, "n_embd": 16, "n_head": 2, "n_positions": 32, "vocab_size": 50}
    shape |= {"bos_token_id": 0, "eos_token_id": 0}
    drops = {"resid_pdrop": dropout, "embd_pdrop": dropout, "attn_pdrop": dropout}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return GPT2LMHeadModel(GPT2Config(**shape, **drops)).eval()


def rows(count=23, longest=7):
    """Prompts and continuations of random tokens; some continuations are empty."""
    import numpy as np

    from biasloop.datasets.tokens import ragged
    from biasloop_language.tokens import TokenRows

    rng = np.random.default_rng(0)

    def texts(shortest):
        return ragged([rng.integers(1, 50, size) for size in rng.integers(shortest, longest + 1, count)])

    return TokenRows(texts(1), texts(0))


def recipes():
    """Name, number of rows and recipe of fits; each has an update that one process has nothing to do in.

    That called "released" is to be fitted as released.
    """
    from support.fits import tuned

    plain = tuned(epochs=2, batch_size=8, learning_rate=1e-2, weight_decay=0.1)
    parts = tuned(epochs=2, batch_size=3, accumulation=3, learning_rate=1e-2)
    return [
        ("plain", 17, plain),
        ("parts", 23, parts),
        ("released", 22, parts),
    ]
