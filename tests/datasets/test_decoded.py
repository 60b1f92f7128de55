"""Decoded data come back as they were put in, block by block and row by row, and nothing else is taken for them."""

import hashlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.contract.context import Context
from biasloop.contract.data import Column, Frame
from biasloop.contract.randomness import Streams
from biasloop.datasets.decoded import Decoded, Writer, decoded, is_decoded
from biasloop.errors import DownloadError
from biasloop.prepared import SUMS

DTYPES = [np.uint8, np.int32, np.int64, np.float32, np.bool_]


@pytest.fixture
def context(tmp_path):
    return Context(tmp_path, Streams((0, "data")))


def build(writer):
    writer.append("pixels", Column(np.arange(24, dtype=np.uint8).reshape(4, 3, 2), role="embedding"))
    writer.append("text", Column.text(["a", "", "bc", "d"]))
    writer.facts["digest"] = "of it"


def never(writer):
    pytest.fail("made twice")


def test_columns_and_facts_come_back_and_are_made_once(context):
    assert not is_decoded(context, "some")
    decoded(context, "some", build)
    assert is_decoded(context, "some")
    again = decoded(context, "some", never)
    assert isinstance(again, Decoded)
    assert again.frame.columns["text"].strings() == ["a", "", "bc", "d"]
    assert again.frame.columns["text"].role == "text"
    assert again.frame.columns["pixels"].role == "embedding"
    assert again.frame["pixels"].tolist() == np.arange(24).reshape(4, 3, 2).tolist()
    assert again.facts == {"digest": "of it"}


def test_arrays_are_mapped_and_cannot_be_written_to(context):
    frame = decoded(context, "some", build).frame
    for array in (frame["pixels"], frame["text"], frame.columns["text"].offsets):
        assert isinstance(array.base, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_other_programs_read_the_files(context):
    directory = decoded(context, "some", build).directory
    assert np.load(directory / "pixels.npy", allow_pickle=False).shape == (4, 3, 2)
    assert sorted(path.name for path in directory.iterdir()) == [
        SUMS, "about.json", "pixels.npy", "text.npy", "text.offsets.npy",
    ]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_blocks_of_any_size_are_one_column(tmp_path_factory, data):
    dtype = data.draw(st.sampled_from(DTYPES))
    rows = data.draw(st.lists(st.lists(st.integers(0, 1), max_size=5), max_size=9))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    directory = tmp_path_factory.mktemp("decoded")

    def ragged(some):
        ends = np.cumsum([0, *map(len, some)], dtype=np.int64)
        return Column(np.array([value for row in some for value in row], dtype), ends)

    def build(writer):
        for start, stop in zip([0, *cuts], [*cuts, len(rows)], strict=True):
            writer.append("ragged", ragged(rows[start:stop]))
            writer.append("sizes", Column(np.array([[len(row), 7] for row in rows[start:stop]], dtype).reshape(-1, 2)))

    frame = decoded(Context(directory, Streams((0,))), "x", build).frame
    assert frame["sizes"].dtype == frame["ragged"].dtype == dtype
    assert frame["sizes"].tolist() == np.array([[len(row), 7] for row in rows], dtype).reshape(-1, 2).tolist()
    back, whole = frame.columns["ragged"], ragged(rows)
    assert (back.values.tolist(), back.offsets.tolist()) == (whole.values.tolist(), whole.offsets.tolist())
    picked = np.array(data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=4)) if rows else [], np.int64)
    assert back.take(picked).values.tolist() == [value for row in picked for value in np.array(rows[row], dtype)]


