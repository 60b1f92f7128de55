"""The directory a file is fetched into: other processes, a full disk, no network."""

import errno
import os
import re
import shutil
import subprocess
import sys
import threading
from collections import namedtuple
from pathlib import Path

import pytest
from support.archives import remote, tiny
from support.servers import Reply, serving

from biasloop.datasets import fetch
from biasloop.datasets.fetching import kept
from biasloop.downloads import download, is_offline, partial
from biasloop.errors import DownloadError, SomethingToFetch
from biasloop.system.claims import alone

CONTENT = bytes(range(256)) * 1000
FETCH = """
import sys
from pathlib import Path
from biasloop.downloads import Remote, download
url, directory, size, checksum = sys.argv[1:]
print("ready", flush=True)
download(Remote("set.bin", (url,), int(size), checksum), Path(directory), notice=lambda s: print(s, flush=True))
"""
Usage = namedtuple("Usage", "total used free")


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_two_processes_that_want_the_same_file_transfer_it_once(tmp_path):
    with serving({"set.bin": Reply(CONTENT, pause=0.5)}) as server:
        wanted = remote("set.bin", CONTENT, server.url + "set.bin")
        command = [sys.executable, "-c", FETCH, *wanted.urls, str(tmp_path), str(wanted.size), wanted.checksum]
        both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        said = [process.communicate(timeout=20)[0] for process in both]
        assert [process.returncode for process in both] == [0, 0]
        assert server.asked == ["/set.bin"]
    first, second = sorted(said)
    assert first == "ready\n"
    assert re.fullmatch(r"ready\nprocess \d+ on .+ since .+ is fetching set.bin; waiting for it to finish\n", second)
    assert (tmp_path / "set.bin").read_bytes() == CONTENT
    assert names(tmp_path) == {"set.bin"}


