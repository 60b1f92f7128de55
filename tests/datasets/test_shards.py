"""Shards: what is written is read by tarfile and by us, and what is damaged is refused by name."""

import gzip
import io
import tarfile

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from biasloop.datasets.shards import INDEX, Index, Sample, Shard, ShardWriter, samples, split
from biasloop.errors import DamagedShard, InvalidInput

PARTS = st.dictionaries(st.sampled_from(["jpg", "png", "json", "txt", "cls.txt"]), st.binary(max_size=1500), min_size=1)
KEYS = st.lists(st.from_regex(r"[a-z0-9é_-]{1,20}", fullmatch=True), unique=True, max_size=6)


def written(listed) -> bytes:
    stream = io.BytesIO()
    writer = ShardWriter(stream.write)
    for sample in listed:
        writer.add(sample)
    writer.end()
    return stream.getvalue()


def stored(path, listed):
    path.write_bytes(written(listed))
    return path


def by_tarfile(members, form=tarfile.PAX_FORMAT, **fields) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as tar:
        for name, content in members:
            head = tarfile.TarInfo(name)
            head.size = len(content)
            for field, value in fields.items():
                setattr(head, field, value)
            tar.addfile(head, io.BytesIO(content))
    return stream.getvalue()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_samples_come_back_in_order_and_tarfile_reads_the_same(tmp_path_factory, data):
    listed = [Sample(key, data.draw(PARTS)) for key in data.draw(KEYS)]
    path = stored(tmp_path_factory.mktemp("shard") / "0.tar", listed)
    back = list(samples(path))
    assert back == listed
    assert [list(sample.parts) for sample in back] == [list(sample.parts) for sample in listed]
    with tarfile.open(path) as tar:
        members = [(member.name, tar.extractfile(member).read()) for member in tar]
        assert {(member.mtime, member.uid, member.gid, member.mode) for member in tar} <= {(0, 0, 0, 0o644)}
    assert members == [(f"{s.key}.{part}", content) for s in listed for part, content in s.parts.items()]
    shard = Shard(path)
    order = data.draw(st.permutations(range(len(listed))))
    assert list(shard.read(order)) == [listed[position] for position in order]


def test_the_bytes_are_those_of_tarfile():
    listed = [Sample("000000001", {"jpg": b"x" * 700, "txt": b""}), Sample("000000002", {"png": b"y"})]
    members = [(f"{s.key}.{part}", content) for s in listed for part, content in s.parts.items()]
    assert written(listed) == by_tarfile(members, tarfile.USTAR_FORMAT, mtime=0)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tars_of_other_writers_are_read(tmp_path, form):
    long = "folder/" * 4 + "k" * 90
    members = [("a.jpg", b"1" * 600), ("a.json", b"{}"), (f"{long}.txt", b"caption")]
    path = tmp_path / "0.tar"
    path.write_bytes(by_tarfile(members, form, mtime=12345.678 if form == tarfile.PAX_FORMAT else 12345, uid=1000))
    assert list(samples(path)) == [Sample("a", {"jpg": b"1" * 600, "json": b"{}"}), Sample(long, {"txt": b"caption"})]
    assert Index.built(path).keys == ["a", long]


def test_a_shard_packed_by_gzip_under_the_name_of_a_tar_is_read(tmp_path):
    listed = [Sample(f"{number:09d}", {"jpg": bytes([number]) * 900, "txt": b"caption"}) for number in range(20)]
    path = tmp_path / "00000.tar"
    path.write_bytes(gzip.compress(written(listed)))
    assert list(samples(path)) == listed
    assert list(Shard(path).read([3, 17, 4])) == [listed[3], listed[17], listed[4]]
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DamagedShard, match="00000.tar"):
        list(samples(path))


