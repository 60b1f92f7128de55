import hashlib
import os
import tarfile
from pathlib import Path

import pytest
from support.archives import remote, special, tar_gz
from support.servers import Reply, serving

from biasloop import downloads
from biasloop.downloads import Remote, download, unpack
from biasloop.errors import DownloadError

CONTENT = bytes(range(256)) * 1000
HTML = b"<!DOCTYPE html>\n<html><body>sign in first</body></html>"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def fails(directory: Path, reply, **how) -> str:
    """The message of a download that has to fail and to leave nothing."""
    with serving({"set.bin": reply} if reply is not None else {}) as server:
        with pytest.raises(DownloadError) as error:
            download(remote("set.bin", CONTENT, server.url + "set.bin"), directory, **how)
        assert server.url + "set.bin" in str(error.value)
    assert list(directory.iterdir()) == []
    assert f"put a copy at {directory / 'set.bin'}" in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


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


def test_when_all_mirrors_fail_each_is_named_with_its_reason(tmp_path):
    with serving({"a": Reply(b"", 500), "b": CONTENT[:100]}) as server:
        wanted = remote("set.bin", CONTENT, server.url + "a", server.url + "b")
        with pytest.raises(DownloadError) as error:
            download(wanted, tmp_path)
    assert f"{server.url}a: HTTP 500" in str(error.value)
    assert f"{server.url}b: only 100 of the 256,000 bytes expected came" in str(error.value)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (None, "HTTP 404 Not Found"),
        (Reply(b"oops", 500), "HTTP 500 Internal Server Error"),
        (Reply(CONTENT[:1000], announced=len(CONTENT)), "only 1,000 of the 256,000 bytes expected came"),
        (Reply(CONTENT[:1000], announced=-1), "only 1,000 of the 256,000 bytes expected came"),
        (b"", "only 0 of the 256,000 bytes expected came"),
        (CONTENT + b"x", "more than the 256,000 bytes expected came"),
        (Reply(HTML, media="text/html"), "an HTML page came instead of the 256,000 bytes expected"),
        (Reply(HTML), "an HTML page came"),
        (Reply(b"\n " + HTML.lower()), "an HTML page came"),
        (Reply(b"<!-- ads --><html>", media="text/html; charset=utf-8"), "an HTML page came"),
        (Reply(b"", 302, location="ftp://127.0.0.1/set.bin"), "ftp"),
        (Reply(b"", 302, location="file:///etc/hostname"), "HTTP 302"),
    ],
)
def test_what_goes_wrong_is_said_and_nothing_is_left(tmp_path, reply, reason):
    assert reason in fails(tmp_path, reply)


def test_a_wrong_checksum_shows_both(tmp_path):
    wrong = b"x" + CONTENT[1:]
    message = fails(tmp_path, wrong)
    assert f"its checksum is sha256:{hashlib.sha256(wrong).hexdigest()}" in message
    assert f"expected sha256:{hashlib.sha256(CONTENT).hexdigest()}" in message


def test_a_body_without_end_is_cut_off(tmp_path):
    told: list[int] = []
    fails(tmp_path, Reply(CONTENT * 20, announced=-1), progress=lambda done, total: told.append(done))
    assert 0 < max(told) <= len(CONTENT)


def test_a_silent_server_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "TIMEOUT", 0.2)
    assert "the server was silent for 0.2 s" in fails(tmp_path, Reply(CONTENT, pause=30))


def test_a_slow_server_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "TIMEOUT", 5)
    with serving({"set.bin": Reply(CONTENT, pause=0.2)}) as server:
        assert download(remote("set.bin", CONTENT, server.url + "set.bin"), tmp_path).read_bytes() == CONTENT


def test_a_server_that_is_not_there(tmp_path):
    with serving({}) as server:
        pass
    with pytest.raises(DownloadError, match=r"(?i)refused"):
        download(remote("set.bin", CONTENT, server.url + "set.bin"), tmp_path)


def test_a_failure_keeps_the_file_that_was_there_and_success_replaces_it(tmp_path):
    (tmp_path / "set.bin").write_bytes(b"old")
    with serving({"set.bin": CONTENT, "bad.bin": CONTENT[1:]}) as server:
        with pytest.raises(DownloadError):
            download(remote("set.bin", CONTENT, server.url + "bad.bin"), tmp_path)
        assert (tmp_path / "set.bin").read_bytes() == b"old"
        download(remote("set.bin", CONTENT, server.url + "set.bin"), tmp_path)
    assert (tmp_path / "set.bin").read_bytes() == CONTENT


