"""How many cores this process may use: its affinity, and the quota of its container."""

import os

import pytest

from biasloop.system import cores


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine of eight cores whose control groups say what the given files say."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)

    def say(files: dict[str, str]) -> int:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return cores.available(tmp_path)

    return say


def test_without_control_groups_it_is_the_affinity(machine):
    assert machine({}) == 8


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("max 100000", 8),
        ("400000 100000", 4),
        ("150000 100000", 1),
        ("50000 100000", 1),
        ("1600000 100000", 8),
        ("x", 8),
    ],
)
def test_a_quota_of_version_2_counts(machine, limit, expected):
    assert machine({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": f"{limit}\n"}) == expected


def test_the_quota_of_a_group_above_counts(machine):
    above = {"sys/fs/cgroup/a/cpu.max": "300000 100000", "sys/fs/cgroup/a/b/cpu.max": "max 100000"}
    assert machine({"proc/self/cgroup": "0::/a/b\n", **above}) == 3


@pytest.mark.parametrize(("quota", "expected"), [("-1", 8), ("200000", 2)])
def test_a_quota_of_version_1_counts(machine, quota, expected):
    group = {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": quota, "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}
    # Inside a container the group's name is that of the machine outside, and its files lie at the root.
    assert machine({"proc/self/cgroup": "2:memory:/x\n1:cpu,cpuacct:/docker/1a\n", **group}) == expected


def test_this_machine_has_cores():
    assert 1 <= cores.available() <= (os.cpu_count() or 1)
    assert 1 <= cores.physical() <= (os.cpu_count() or 1)
