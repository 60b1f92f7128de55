"""A run that somebody else made: nothing in its files leads out of them, and nothing costs more than it weighs."""

import json
import os
import shutil
import struct
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.hostile import HURTS, altered, fit_manifest, hurt_at_random, record_file

from biasloop import hdf5
from biasloop.errors import DamagedStore
from biasloop.store import codec
from biasloop.store.repair import verify

GOLDEN = Path(__file__).parent / "golden" / "v1"


@pytest.fixture
def received(tmp_path):
    return Path(shutil.copytree(GOLDEN, tmp_path / "run"))


@pytest.mark.parametrize("hurt", HURTS, ids=lambda hurt: hurt.__name__)
def test_what_leads_out_of_a_file_is_refused_where_it_stands(hurt, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_bytes(b"password" * 100)
    os.mkfifo(tmp_path / "pipe")
    data = altered(record_file(), lambda file: hurt(file, tmp_path), tmp_path)
    with pytest.raises(DamagedStore, match=r"^file is (refused|damaged)[: ].*/(frames/curve|added|sizes)") as caught:
        codec.decode(data, "file")
    assert str(caught.value).count("\n") == 0
    assert "password" not in str(caught.value)
    with pytest.raises(DamagedStore, match="^file is (refused|damaged)"):
        codec.read_summary(data, "file")


def test_a_received_run_shows_and_exports_no_file_of_this_machine(received, tmp_path, cli):
    secret = tmp_path / "secret.txt"
    secret.write_bytes(bytes(range(256)) * 8)
    for name in ("round-0001.h5", "round-0002.h5"):
        with h5py.File(received / name, "r+") as file:
            metrics = file["evaluations/test/metrics"]
            shape = metrics["value"].shape
            del metrics["value"]
            metrics.create_dataset("value", shape, np.float64, external=[(str(secret), 0, h5py.h5f.UNLIMITED)])
        fit_manifest(received, name)
    problems = verify(received)
    assert "round-0001.h5 is refused: /evaluations/test/metrics/value takes its values from other files" in problems[0]
    out = str(tmp_path / "out.csv")
    for command in (
        ["runs", "show", str(received)],
        ["export", str(received), "-o", out],
        ["evaluate", "run", str(received), "--metric", "accuracy"],
        ["evaluate", "shares", str(received), "--predicted", "prediction", "--task", "target"],
        ["plot", str(received), "-o", str(tmp_path / "out.svg")],
        ["generate", "--run", str(received), "--round", "1", "--output", out],
    ):
        result = cli(*command)
        assert isinstance(result.exception, DamagedStore), command
        assert "takes its values from other files" in str(result.exception)
    assert not (tmp_path / "out.csv").exists()


def test_a_small_file_that_claims_much_is_refused_before_anything_is_allocated(tmp_path):
    def claim(file):
        del file["frames/curve/epoch"]
        file["frames/curve"].create_dataset("epoch", (200_000_000,), np.int64, chunks=(98_304,), compression="gzip")

    def claim_one_piece(file):
        del file["frames/curve/epoch"]
        file["frames/curve"].create_dataset("epoch", (200_000_000,), np.int64)

    def claim_one_chunk(file):
        del file["frames/curve/epoch"]
        made = file["frames/curve"].create_dataset(
            "epoch", (4, 1 << 26), np.int64, chunks=(1, 1 << 26), compression="gzip"
        )
        for row in range(4):
            made.id.write_direct_chunk((row, 0), b"\x78\x9c" + bytes(2000))

    for hurt in (claim, claim_one_piece, claim_one_chunk):
        data = altered(record_file(), hurt, tmp_path)
        assert len(data) < 120_000
        tracemalloc.start()
        with pytest.raises(DamagedStore, match="file is refused: /frames/curve/epoch"):
            codec.decode(data, "file")
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
        tracemalloc.stop()


def test_what_is_packed_has_a_limit_that_is_said(tmp_path, monkeypatch):
    def pack(file):
        del file["frames/curve/epoch"]
        zeros = np.zeros(1_000_000, np.int64)
        file["frames/curve"].create_dataset("epoch", data=zeros, chunks=(98_304,), compression="gzip")

    data = altered(record_file(), pack, tmp_path)
    with hdf5.opened(data) as root:
        assert not root.group("frames").group("curve").dataset("epoch").read().any()
    monkeypatch.setattr("biasloop.hdf5.looking.SMALL", 0)
    monkeypatch.setattr("biasloop.hdf5.looking.USUAL", 10)
    with pytest.raises(DamagedStore, match=rf"to 8,\d{{3}},\d{{3}} bytes, and {10 * len(data):,} are the most"):
        codec.decode(data, "file")


def test_a_chunk_that_unpacks_to_more_than_it_says_is_measured_before_it_is_unpacked(tmp_path, monkeypatch):
    import zlib

    monkeypatch.setattr("biasloop.hdf5.chunks._PIECE", 1000)
    bomb = zlib.compress(bytes(50_000_000))

    def drop(file):
        del file["frames/curve/epoch"]
        made = file["frames/curve"].create_dataset("epoch", (60_000,), np.int64, chunks=(60_000,), compression="gzip")
        made.id.write_direct_chunk((0,), bomb)

    tracemalloc.start()
    with pytest.raises(DamagedStore, match="/frames/curve/epoch has a chunk that does not unpack to its 480,000 bytes"):
        codec.decode(altered(record_file(), drop, tmp_path), "file")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_text_whose_offsets_overlap_is_refused(tmp_path):
    def overlap(file):
        offsets = file["frames/curve/note/offsets"]
        offsets[1:-1] = offsets[-1]
        offsets[2] = 0

    data = altered(record_file(), overlap, tmp_path)
    with pytest.raises(DamagedStore, match="/frames/curve/note/offsets does not rise from 0"):
        codec.decode(data, "file")


def test_a_newer_format_is_named_whatever_else_is_new(tmp_path):
    def renew(file):
        file.attrs["format-version"] = 3
        file["link"] = h5py.SoftLink("/frames")

    with pytest.raises(DamagedStore, match="has store format 3, this biasloop reads up to 2"):
        codec.decode(altered(record_file(), renew, tmp_path), "file")


def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "file.h5")
    with pytest.raises(hdf5.Malformed, match="file.h5 is a pipe; expected a file"), hdf5.opened(tmp_path / "file.h5"):
        pass


