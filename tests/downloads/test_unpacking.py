"""Archives: whole or not at all, and never outside their directory."""

import os
import stat
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest
from support.archives import special, tar_gz

from biasloop.downloads import unpack
from biasloop.downloads.places import alone
from biasloop.errors import DownloadError

CONTENT = bytes(range(256)) * 1000


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
    assert "\n" not in str(error.value)
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


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"not a tar" * 100, lambda b: b"<html>"])
def test_a_damaged_archive_is_refused(tmp_path, damage):
    path = archive(tmp_path, {"noise": os.urandom(100_000)})
    path.write_bytes(damage(path.read_bytes()))
    assert "damaged or no tar or zip archive" in refused(tmp_path, path)


def zipped(tmp_path: Path, members: dict[str, bytes | zipfile.ZipInfo]) -> Path:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            if isinstance(content, zipfile.ZipInfo):
                archive.writestr(content, b"/etc/passwd")
            else:
                archive.writestr(name, content)
    return path


def zip_member(name: str, kind: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (kind | 0o644) << 16
    return info


def test_unpacking_a_zip(tmp_path):
    path = zipped(tmp_path, {"a/": b"", "a/one.txt": b"1", "b/two.bin": CONTENT})
    target = unpack(path, tmp_path / "out", len(CONTENT) + 1, 3)
    assert (target / "a" / "one.txt").read_bytes() == b"1"
    assert (target / "b" / "two.bin").read_bytes() == CONTENT
    assert {p.name for p in tmp_path.iterdir()} == {"out", "set.zip"}


@pytest.mark.parametrize(
    "member",
    [
        zip_member("../evil", stat.S_IFREG),
        zip_member("a/../../evil", stat.S_IFREG),
        zip_member("/tmp/evil", stat.S_IFREG),
        zip_member("..\\evil", stat.S_IFREG),
        zip_member("C:\\evil", stat.S_IFREG),
        zip_member("evil", stat.S_IFLNK),
        zip_member("evil", stat.S_IFIFO),
        zip_member("evil", stat.S_IFCHR),
    ],
    ids=lambda member: f"{member.filename}:{member.external_attr >> 28}",
)
def test_a_hostile_zip_member_is_refused_by_name(tmp_path, member):
    message = refused(tmp_path, zipped(tmp_path, {"ok": b"fine", "evil": member}))
    assert f"its member {member.filename!r}" in message


def test_an_encrypted_zip_is_refused(tmp_path):
    path = zipped(tmp_path, {"secret": b"content"})
    data = bytearray(path.read_bytes())
    for header, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(header) + offset] |= 1
    path.write_bytes(data)
    assert "its member 'secret' is no plain file" in refused(tmp_path, path)


def test_a_zip_bomb_is_stopped_before_anything_is_written(tmp_path):
    path = zipped(tmp_path, {f"zeros-{n}": bytes(100_000) for n in range(20)})
    assert "1,000,000 bytes or 100 members, passed at 'zeros-10'" in refused(tmp_path, path)
    assert "passed at 'zeros-7'" in refused(tmp_path, path, 10**9, 7)


def test_a_zip_that_states_too_small_a_size_is_damaged(tmp_path):
    path = zipped(tmp_path, {"zeros": bytes(100_000)})
    data = bytearray(path.read_bytes())
    for header, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = data.index(header) + offset
        data[place : place + 4] = (10).to_bytes(4, "little")
    path.write_bytes(data)
    assert "damaged" in refused(tmp_path, path, 50)


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b.replace(b"\0" * 50, b"\1" * 50)])
def test_a_damaged_zip_is_refused(tmp_path, damage):
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("noise", os.urandom(50_000) + bytes(100))
    path.write_bytes(damage(path.read_bytes()))
    assert "damaged or no tar or zip archive" in refused(tmp_path, path)


def test_a_tar_that_ends_in_a_zip_is_a_tar(tmp_path):
    inner = zipped(tmp_path, {"inside": b"1"})
    path = tmp_path / "set.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(inner, "inner.zip")
    assert [p.name for p in unpack(path, tmp_path / "out", 10**6, 10).iterdir()] == ["inner.zip"]


def test_what_a_killed_process_left_is_cleared(tmp_path):
    (tmp_path / ".out.part" / "old").mkdir(parents=True)
    target = unpack(archive(tmp_path, {"one": b"1"}), tmp_path / "out", 10, 10)
    assert [p.name for p in target.iterdir()] == ["one"]
    assert {p.name for p in tmp_path.iterdir()} == {"out", "set.tar.gz"}


def test_a_second_process_waits_and_takes_what_the_first_made(tmp_path):
    path, said = archive(tmp_path, {"one": b"1"}), []
    waiting = threading.Event()

    def tell(sentence: str) -> None:
        said.append(sentence)
        waiting.set()

    with alone(tmp_path / "out", "unpacking", tell):
        thread = threading.Thread(target=unpack, args=(path, tmp_path / "out", 10, 10), kwargs={"notice": tell})
        thread.start()
        assert waiting.wait(5)
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "mark").touch()
    thread.join(5)
    assert said == ["another process is unpacking out; waiting for it to finish"]
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mark"]
