"""Which device to compute on, with how many threads, and torch's own random state kept out of the way."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch.utils import deterministic

from biasloop.contract.data import Array
from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput
from biasloop.system import launcher
from biasloop.system.threads import check as check_threads


def resolve(name: str) -> torch.device:
    """The device of that name.

    Args:
        name: "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:N".

    Raises:
        InvalidInput: if the name means nothing to torch, or this machine has no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InvalidInput(f'no device is called {name!r}; use "auto", "cpu", "cuda" or "cuda:0"') from error
    if device.type not in {"cpu", "cuda"}:
        raise InvalidInput(f'device {name!r} is not supported; use "auto", "cpu" or "cuda"')
    if device.type == "cpu":
        return torch.device("cpu")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    index = device.index or 0
    if index >= count:
        raise InvalidInput(f'device {name!r} is not here (torch sees {count} GPUs); use "auto" or "cpu"')
    return torch.device("cuda", index)


def of_process(name: str) -> torch.device:
    """The device of that name; of several processes, this one's, if there is one for each.

    Raises:
        InvalidInput: there is none, or there are fewer than processes.
    """
    device = resolve(name)
    if device.type != "cuda" or launcher.count() == 1:
        return device
    if device.index:
        raise InvalidInput(
            f"--device {device} is one GPU, but {launcher.count()} processes were launched and each takes its own; "
            "use --device auto"
        )
    if launcher.here() > torch.cuda.device_count():
        raise InvalidInput(
            f"{launcher.here()} processes were launched here, but there are {torch.cuda.device_count()} GPUs; "
            "launch as many processes as GPUs, or use --device cpu"
        )
    return device


def describe(device: torch.device) -> str:
    """The device and, of a GPU, its model: what must be the same for the same bits."""
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


def environment(device: torch.device, threads: int, processes: int = 1) -> dict[str, str]:
    """What a domain says that it computes on, which is compared when a run goes on.

    Args:
        device: as `resolve` gives it.
        threads: CPU threads; 0 leaves torch's choice, which is what is said.
        processes: how many compute together.
    """
    with computing(threads):
        said = {"device": describe(device), "threads": str(torch.get_num_threads())}
    if processes == 1:
        return said
    # With the device, since sums of several have other last bits.
    return said | {"device": f"{said['device']}, {processes} processes", "processes": str(processes)}


@contextmanager
def computing(threads: int) -> Iterator[None]:
    """Thread count and deterministic algorithms for what runs inside; what was set before comes back.

    Operations without a deterministic algorithm run with a warning. cuDNN does not time its alternatives,
    since the choice would differ between runs, and its convolutions of float32 have all bits (no TF32): else a
    label could depend on the size of the batch that it was predicted in.

    Args:
        threads: CPU threads; 0 leaves torch's choice.

    Raises:
        InvalidInput: if there cannot be so many threads.
    """
    check_threads(threads)
    # Read when CUDA starts; without it cuBLAS may give other bits in another run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.get_num_threads()
    mode = torch.get_deterministic_debug_mode()
    fill = deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    timing, short = torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32
    try:
        if threads:
            torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode("warn")  # use_deterministic_algorithms imports a compiler: 2 s
        deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined] # costs time, hides nothing
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.allow_tf32 = False
        yield
    finally:
        torch.set_num_threads(before)
        torch.set_deterministic_debug_mode(mode)
        deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
        torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = timing, short


@contextmanager
def seeded(streams: Streams, device: torch.device) -> Iterator[None]:
    """Torch's global generators start from a stream inside, and are as before outside.

    For what takes no generator of its own: initial weights, dropout.

    Args:
        streams: where the seed comes from.
        device: whose generator is saved, besides the CPU's.
    """
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        # torch.manual_seed would also seed every GPU, and later those that CUDA has not started yet.
        torch.default_generator.manual_seed(streams.seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(streams.seed)
        yield


def generator(streams: Streams, device: torch.device) -> torch.Generator:
    """A generator of its own, on a device, seeded by a stream."""
    return torch.Generator(device).manual_seed(streams.seed)


def random_state(device: torch.device) -> dict[str, Array]:
    """Where torch's global generators are: "cpu", and of a GPU "cuda", as bytes; the host waits for nothing."""
    states = {"cpu": torch.default_generator.get_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return {name: state.numpy().copy() for name, state in states.items()}


def set_random_state(device: torch.device, states: Mapping[str, Array]) -> None:
    """Puts torch's global generators back to where they were."""
    torch.default_generator.set_state(torch.from_numpy(np.array(states["cpu"])))
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(torch.from_numpy(np.array(states["cuda"])), device)
