import hashlib
import os
from pathlib import Path

import pytest
from support.archives import remote
from support.servers import Reply, serving

from biasloop.downloads import Patience, Remote, download
from biasloop.errors import DownloadError

CONTENT = bytes(range(256)) * 1000


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_file_arrives_whole_and_progress_ends_at_its_size(tmp_path, algorithm):
    told: list[tuple[int, int]] = []
    with serving({"a/set.bin": CONTENT}) as server:
        wanted = remote("set.bin", CONTENT, server.url + "a/set.bin", algorithm=algorithm)
        path = download(wanted, tmp_path / "new" / "folder", progress=lambda *step: told.append(step))
    assert path == tmp_path / "new" / "folder" / "set.bin"
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == ["set.bin"]
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert len(told) > 2
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_mirrors_are_tried_in_order_until_one_is_right(tmp_path):
    with serving({"bad/set.bin": CONTENT[:-1] + b"!", "good/set.bin": CONTENT, "late/set.bin": CONTENT}) as server:
        urls = [f"{server.url}{place}/set.bin" for place in ("gone", "bad", "good", "late")]
        path = download(remote("set.bin", CONTENT, *urls), tmp_path)
        assert server.asked == ["/gone/set.bin", "/bad/set.bin", "/good/set.bin"]
    assert path.read_bytes() == CONTENT


def test_a_wrong_checksum_shows_both(tmp_path):
    wrong = b"x" + CONTENT[1:]
    with serving({"set.bin": wrong}) as server, pytest.raises(DownloadError) as error:
        download(remote("set.bin", CONTENT, server.url + "set.bin"), tmp_path)
    assert f"its checksum is sha256:{hashlib.sha256(wrong).hexdigest()}" in str(error.value)
    assert f"expected sha256:{hashlib.sha256(CONTENT).hexdigest()}" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_slow_server_is_waited_for(tmp_path):
    with serving({"set.bin": Reply(CONTENT, pause=0.2)}) as server:
        wanted = remote("set.bin", CONTENT, server.url + "set.bin")
        assert download(wanted, tmp_path, patience=Patience(timeout=5, tries=1)).read_bytes() == CONTENT


def test_a_file_that_is_there_is_not_fetched(tmp_path):
    (tmp_path / "set.bin").write_bytes(CONTENT)
    with serving({"set.bin": CONTENT}) as server:
        download(remote("set.bin", CONTENT, server.url + "set.bin"), tmp_path)
        assert server.asked == []


def test_a_file_published_nowhere(tmp_path):
    with pytest.raises(DownloadError, match="it is published nowhere"):
        download(remote("set.bin", CONTENT), tmp_path)


def test_an_empty_file(tmp_path):
    with serving({"set.bin": b""}) as server:
        assert download(remote("set.bin", b"", server.url + "set.bin"), tmp_path).read_bytes() == b""
    assert [path.name for path in tmp_path.iterdir()] == ["set.bin"]


def test_a_failure_keeps_the_file_that_was_there_and_success_replaces_it(tmp_path):
    (tmp_path / "set.bin").write_bytes(b"old")
    with serving({"set.bin": CONTENT, "bad.bin": CONTENT[1:]}) as server:
        with pytest.raises(DownloadError):
            download(remote("set.bin", CONTENT, server.url + "bad.bin"), tmp_path)
        assert (tmp_path / "set.bin").read_bytes() == b"old"
        download(remote("set.bin", CONTENT, server.url + "set.bin"), tmp_path)
    assert (tmp_path / "set.bin").read_bytes() == CONTENT


def test_until_the_end_the_file_is_under_other_names(tmp_path):
    seen: list[set[str]] = []
    with serving({"set.bin": CONTENT}) as server:
        look = lambda *_: seen.append({path.name for path in tmp_path.iterdir()})  # noqa: E731
        download(remote("set.bin", CONTENT, server.url + "set.bin"), tmp_path, progress=look)
    assert seen
    assert all(names == {".set.bin.part", ".set.bin.part.json", ".set.bin.claim-1"} for names in seen)