def test_files_with_a_manifest_that_fits_are_read_or_refused_in_a_sentence(tmp_path):
    hurt_at_random(60, seed=0, directory=tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_thousand_hostile_files_are_read_or_refused_in_a_sentence(tmp_path):
    hurt_at_random(2000, seed=1, directory=tmp_path)


def test_the_manifest_of_a_hurt_run_can_be_made_to_fit(received):
    """Else the tests above would test the manifest's hash."""
    (received / "round-0000.h5").write_bytes((received / "round-0001.h5").read_bytes())
    fit_manifest(received, "round-0000.h5")
    assert "was altered" not in " ".join(verify(received))
    assert json.loads((received / "manifest.json").read_text())["files"]


def test_datasets_that_lie_on_the_same_bytes_are_refused(tmp_path):
    """Each is within the file; together they claim more bytes than it has."""
    path, values = tmp_path / "x.h5", np.arange(5000)
    with h5py.File(path, "w", libver="earliest") as file:
        items = [file.create_dataset(f"d{number}", values.shape, values.dtype) for number in range(4)]
        for item in items:
            item[:] = values
        first, *others = [item.id.get_offset() for item in items]
    data = path.read_bytes()[: first + values.nbytes]
    for offset in others:
        assert data.count(struct.pack("<Q", offset)) == 1
        data = data.replace(struct.pack("<Q", offset), struct.pack("<Q", first))
    path.write_bytes(data[:40] + struct.pack("<Q", len(data)) + data[48:])  # the superblock's end of the file
    with h5py.File(path) as file:
        assert all((file[f"d{number}"][:] == values).all() for number in range(4))
    with pytest.raises(hdf5.Unsafe, match="claims bytes that the file does not have"), hdf5.opened(path):
        pass