def test_an_index_is_built_once_and_again_when_the_shard_is_another(tmp_path, monkeypatch):
    path = stored(tmp_path / "0.tar", [Sample("a", {"jpg": b"1"}), Sample("b", {"jpg": b"22", "txt": b"x"})])
    first = Index.of(path)
    monkeypatch.setattr(Index, "built", None)
    again = Index.of(path)
    monkeypatch.undo()
    assert (again.keys, again.parts) == (first.keys, first.parts) == (["a", "b"], ["jpg", "txt"])
    assert np.array_equal(again.offset, first.offset)
    path.write_bytes(written([Sample("longer", {"jpg": b"1" * 20_000})]))
    assert Index.of(path).keys == ["longer"]
    (tmp_path / f"0.tar{INDEX}").write_bytes(b"PK\x03\x04 no archive")
    assert Index.of(path).keys == ["longer"]
    assert [entry.name for entry in tmp_path.iterdir() if "tmp" in entry.name] == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 5000))
@example(7 * 512)
@example(8 * 512)
def test_a_cut_shard_is_refused_wherever_it_was_cut(tmp_path_factory, length):
    listed = [Sample("a", {"jpg": b"x" * 700, "txt": b"y"}), Sample("b", {"jpg": b"z" * 512})]
    data = written(listed)
    path = tmp_path_factory.mktemp("cut") / "0.tar"
    path.write_bytes(data[:length])
    # What stands behind the first block of zeros says nothing.
    if length >= 8 * 512:
        assert list(samples(path)) == listed
    else:
        with pytest.raises(DamagedShard, match="0.tar"):
            list(samples(path))
        with pytest.raises(DamagedShard, match="0.tar"):
            Index.built(path)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 511), st.integers(1, 255))
def test_an_altered_head_is_refused(tmp_path_factory, byte, change):
    data = bytearray(written([Sample("a", {"jpg": b"x" * 700})]))
    data[byte] ^= change
    path = tmp_path_factory.mktemp("altered") / "0.tar"
    path.write_bytes(data)
    with pytest.raises(DamagedShard, match="0.tar"):
        list(samples(path))


@pytest.mark.parametrize(
    ("members", "fields", "words"),
    [
        ([("a.jpg", b"1"), ("b.jpg", b"2"), ("a.txt", b"3")], {}, "key 'a' twice"),
        ([("a.jpg", b"1"), ("a.jpg", b"2")], {}, "member 'a.jpg' twice"),
        ([("/etc/a.jpg", b"1")], {}, "leads out"),
        ([("../a.jpg", b"1")], {}, "leads out"),
        ([("a\n.jpg", b"1")], {}, "letters that print"),
        ([("a.jpg", b"")], {"type": tarfile.SYMTYPE, "linkname": "b"}, "a link or a device"),
        ([("a.jpg", b"")], {"type": tarfile.CHRTYPE}, "a link or a device"),
    ],
)
def test_what_is_no_shard_of_samples_is_refused_by_name(tmp_path, members, fields, words):
    path = tmp_path / "00007.tar"
    path.write_bytes(by_tarfile(members, **fields))
    with pytest.raises(DamagedShard, match=words) as caught:
        list(samples(path))
    assert "00007.tar" in str(caught.value)
    with pytest.raises(DamagedShard, match=words):
        Index.built(path)


def test_what_could_not_be_read_back_is_not_written():
    writer = ShardWriter(lambda data: None)
    writer.add(Sample("a", {"jpg": b""}))
    for sample, words in (
        (Sample("a", {"png": b""}), "comes twice"),
        (Sample("b", {}), "no parts"),
        (Sample("b.c", {"png": b""}), "another key"),
        (Sample("b" * 120, {"png": b""}), "100 bytes"),
        (Sample("../b", {"png": b""}), "leads out"),
    ):
        with pytest.raises(InvalidInput, match=words):
            writer.add(sample)


def test_a_missing_shard_and_a_directory_are_refused(tmp_path):
    for path in (tmp_path / "none.tar", tmp_path):
        with pytest.raises(InvalidInput, match=path.name):
            list(samples(path))


def test_keys_end_at_the_first_dot_of_the_last_name():
    assert split("a.b/c.d.e") == ("a.b/c", "d.e")
    assert split("c") == ("c", "")