def test_many_threads_that_want_the_same_file_transfer_it_once(tmp_path):
    """The claim is removed after each use; no waiter may hold a removed one beside a new one."""
    with serving({"set.bin": CONTENT}) as server:
        wanted = remote("set.bin", CONTENT, server.url + "set.bin")
        threads = [threading.Thread(target=download, args=(wanted, tmp_path)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert server.asked == ["/set.bin"]
    assert names(tmp_path) == {"set.bin"}


def test_who_waited_for_a_failure_goes_on_from_its_part(tmp_path, waits):
    replies = [Reply(CONTENT, cut=70_000, ranges=True), Reply(CONTENT, ranges=True)]
    with serving({"set.bin": replies}) as server:
        wanted, started = remote("set.bin", CONTENT, server.url + "set.bin"), threading.Event()
        patience = waits.patience(tries=1)

        def tell(sentence: str) -> None:
            waits.said.append(sentence)
            started.set()

        def wait_and_fail() -> None:
            with pytest.raises(DownloadError, match="only 70,000 of the 256,000"):
                download(wanted, tmp_path, notice=tell, patience=patience)
            waits.said.append("failed")

        with alone(tmp_path / "set.bin", "fetching", tell) as (claim, _):
            thread = threading.Thread(target=wait_and_fail)
            thread.start()
            assert started.wait(5)
            with partial.Partial(tmp_path / "set.bin", wanted, claim) as left:
                left.begin(wanted.urls[0], "")
                left.append(CONTENT[:50_000])
        thread.join(5)
        assert waits.said[-1] == "failed"
        assert server.ranges == ["bytes=50000-"]
    assert not (tmp_path / "set.bin").exists()  # this server's first answer ends at 70,000
    assert (tmp_path / ".set.bin.part").read_bytes() == CONTENT[:70_000]


@pytest.fixture
def free(monkeypatch):
    def say(number: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(10**12, 0, number))

    return say


def test_without_room_nothing_is_transferred(tmp_path, waits, free):
    free(255_999)
    with serving({"set.bin": CONTENT}) as server:
        with pytest.raises(DownloadError) as error:
            download(remote("set.bin", CONTENT, server.url + "set.bin"), tmp_path / "new")
        assert server.asked == []
        assert f"set.bin needs 256,000 more bytes in {tmp_path / 'new'} and 255,999 are free there" in str(error.value)
        assert list((tmp_path / "new").iterdir()) == []
        free(256_000)
        download(remote("set.bin", CONTENT, server.url + "set.bin"), tmp_path / "new")


def test_only_what_is_still_to_come_needs_room(tmp_path, waits, free):
    with serving({"set.bin": [Reply(CONTENT, cut=200_000, ranges=True), Reply(CONTENT, ranges=True)]}) as server:
        wanted = remote("set.bin", CONTENT, server.url + "set.bin")
        with pytest.raises(DownloadError):
            download(wanted, tmp_path, patience=waits.patience(tries=1))
        free(55_999)
        with pytest.raises(DownloadError, match="needs 56,000 more bytes"):
            download(wanted, tmp_path)
        free(56_000)
        download(wanted, tmp_path)


def test_a_data_set_needs_room_for_all_its_files(tmp_path, waits, free):
    with serving(tiny("mnist").files) as server:
        dataset = tiny("mnist", server.url).dataset
        free(dataset.bytes - 1)
        with pytest.raises(DownloadError, match=f"mnist needs {dataset.bytes:,} more bytes"):
            fetch(dataset, tmp_path / "deep" / "data")
        assert server.asked == []
        assert not (tmp_path / "deep").exists()
        free(dataset.bytes)
        assert len(fetch(dataset, tmp_path)) == 4


def disk_of(size: int, monkeypatch) -> None:
    """Below the writer: the disk takes so many bytes, the last of them in a short write, then no more."""
    real, left = os.write, [size]

    def write(descriptor: int, data) -> int:
        if left[0] == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = real(descriptor, bytes(data)[: left[0]])
        left[0] -= written
        return written

    monkeypatch.setattr(os, "write", write)


def test_a_disk_that_fills_up_is_named_and_what_fitted_is_continued(tmp_path, waits, free):
    with serving({"set.bin": Reply(CONTENT, ranges=True, headers=(("ETag", '"one"'),))}) as server:
        wanted = remote("set.bin", CONTENT, server.url + "set.bin")
        with pytest.MonkeyPatch.context() as patch:
            disk_of(100_001, patch)
            with pytest.raises(DownloadError) as error:
                download(wanted, tmp_path, patience=waits.patience())
        assert f"cannot write {tmp_path / 'set.bin'}: No space left on device; 256,000 bytes" in str(error.value)
        assert str(error.value).endswith("once that is mended, the same command goes on")
        assert waits.seconds == []
        assert (tmp_path / ".set.bin.part").read_bytes() == CONTENT[:100_001]
        assert download(wanted, tmp_path).read_bytes() == CONTENT
    assert server.ranges == ["", "bytes=100001-"]


def test_short_writes_lose_nothing(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, bytes(data)[:1000]))
    with serving({"set.bin": CONTENT}) as server:
        wanted = remote("set.bin", CONTENT, server.url + "set.bin")
        assert download(wanted, tmp_path).read_bytes() == CONTENT
        assert len(server.asked) == 1


LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_001, 100_001))\n" + FETCH


def test_a_kernel_that_refuses_to_write_on_is_named(tmp_path):
    with serving({"set.bin": CONTENT}) as server:
        wanted = remote("set.bin", CONTENT, server.url + "set.bin")
        command = [sys.executable, "-c", LIMITED, *wanted.urls, str(tmp_path), str(wanted.size), wanted.checksum]
        result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert result.returncode == 1
    assert f"DownloadError: cannot write {tmp_path / 'set.bin'}: File too large" in result.stderr
    assert (tmp_path / ".set.bin.part").read_bytes() == CONTENT[:100_001]