def test_an_interruption_keeps_what_has_come_and_nothing_else(tmp_path):
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with serving({"set.bin": CONTENT}) as server, pytest.raises(KeyboardInterrupt):
        download(remote("set.bin", CONTENT, server.url + "set.bin"), tmp_path, progress=interrupt)
    part = (tmp_path / ".set.bin.part").read_bytes()
    assert part
    assert CONTENT.startswith(part)
    assert {path.name for path in tmp_path.iterdir()} == {".set.bin.part", ".set.bin.part.json"}


def test_bytes_are_on_disk_before_the_name_appears(tmp_path, monkeypatch):
    calls: list[str] = []
    flush, rename = os.fsync, Path.replace

    def fsync(descriptor):
        calls.append("fsync")
        flush(descriptor)

    def replace(self, target):
        calls.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    with serving({"set.bin": CONTENT}) as server:
        download(remote("set.bin", CONTENT, server.url + "set.bin"), tmp_path)
    assert calls == ["rename", "fsync", "rename", "fsync"]  # the first is the sidecar's


def test_from_a_path_a_directory_or_a_url(tmp_path):
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    (shelf / "set.bin").write_bytes(CONTENT)
    (shelf / "renamed").write_bytes(CONTENT)
    wanted = remote("set.bin", CONTENT, "http://127.0.0.1:9/never-asked")
    with serving({"m/set.bin": CONTENT, "other?id=1": CONTENT}) as server:
        sources = [
            shelf,
            shelf / "set.bin",
            shelf / "renamed",
            (shelf / "renamed").as_uri(),
            f"{shelf.as_uri()}/",
        ]
        urls = [f"{server.url}m/", f"{server.url}m/set.bin", f"{server.url}other?id=1"]
        for number, source in enumerate([*map(str, sources), *urls]):
            path = download(wanted, tmp_path / str(number), source=source)
            assert path.name == "set.bin"
            assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("absent.bin", "No such file"),
        ("ftp://127.0.0.1/x", "ftp:// is not http"),
        ("data://x", "data:// is not"),
    ],
)
def test_from_a_place_that_does_not_have_it(tmp_path, source, reason):
    with pytest.raises(DownloadError, match=reason):
        download(remote("set.bin", CONTENT), tmp_path, source=source)
    assert list(tmp_path.iterdir()) == []


def test_from_a_local_copy_of_another_size(tmp_path):
    (tmp_path / "copy").write_bytes(b"short")
    with pytest.raises(DownloadError, match="copy: it has 5 bytes, expected 256,000"):
        download(remote("set.bin", CONTENT), tmp_path / "out", source=str(tmp_path / "copy"))


def test_from_a_damaged_local_copy(tmp_path):
    (tmp_path / "copy").write_bytes(CONTENT[::-1])
    with pytest.raises(DownloadError, match="its checksum is sha256:"):
        download(remote("set.bin", CONTENT), tmp_path / "out", source=str(tmp_path / "copy"))
    assert list((tmp_path / "out").iterdir()) == []


def test_same_size_and_intact(tmp_path):
    path, wanted = tmp_path / "set.bin", remote("set.bin", CONTENT)
    assert not wanted.same_size(path)
    assert not wanted.intact(path)
    path.write_bytes(CONTENT[::-1])
    assert wanted.same_size(path)
    assert not wanted.intact(path)
    path.write_bytes(CONTENT)
    assert wanted.intact(path)


@pytest.mark.parametrize("filename", ["", ".", "..", "a/b", "/etc/passwd"])
def test_a_remote_names_a_bare_file(filename):
    with pytest.raises(ValueError, match="bare name"):
        Remote(filename, (), 1, "md5:" + "0" * 32)


@pytest.mark.parametrize("checksum", ["", "sha256:", "sha256:" + "0" * 63, "md5:" + "g" * 32, "crc:" + "0" * 32])
def test_a_remote_has_a_known_checksum(checksum):
    with pytest.raises(ValueError, match="is not sha256"):
        Remote("set.bin", (), 1, checksum)
