"""A fetch in a process of its own, killed or interrupted in the middle, and the one that goes on."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.archives import remote
from support.servers import Reply, serving

from biasloop.datasets import get
from biasloop.downloads import download

CONTENT = os.urandom(300_000)
FETCH = """
import sys
from pathlib import Path
from biasloop.downloads import Remote, download
url, directory, size, checksum = sys.argv[1:]
download(Remote("set.bin", (url,), int(size), checksum), Path(directory))
"""


def wait_for(path: Path, size: int, process: subprocess.Popen) -> None:
    """Until the file has so many bytes."""
    end = time.monotonic() + 20
    while not (path.exists() and path.stat().st_size >= size):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_killed_fetch_is_continued_at_its_last_byte(tmp_path, waits):
    replies = [Reply(CONTENT, pause=60, ranges=True), Reply(CONTENT, ranges=True)]
    with serving({"set.bin": replies}) as server:
        wanted = remote("set.bin", CONTENT, server.url + "set.bin")
        command = [sys.executable, "-c", FETCH, *wanted.urls, str(tmp_path), str(wanted.size), wanted.checksum]
        process = subprocess.Popen(command)
        wait_for(tmp_path / ".set.bin.part", 150_000, process)
        process.send_signal(signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
        assert not (tmp_path / "set.bin").exists()
        path = download(wanted, tmp_path, notice=waits.said.append)
        assert path.read_bytes() == CONTENT
    assert server.ranges == ["", "bytes=150000-"]
    assert waits.said == ["set.bin: going on after 150,000 of 300,000 bytes"]  # and nobody was waited for
    assert [p.name for p in tmp_path.iterdir()] == ["set.bin"]


def fetching(url: str, data: Path, *more: str, **environment: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "biasloop", "fetch", "cifar100", "--from", url, "--data", str(data), *more]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_command_says_what_is_kept_and_the_next_one_goes_on(tmp_path, number, code):
    size = get("cifar100").bytes
    part = tmp_path / "cifar100" / ".cifar-100-binary.tar.gz.part"
    replies = [Reply(CONTENT, announced=size, pause=60), Reply(b"", 404)]
    with serving({"set": replies}) as server:
        process = fetching(server.url + "set", tmp_path)
        wait_for(part, 150_000, process)
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out) == (code, "")
        assert f"stopped; 150,000 of {size:,} bytes of cifar100 are kept in {tmp_path / 'cifar100'}" in err
        assert err.endswith(
            "the same command goes on from there:\n"
            f"  biasloop fetch cifar100 --from {server.url}set --data {tmp_path}\n"
        )
        assert part.read_bytes() == CONTENT[:150_000]
        again = fetching(server.url + "set", tmp_path)
        _, err = again.communicate(timeout=10)
        assert again.returncode == 1
        assert "HTTP 404" in err
        assert "150,000 bytes are kept" in err
    assert server.ranges == ["", "bytes=150000-"]


def test_a_command_that_waits_for_another_says_so_and_can_be_interrupted(tmp_path):
    size = get("cifar100").bytes
    with serving({"set": Reply(CONTENT, announced=size, pause=60)}) as server:
        first = fetching(server.url + "set", tmp_path)
        wait_for(tmp_path / "cifar100" / ".cifar-100-binary.tar.gz.part", 150_000, first)
        second = fetching(server.url + "set", tmp_path)
        assert second.stderr is not None
        assert re.fullmatch(r"cifar100: [0-9.]+ MB to get\n", second.stderr.readline())
        line = second.stderr.readline()
        said = rf"process {first.pid} on .+ since .+ is fetching cifar-100-binary.tar.gz; waiting for it to finish\n"
        assert re.fullmatch(said, line)
        second.send_signal(signal.SIGINT)
        assert second.wait(10) == 130
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=10)
        assert first.returncode == 130
        second.communicate()
    assert len(server.asked) == 1


@pytest.mark.parametrize("how", ["option", "variable"])
def test_an_offline_command_names_what_is_missing_and_exits_3(tmp_path, how):
    with serving({}) as server:
        extra = ("--offline",) if how == "option" else ()
        environment = {} if how == "option" else {"BIASLOOP_OFFLINE": "1"}
        process = fetching(server.url, tmp_path, *extra, **environment)
        _, err = process.communicate(timeout=10)
        assert process.returncode == 3
        assert "lacks cifar-100-binary.tar.gz (168,513,733 bytes)" in err
        assert "`biasloop fetch cifar100 --data FOLDER`" in err
        assert server.asked == []