def test_a_failing_flush_publishes_nothing_and_costs_nothing(tmp_path, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with serving({"set.bin": CONTENT}) as server:
        wanted = remote("set.bin", CONTENT, server.url + "set.bin")
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(DownloadError, match="No space left on device"):
                download(wanted, tmp_path)
        assert not (tmp_path / "set.bin").exists()
        download(wanted, tmp_path)
        assert len(server.asked) == 1
    assert names(tmp_path) == {"set.bin"}


def test_a_directory_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match=f"cannot write {tmp_path / 'file' / 'set.bin'}: .*exists"):
        download(remote("set.bin", CONTENT, "http://127.0.0.1:9/x"), tmp_path / "file")


@pytest.mark.parametrize(
    ("variable", "offline"),
    [("1", True), ("true", True), ("on", True), ("0", False), ("False", False), ("no", False), ("", False)],
)
def test_the_variable_for_offline(monkeypatch, variable, offline):
    monkeypatch.setenv("BIASLOOP_OFFLINE", variable)
    assert is_offline() is offline
    assert is_offline(True)


@pytest.fixture(params=["argument", "variable"])
def offline(request, monkeypatch) -> bool:
    """Offline in both ways; whoever opens a connection or asks for a name fails."""
    import socket

    def touched(*_: object, **__: object) -> None:
        pytest.fail("the network was touched")

    for name in ("create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, touched)
    if request.param == "variable":
        monkeypatch.setenv("BIASLOOP_OFFLINE", "1")
    return request.param == "argument"


def test_offline_says_what_is_missing_and_leaves_nothing(tmp_path, offline):
    wanted = remote("set.bin", CONTENT, "http://127.0.0.1:9/set.bin")
    with pytest.raises(SomethingToFetch) as error:
        download(wanted, tmp_path / "data", offline=offline)
    assert f"set.bin (256,000 bytes) is not in {tmp_path / 'data'}" in str(error.value)
    assert f"fetch http://127.0.0.1:9/set.bin on a machine that may, and put it at {tmp_path / 'data'}" in str(
        error.value
    )
    assert not (tmp_path / "data").exists()


def test_offline_takes_what_is_there_and_local_copies(tmp_path, offline):
    wanted = remote("set.bin", CONTENT, "http://127.0.0.1:9/set.bin")
    (tmp_path / "copy").write_bytes(CONTENT)
    path = download(wanted, tmp_path / "data", offline=offline, source=(tmp_path / "copy").as_uri())
    assert path.read_bytes() == CONTENT
    assert download(wanted, tmp_path / "data", offline=offline) == path
    mixed = remote("set.bin", CONTENT, "http://127.0.0.1:9/set.bin", str(tmp_path / "copy"))
    assert download(mixed, tmp_path / "other", offline=offline).read_bytes() == CONTENT


def test_offline_a_data_set_names_every_missing_file_and_the_commands(tmp_path, offline):
    made = tiny("svhn", "http://127.0.0.1:9/")
    files = made.dataset.remotes
    with pytest.raises(SomethingToFetch) as error:
        fetch(made.dataset, tmp_path, offline=offline)
    message = str(error.value)
    assert all(f"{file.filename} ({file.size:,} bytes)" in message for file in files)
    assert "run `biasloop fetch svhn --data FOLDER` on a machine that may" in message
    assert f"then `biasloop fetch svhn --from FOLDER/svhn --data {tmp_path}`" in message
    with pytest.raises(SomethingToFetch):
        fetch(made.dataset, tmp_path, "http://127.0.0.1:9/", offline=offline)
    shelf = tmp_path / "shelf" / "svhn"
    shelf.mkdir(parents=True)
    for name, content in made.files.items():
        (shelf / name).write_bytes(content)
    assert len(fetch(made.dataset, tmp_path, str(shelf), offline=offline)) == 2
    assert fetch(made.dataset, tmp_path, offline=offline) == []


def test_bytes_kept_count_whole_and_partial_files(tmp_path, waits):
    made = tiny("svhn")
    train, test = made.files.values()
    with serving({"train_32x32.mat": train, "test_32x32.mat": Reply(test, cut=100)}) as server:
        with pytest.raises(DownloadError, match="100 bytes are kept"):
            fetch(made.dataset, tmp_path, server.url, patience=waits.patience(tries=1))
        assert kept(made.dataset, tmp_path) == len(train) + 100