def test_until_the_end_the_file_is_under_a_temporary_name_with_the_process(tmp_path):
    seen: list[list[str]] = []
    with serving({"set.bin": CONTENT}) as server:
        look = lambda *_: seen.append([p.name for p in tmp_path.iterdir()])  # noqa: E731
        download(remote("set.bin", CONTENT, server.url + "set.bin"), tmp_path, progress=look)
    assert all(len(names) == 1 and names != ["set.bin"] and str(os.getpid()) in names[0] for names in seen)


def test_an_interruption_leaves_nothing(tmp_path):
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with serving({"set.bin": CONTENT}) as server, pytest.raises(KeyboardInterrupt):
        download(remote("set.bin", CONTENT, server.url + "set.bin"), tmp_path, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


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
    assert calls == ["fsync", "rename", "fsync"]


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with serving({"set.bin": CONTENT}) as server, pytest.raises(DownloadError) as error:
        download(remote("set.bin", CONTENT, server.url + "set.bin"), tmp_path)
    assert f"cannot write {tmp_path / 'set.bin'}: No space left on device; 256,000 bytes" in str(error.value)
    assert list(tmp_path.iterdir()) == []


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


def archive(tmp_path: Path, members) -> Path:
    path = tmp_path / "set.tar.gz"
    path.write_bytes(tar_gz(members))
    return path


def refused(tmp_path: Path, path: Path, limit_bytes: int = 10**6, limit_members: int = 100) -> str:
    """The message of an unpacking that has to fail and to leave nothing."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DownloadError) as error:
        unpack(path, tmp_path / "out", limit_bytes, limit_members)
    assert sorted(tmp_path.rglob("*")) == before
    assert str(path) in str(error.value)
    return str(error.value)


def test_unpacking(tmp_path):
    path = archive(tmp_path, {"a": special("a", tarfile.DIRTYPE), "a/one.txt": b"1", "b/two.bin": CONTENT})
    target = unpack(path, tmp_path / "deep" / "out", len(CONTENT) + 1, 3)
    assert (target / "a" / "one.txt").read_bytes() == b"1"
    assert (target / "b" / "two.bin").read_bytes() == CONTENT
    assert [p.name for p in target.parent.iterdir()] == ["out"]


def test_unpacking_does_not_touch_what_is_there(tmp_path):
    (tmp_path / "out").mkdir()
    assert "is there already" in refused(tmp_path, archive(tmp_path, {"one": b"1"}))


@pytest.mark.parametrize(
    "member",
    [
        tarfile.TarInfo("../evil"),
        tarfile.TarInfo("a/../../evil"),
        tarfile.TarInfo("/tmp/evil"),
        special("evil", tarfile.SYMTYPE, "/etc/passwd"),
        special("evil", tarfile.SYMTYPE, "ok"),
        special("evil", tarfile.LNKTYPE, "ok"),
        special("evil", tarfile.CHRTYPE),
        special("evil", tarfile.FIFOTYPE),
    ],
    ids=lambda member: f"{member.name}:{member.type.decode()}:{member.linkname}",
)
def test_a_hostile_member_is_refused_by_name(tmp_path, member):
    message = refused(tmp_path, archive(tmp_path, {"ok": b"fine", "evil": member}))
    assert f"its member {member.name!r}" in message


def test_special_permissions_are_not_unpacked(tmp_path):
    program = tarfile.TarInfo("program")
    program.mode = 0o6777
    target = unpack(archive(tmp_path, {"program": program}), tmp_path / "out", 10, 10)
    assert (target / "program").stat().st_mode & 0o7022 == 0


def test_a_bomb_is_stopped_at_either_limit(tmp_path):
    path = archive(tmp_path, {f"zeros-{n}": bytes(100_000) for n in range(20)})
    assert path.stat().st_size < 10_000
    assert "1,000,000 bytes or 100 members, passed at 'zeros-10'" in refused(tmp_path, path)
    assert "passed at 'zeros-7'" in refused(tmp_path, path, 10**9, 7)
    assert len(list(unpack(path, tmp_path / "out", 2_000_000, 20).iterdir())) == 20


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"not a tar" * 100, lambda b: HTML])
def test_a_damaged_archive_is_refused(tmp_path, damage):
    path = archive(tmp_path, {"noise": os.urandom(100_000)})
    path.write_bytes(damage(path.read_bytes()))
    assert "damaged or no tar archive" in refused(tmp_path, path)
