"""Runs experiments, each command in a process of its own that is forked, so that no library is imported twice."""

import importlib.util
import json
import os
import runpy
import shutil
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from ..toy import declare
from .digest import lines_of
from .experiments import COMMAND, TOY, Experiment

TREE = Path(__file__).parents[3]
PLUGIN = Path(__file__).parent / "plugin"
PLUGINS = {"toy": "biasloop_toy:ToyDomain", "weighted-images": "weighted_images:WeightedImages"}
WITHIN = 120  # seconds that a command may take


def preload(experiments: Iterable[Experiment]) -> None:
    """Import what most experiments need; nothing that starts threads, and nothing of the program."""
    if all(experiment.preset in {TOY, COMMAND} for experiment in experiments):
        return
    import h5py  # noqa: F401
    import torch
    import torchvision  # noqa: F401
    from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel  # noqa: F401

    torch.set_num_threads(1)


def run(experiments: Iterable[Experiment], source: Path, jobs: int = 1) -> Iterator[tuple[str, list[str]]]:
    """Name and lines of each experiment, in their order; no lines where the program fails, which is said on stderr.

    Args:
        experiments: what to run.
        source: the folder with `biasloop/`, `plugins/` and `tests/toy_plugin/`.
        jobs: how many to run at once.
    """
    if "biasloop" in sys.modules:
        raise RuntimeError("this process has imported a biasloop, and its children would run that one")
    with tempfile.TemporaryDirectory(prefix="guard-") as folder:
        waiting, running = [(experiment, Path(folder) / experiment.name) for experiment in experiments], {}
        begun = iter(waiting)
        for experiment, place in waiting:
            while not (place / "ended").exists():
                while len(running) < jobs and (following := next(begun, None)):
                    running[_forked(partial(_study, *following, source))] = following[1]
                child, status = os.wait()
                ended = running.pop(child)
                if status:
                    print(f"{ended.name} failed on {source}:\n{_said(ended)}", file=sys.stderr)
                (ended / "ended").touch()
            lines = place / "lines.json"
            yield experiment.name, json.loads(lines.read_text()) if lines.exists() else []
            shutil.rmtree(place / "work")


def _study(experiment: Experiment, place: Path, source: Path) -> None:
    """Make the data, run the commands, and leave the lines."""
    work = place / "work"
    work.mkdir(parents=True)
    for build in experiment.build:
        build(work)
    (work / f"{experiment.name}.toml").write_text(experiment.preset)
    installed = place / "installed"
    for name, target in PLUGINS.items():
        declare(installed, f"guard-{name}", name, target)
    sets = [word for change in experiment.sets for word in ("--set", change)]
    for words in experiment.commands:
        command = ["loop", "--preset", f"./{experiment.name}.toml", "--out", "out", "--data", "data", "--device", "cpu",
                   "--threads", "1", "--keep-models", *sets, *words]  # fmt: skip
        program = partial(_program, command, work, installed, source)
        _await([_forked(partial(program, variables)) for variables in _launched(experiment.processes)])
    (place / "lines.json").write_text(json.dumps(lines_of(work / "out")))


def _program(command: list[str], work: Path, installed: Path, source: Path, variables: dict[str, str]) -> None:
    """`python -m biasloop ...` of the tree."""
    os.chdir(work)
    for name in [name for name in os.environ if name.startswith("BIASLOOP_")]:
        del os.environ[name]
    paths = [installed, PLUGIN, source, source / "plugins", source / "tests" / "toy_plugin" / "src"]
    os.environ.update(variables, PYTHONPATH=os.pathsep.join(map(str, paths)))
    number = variables.get("RANK", "0")
    for stream, end in ((1, "out"), (2, "err")):
        descriptor = os.open(work / f"{number}.{end}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, stream)
    sys.path[:0] = [str(work), *map(str, paths)]  # the first is what `-m` puts there, and the program takes away
    origin = Path(importlib.util.find_spec("biasloop").origin).resolve()
    assert origin.is_relative_to(source.resolve()), f"{origin} is not of {source}"
    sys.argv = ["biasloop", *command]
    runpy.run_module("biasloop", run_name="__main__", alter_sys=True)


def _launched(processes: int) -> list[dict[str, str]]:
    """What a launcher tells each process; nothing to one alone."""
    if processes == 1:
        return [{}]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    count = str(processes)
    shared = {"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [{**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]


def _forked(act: Callable[[], None]) -> int:
    """A child that does something and ends: with 0 unless it raises or leaves with another code."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        act()
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _await(children: list[int]) -> None:
    """Wait for all; leave with 1 if one fails or takes too long."""
    until, left = time.monotonic() + WITHIN, set(children)
    while left:
        for child in list(left):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                left.remove(child)
                if status:
                    raise SystemExit(1)
        if time.monotonic() > until:
            for child in left:
                os.kill(child, 9)
            raise SystemExit(1)
        time.sleep(0.005)


def _said(place: Path) -> str:
    """The end of what the program said on stderr."""
    return "\n".join(path.read_text(errors="replace")[-3000:] for path in sorted((place / "work").glob("*.err")))
