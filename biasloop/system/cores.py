"""How many CPU cores this process may use: those of the machine that it was given, as far as its container allows."""

import os
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")


def available(root: Path = _ROOT) -> int:
    """Cores that the system lets this process use, at least one: its affinity, and the CPU quota of its container.

    A container of 1.5 cores has one: a second run would take what the first needs.

    Args:
        root: where `proc` and `sys` lie.
    """
    return max(1, int(min([float(_usable()), *_quotas(root)])))


def physical() -> int:
    """Cores without their second hardware threads, of those that this process was given; at least one."""
    cores = {_siblings(number) for number in _affinity()}
    return len(cores) or available()


def _usable() -> int:
    return len(_affinity()) or os.cpu_count() or 1


def _affinity() -> set[int]:
    """Numbers of the logical cores that this process may run on; none where the system does not say."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def _siblings(number: int) -> str:
    """The hardware threads of the core that a logical core belongs to, as the system writes them."""
    topology = Path(f"/sys/devices/system/cpu/cpu{number}/topology")
    return _text(topology / "thread_siblings_list") or _text(topology / "core_cpus_list") or str(number)


def _quotas(root: Path) -> Iterator[float]:
    """CPU seconds a second that control groups allow this process, of each that has a limit."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
        inside = Path(group.lstrip("/"))
        # A container sees its own group at the root, whatever it is called outside.
        for directory in [mount / inside, *(mount / above for above in inside.parents)]:
            yield from _quota_of(directory)


def _quota_of(directory: Path) -> Iterator[float]:
    """The limit of one group, in the words of version 2 ("150000 100000", "max 100000") or of version 1."""
    words = _text(directory / "cpu.max").split() or [
        _text(directory / "cpu.cfs_quota_us"),
        _text(directory / "cpu.cfs_period_us"),
    ]
    if len(words) == 2 and all(word.isdecimal() and int(word) for word in words):  # -1 and "max" are no limit
        yield int(words[0]) / int(words[1])


def _text(path: Path) -> str:
    """What a file of the system says; nothing if it is not there or may not be read."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""
