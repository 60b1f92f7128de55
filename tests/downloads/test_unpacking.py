"""Archives: whole or not at all, and never outside their directory."""

import gzip
import os
import resource
import stat
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest
from support.archives import special, tar_gz

from biasloop.downloads import unpack
from biasloop.errors import DownloadError, InvalidInput
from biasloop.system.claims import alone

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


def tar(tmp_path: Path, *blocks: bytes, packed: bool = False) -> Path:
    """A tar archive of these blocks, with padding and an end."""
    path = tmp_path / "set.tar.gz"
    content = b"".join(block + bytes(-len(block) % 512) for block in blocks) + bytes(1024)
    path.write_bytes(gzip.compress(content, 1, mtime=0) if packed else content)
    return path


def head(name: str, kind: bytes, size: int, **changed: bytes) -> bytes:
    """A member's head; `size` may be negative, which base 256 can write."""
    info = tarfile.TarInfo(name)
    info.type = kind
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = size.to_bytes(12, "big", signed=True) if size < 0 else b"%011o\0" % size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def record(key: str, value: str) -> bytes:
    """A PAX record, whose length counts itself."""
    rest = f" {key}={value}\n".encode()
    length = len(rest) + 1
    while len(str(length)) + len(rest) != length:
        length += 1
    return str(length).encode() + rest


FILE = head("one", b"0", 1), b"1"


@pytest.mark.parametrize("kind", [b"x", b"g", b"X", b"L", b"K"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_long_header_is_refused_before_it_is_read(tmp_path, kind, packed):
    """Also one that is not there: its size is known first."""
    for size in (20_000, 10**9, 8**11 - 1):
        message = refused(tmp_path, tar(tmp_path, head("long", kind, size), b"a" * 20_000, *FILE, packed=packed))
        assert f"it has an extended header of {size:,} bytes" in message


def test_a_bomb_of_a_long_name_takes_no_memory(tmp_path):
    path = tar(tmp_path, head("long", b"x", 100_000_000), bytes(100_000_000), *FILE, packed=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(tmp_path, path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # kB


def test_usual_long_names_are_unpacked(tmp_path):
    names = ["/".join(["directory" * 10] * 10) + "/file", "é" * 100, "x" * 120]
    for layout in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        path = tmp_path / f"set{layout}.tar"
        with tarfile.open(path, "w", format=layout) as archive:
            for name in names:
                info = tarfile.TarInfo(name)
                info.mtime = 1.5
                archive.addfile(info)
        target = unpack(path, tmp_path / f"out{layout}", 10, 10)
        assert all((target / name).is_file() for name in names)


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_headers_one_after_another_are_refused(tmp_path, kind):
    content = record("comment", "x") if kind in b"xg" else b"name\0"
    blocks = [head("long", kind, len(content)), content]
    assert "the 9. of a member" in refused(tmp_path, tar(tmp_path, *blocks * 3000, *FILE, packed=True))
    assert [p.name for p in unpack(tar(tmp_path, *blocks * 2, *FILE), tmp_path / "out", 10, 10).iterdir()]


def test_headers_for_all_members_have_a_limit_together(tmp_path):
    content = record("comment", "x" * 10_000)
    blocks = [head("all", b"g", len(content)), content, *FILE]
    assert "extended header" in refused(tmp_path, tar(tmp_path, *blocks * 150, packed=True), limit_members=1000)


@pytest.mark.parametrize("kind", [b"0", b"x", b"L", b"g", b"5", b"7"])
@pytest.mark.parametrize("size", [-1, -512, -1024, -(2**60)])
def test_a_negative_size_is_refused(tmp_path, kind, size):
    assert "negative size" in refused(tmp_path, tar(tmp_path, *FILE, head("back", kind, size), *FILE))


@pytest.mark.parametrize("records", [
    record("size", "-512"), record("size", "9" * 30), record("mtime", "inf"), record("mtime", "nan"),
    record("mtime", "1e300"), record("GNU.sparse.size", "1") + record("GNU.sparse.major", "1")
    + record("GNU.sparse.minor", "0"), record("GNU.sparse.map", "0,1"), b"999999 path=x\n", b"0 path=x\n",
    record("GNU.sparse.size", "-5"), record("path", "../evil"), record("path", "/evil"),
])  # fmt: skip
def test_odd_records_are_refused_in_a_sentence(tmp_path, records):
    path = tar(tmp_path, head("pax", b"x", len(records)), records, head("one", b"0", 4), b"1\n2\n")
    assert "is not unpacked" in (message := refused(tmp_path, path)) or "damaged" in message


def test_a_sparse_member_is_refused(tmp_path):
    assert "its member 'holes' is no plain file" in refused(tmp_path, tar(tmp_path, head("holes", b"S", 0)))
    ones = record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0") + record("GNU.sparse.name", "holes")
    path = tar(tmp_path, head("pax", b"x", len(ones)), ones, head("holes", b"0", 512), b"1\n0\n512\n")
    assert "a sparse file" in refused(tmp_path, path)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.tar")
    with pytest.raises(InvalidInput, match="is a pipe; expected a file"):
        unpack(tmp_path / "pipe.tar", tmp_path / "out", 10, 10)


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
    (tmp_path / ".out.claim-1" / "unpacked" / "old").mkdir(parents=True)
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
    (sentence,) = said
    assert sentence.endswith(" is unpacking out; waiting for it to finish")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mark"]


@pytest.mark.parametrize("layout", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_any_number_of_members_may_have_long_names(tmp_path, layout):
    """The limit of extended headers is of one member's."""
    names = [f"{'x' * 120}{number}" for number in range(20)]
    with tarfile.open(tmp_path / "set.tar", "w", format=layout) as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    target = unpack(tmp_path / "set.tar", tmp_path / "out", 10, 100)
    assert sorted(path.name for path in target.iterdir()) == sorted(names)