@pytest.mark.parametrize(
    ("name", "column", "message"),
    [
        ("pixels", Column(np.zeros((1, 3, 2), np.int16), role="embedding"), "int16 .* after rows of uint8"),
        ("pixels", Column(np.zeros((1, 2, 3), np.uint8), role="embedding"), r"\(2, 3\) after rows of uint8 \(3, 2\)"),
        ("pixels", Column(np.zeros((1, 3, 2), np.uint8)), "'pixels' are of two kinds"),
        ("text", Column(np.zeros(1, np.uint8), role="text"), "'text' are of two kinds"),
        ("text", Column(np.zeros(0, np.uint8), np.zeros(1, np.int32), role="text"), "int32 .* after rows of int64"),
        ("../text", Column(np.zeros(1)), "cannot be called '../text'"),
        ("objects", Column(np.array([{}], object)), "Python objects"),
    ],
)
def test_rows_that_do_not_go_with_those_before_are_refused_and_leave_nothing(context, name, column, message):
    def odd(writer):
        build(writer)
        writer.append(name, column)

    with pytest.raises(ValueError, match=message):
        decoded(context, "some", odd)
    assert not is_decoded(context, "some")
    assert not list((context.data / "prepared").iterdir())


def test_no_more_than_a_block_is_held_while_writing(tmp_path):
    with Writer(tmp_path) as writer:
        for number in range(50):
            writer.append("pixels", Column(np.full((4, 64, 64), number, np.uint8)))
    assert np.load(tmp_path / "pixels.npy")[:, 0, 0].tolist() == np.repeat(np.arange(50), 4).tolist()


def sealed(directory):
    """Makes the digests fit what is there."""
    files = sorted(path for path in directory.iterdir() if path.name != SUMS)
    (directory / SUMS).write_text(
        "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)
    )


def changed(directory, **what):
    path = directory / "about.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | what))


def saved(directory, name, array):
    np.save(directory / f"{name}.npy", array, allow_pickle=True)


@pytest.mark.parametrize(
    "harm",
    [
        lambda at: (at / "text.npy").unlink(),
        lambda at: (at / "text.npy").write_bytes((at / "text.npy").read_bytes()[:-1]),
        lambda at: (at / "text.npy").write_bytes(b""),
        lambda at: (at / "text.npy").write_bytes(b"\x93NUMPY\x01\x00\x09\x00nonsense("),
        lambda at: (at / "about.json").unlink(),
        lambda at: (at / "about.json").write_text("[]"),
        lambda at: (at / "about.json").write_text("no"),
        lambda at: changed(at, columns={"../../secret": ""}),
        lambda at: changed(at, columns={"text": "nothing"}),
        lambda at: changed(at, columns=7),
        lambda at: changed(at, facts=[1]),
        lambda at: saved(at, "text.offsets", np.array([0, 1, 5, 3, 4])),
        lambda at: saved(at, "text.offsets", np.array([0, 1, 1, 3])),
        lambda at: saved(at, "text.offsets", np.array([1, 1, 1, 3, 4])),
        lambda at: saved(at, "text.offsets", np.array([-1, 1, 1, 3, 4])),
        lambda at: saved(at, "text.offsets", np.array([0.0, 1, 1, 3, 4])),
        lambda at: saved(at, "text.offsets", np.zeros((0,), np.int64)),
        lambda at: saved(at, "pixels", np.array([{}] * 4, object)),
        lambda at: saved(at, "pixels", np.zeros((3, 3, 2), np.uint8)),
    ],
)
def test_what_is_not_in_the_form_is_refused_by_somebody_who_made_its_digests_fit(context, harm):
    directory = decoded(context, "some", build).directory
    (context.data / "secret.npy").write_bytes((directory / "text.npy").read_bytes())
    harm(directory)
    sealed(directory)
    with pytest.raises(DownloadError, match=r"some-mapped-1 is damaged \(.+\); delete .*some-mapped-1, and the same"):
        decoded(context, "some", never)


def test_what_an_earlier_version_left_under_the_name_is_not_taken_for_it(context):
    context.prepared("some", lambda folder: (folder / "pixels.npy").write_bytes(b"in another form"))
    assert not is_decoded(context, "some")
    frame = decoded(context, "some", build).frame
    assert isinstance(frame, Frame)
    assert len(frame) == 4
    assert (context.data / "prepared" / "some" / "pixels.npy").read_bytes() == b"in another form"
