import io
import tempfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.hostile import altered

from biasloop.contract.data import Column, Evaluation, Frame, Metric
from biasloop.errors import DamagedStore, NewerFormat
from biasloop.hdf5 import Window
from biasloop.records.ledger import Ledger
from biasloop.records.record import Model, Record
from biasloop.store.codec import Header, decode, encode, read_summary, write

HEADER = Header("round", "round-0003", "ab" * 32, "cd" * 32, "model")
NAMES = st.text(
    st.characters(codec="ascii", categories=["L", "N"], include_characters="._-:>@"), min_size=1, max_size=9
)
NAMES = NAMES.filter(lambda name: set(name) != {"."})
ARRAYS = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.int32, np.uint8, np.bool_, np.float16]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6),
)


def columns(rows):
    fixed = hnp.arrays(np.float32, (rows, 2)).map(lambda v: Column(v, role="embedding"))
    whole = hnp.arrays(np.int64, rows).map(lambda v: Column(v, vocabulary="classes"))
    text = st.lists(st.text(max_size=5), min_size=rows, max_size=rows).map(Column.text)
    return st.one_of(fixed, whole, text)


FRAMES = st.integers(0, 7).flatmap(lambda rows: st.dictionaries(NAMES, columns(rows), max_size=3)).map(Frame)
METRICS = st.dictionaries(NAMES, st.builds(Metric, st.floats(), st.integers(0, 10**9), st.floats()), max_size=4)


def ledgers():
    return FRAMES.filter(lambda frame: frame.columns).flatmap(lambda frame: st.just(plain(frame)) | weighed(frame))


def plain(frame):
    return Ledger.entry(np.arange(len(frame)) * 7, 3, 4, frame)


def weighed(frame):
    rows = len(frame)
    numbers = hnp.arrays(np.float64, rows, elements=st.floats(0, 1))
    keys = hnp.arrays(np.int64, rows, elements=st.integers(-1, 9)).map(lambda v: Column(v, vocabulary="shards"))
    return st.builds(
        Ledger.entry, st.just(np.arange(rows)), st.just(3), st.just(4), st.just(frame),
        weight=st.none() | numbers, propensity=st.none() | numbers | st.just(np.full(rows, np.nan)),
        inputs=st.dictionaries(NAMES, keys, max_size=2).map(Frame),
    )  # fmt: skip


RECORDS = st.builds(
    Record,
    st.none() | ledgers(),
    st.dictionaries(NAMES, st.builds(Evaluation, METRICS, st.dictionaries(NAMES, FRAMES, max_size=2)), max_size=2),
    st.dictionaries(NAMES, FRAMES, max_size=2),
    st.dictionaries(NAMES, st.builds(Model, st.just("kind"), st.dictionaries(NAMES, ARRAYS, max_size=3)), max_size=2),
    st.dictionaries(NAMES.filter(lambda n: n != "encoding"), st.integers(-(2**62), 2**62), max_size=3),
)


@settings(deadline=None, max_examples=60)
@given(RECORDS)
def test_a_record_comes_back_bit_for_bit(record):
    data = encode(HEADER, record)
    header, back = decode(data, "file")
    assert header == HEADER
    assert encode(header, back) == data
    assert encode(HEADER, record) == data
    assert back.sizes == record.sizes
    for name, evaluation in record.evaluations.items():
        assert list(back.evaluations[name].metrics) == list(evaluation.metrics)
    for name, model in record.models.items():
        for key, values in model.arrays.items():
            found = back.models[name].arrays[key]
            assert found.dtype == values.dtype
            assert found.shape == values.shape
            assert found.tobytes() == values.tobytes()


@settings(deadline=None, max_examples=10)
@given(RECORDS)
def test_a_record_that_goes_to_a_file_is_the_one_that_goes_to_memory(record):
    contents = []
    for start in (0, 512):
        with tempfile.TemporaryFile(buffering=0) as file:
            target = Window(file.fileno(), start)
            write(target, HEADER, record)
            target.close()
            assert encode(*decode(Window(file.fileno(), start), "file")) == encode(HEADER, record)
            file.seek(start)
            contents.append(file.read())
    assert contents[0] == contents[1]


def big_record():
    rng = np.random.default_rng(0)
    table = Frame({"prediction": Column(rng.integers(0, 10, 40_000)), "confidence": Column(rng.random(40_000))})
    return Record(evaluations={"test": Evaluation({"accuracy": Metric(0.5, 3, 0.1)}, {"test": table})})


def test_large_arrays_are_chunked_and_checksummed():
    import h5py

    with h5py.File(io.BytesIO(encode(HEADER, big_record()))) as file:
        table = file["evaluations/test/tables/test"]
        assert table["prediction"].compression == "gzip"
        assert table["prediction"].shuffle
        assert table["confidence"].compression is None
        assert table["confidence"].fletcher32
        assert table["confidence"].chunks[0] * 8 <= 1_000_000


def test_every_flipped_byte_of_a_large_array_is_noticed():
    data = bytearray(encode(HEADER, big_record()))
    middle = len(data) // 2
    for place in (middle, middle + 1000, len(data) - 200_000):
        broken = data.copy()
        broken[place] ^= 0x10
        with pytest.raises(DamagedStore, match="file is damaged"):
            decode(bytes(broken), "file")


@pytest.mark.parametrize("keep", [0, 1, 7, 100, 1000, 0.5, 0.99])
def test_truncated_files_are_refused_in_a_sentence(keep):
    data = encode(HEADER, big_record())
    cut = data[: int(len(data) * keep) if isinstance(keep, float) else keep]
    with pytest.raises(DamagedStore, match=r"^file is damaged \(.+\)$"):
        decode(cut, "file")


def version(data):
    import h5py

    with h5py.File(io.BytesIO(data)) as file:
        return int(file.attrs["format-version"])


def rows_with(**columns):
    """A record whose ledger has five rows and these columns."""
    return Record(Ledger.entry(np.arange(5), 3, 4, Frame({"target": Column(np.arange(5))}), **columns))


ALL = {
    "weight": np.linspace(0, 2, 5),
    "propensity": np.array([0, 1, 0.5, np.nan, 1]),
    "inputs": Frame({"shard": Column(np.array([-1, 0, 0, 1, 1]), vocabulary="shards"), "member": Column(np.arange(5))}),
}


def test_a_newer_format_is_refused_by_name(monkeypatch):
    from biasloop.store import codec

    monkeypatch.setattr(codec, "VERSION", 3)
    data = encode(HEADER, rows_with(**ALL))
    monkeypatch.setattr(codec, "VERSION", 2)
    with pytest.raises(NewerFormat, match=r"file has store format 3, this biasloop reads up to 2; install a newer"):
        decode(data, "file")


def test_a_file_is_of_format_2_only_where_an_older_biasloop_would_miss_something(monkeypatch):
    from biasloop.store import codec

    assert version(encode(HEADER, Record())) == version(encode(HEADER, rows_with())) == 1
    newer = [encode(HEADER, rows_with(**{name: values})) for name, values in ALL.items()]
    assert [version(data) for data in newer] == [2, 2, 2]
    before = encode(HEADER, rows_with())
    monkeypatch.setattr(codec, "VERSION", 1)  # as an older biasloop has it
    assert encode(*decode(before, "file")) == before
    for data in newer:
        with pytest.raises(
            NewerFormat, match=r"^file has store format 2, this biasloop reads up to 1; install a newer"
        ):
            decode(data, "file")
        with pytest.raises(NewerFormat, match="store format 2"):
            read_summary(data, "file")


def test_weights_propensities_and_inputs_come_back():
    added = decode(encode(HEADER, rows_with(**ALL)), "file")[1].added
    assert added.weight.tolist() == ALL["weight"].tolist()
    assert np.array_equal(added.propensity, ALL["propensity"], equal_nan=True)
    assert added.inputs["shard"].tolist() == [-1, 0, 0, 1, 1]
    assert added.inputs.columns["shard"].vocabulary == "shards"
    assert added.inputs["member"].tolist() == [0, 1, 2, 3, 4]


def instead(name, values):
    """What a person does who puts other values into a ledger's column."""

    def change(file):
        del file[f"added/{name}"]
        file[f"added/{name}"] = values

    return change


def older(file):
    file.attrs["format-version"] = 1


def emptied(file):
    del file["added/inputs/shard"], file["added/inputs/member"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (instead("weight", np.ones(5, np.float32)), "weight is a float64 a row, not float32 of shape (5,)"),
        (instead("weight", np.ones(4)), "weight is a float64 a row, not float64 of shape (4,)"),
        (instead("weight", np.ones((5, 1))), "weight is a float64 a row, not float64 of shape (5, 1)"),
        (instead("weight", 1.0), "weight is a float64 a row, not float64 of shape ()"),
        (instead("weight", np.full(5, -0.5)), "weight is a finite number, 0 or more"),
        (instead("weight", np.full(5, np.inf)), "weight is a finite number, 0 or more"),
        (instead("weight", np.full(5, np.nan)), "weight is a finite number, 0 or more"),
        (instead("propensity", np.full(5, 1.01)), "propensity is from 0 to 1, or NaN"),
        (instead("propensity", np.full(5, -0.01)), "propensity is from 0 to 1, or NaN"),
        (instead("propensity", np.ones(5, np.int64)), "propensity is a float64 a row, not int64"),
        (instead("inputs/shard", np.full(5, -2)), "input 'shard' is a key from 0, or -1"),
        (instead("inputs/shard", np.ones(5)), "input 'shard' is an int64 a row, not float64"),
        (
            instead("inputs/shard", np.zeros((5, 2), np.int64)),
            "input 'shard' is an int64 a row, not int64 of shape (5, 2)",
        ),
        (instead("inputs/shard", np.zeros(4, np.int64)), "columns of a frame differ in length"),
        (instead("inputs", np.zeros(5)), "/added has no group 'inputs'"),
        (emptied, "/added/inputs has no column"),
        (older, "/added has weight and propensity and inputs, which store format 1 does not have"),
    ],
)
def test_columns_of_a_ledger_that_are_not_as_written_are_refused_in_a_sentence(change, reason, tmp_path):
    data = altered(encode(HEADER, rows_with(**ALL)), change, tmp_path)
    with pytest.raises(DamagedStore, match=r"^file is damaged \([^\n]+\)$") as caught:
        decode(data, "file")
    assert reason in str(caught.value)


def test_another_hdf5_file_is_refused(tmp_path):
    import h5py

    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(DamagedStore, match="not a store of biasloop"):
        decode((tmp_path / "other.h5").read_bytes(), "file")


def test_an_unknown_encoding_is_named(monkeypatch):
    from biasloop.store import codec

    stamp = codec._stamp
    monkeypatch.setattr(codec, "_stamp", lambda group, name: stamp(group, "scroll" if name == "frame" else name))
    data = encode(HEADER, Record(frames={"curve": Frame({"x": Column(np.arange(3))})}))
    with pytest.raises(DamagedStore, match=r"/frames/curve is encoded as 'scroll/1', expected 'frame/1'"):
        decode(data, "file")


def test_no_flipped_bit_gives_anything_but_a_sentence():
    rng = np.random.default_rng(1)
    small = Record(
        frames={"curve": Frame({"epoch": Column(np.arange(5)), "note": Column.text(["a", "bc", "", "d", "e"])})}
    )
    whole = encode(HEADER, small)
    outcomes = set()
    for place in rng.integers(0, len(whole), 300):
        broken = bytearray(whole)
        broken[place] ^= 1 << int(rng.integers(0, 8))
        try:
            decode(bytes(broken), "file")
            outcomes.add("read")
        except DamagedStore as error:
            assert str(error).count("\n") == 0
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8", "?", "f2", "f4", "f8", "c8", "c16", ">i4", ">f8"])
@pytest.mark.parametrize("content", ["noise", "zeros"])
def test_large_arrays_of_every_kind_come_back_however_well_they_pack(dtype, content):
    raw = np.random.default_rng(0).bytes(400_000) if content == "noise" else bytes(400_000)
    values = np.frombuffer(raw, dtype if dtype != "?" else "u1")
    values = (values % 2).astype(bool) if dtype == "?" else values
    arrays = {"flat": values, "deep": values.reshape(-1, 5, 5), "wide": values[None]}
    _, back = decode(encode(HEADER, Record(models={"model": Model("kind", arrays)})), "file")
    for name, array in arrays.items():
        assert back.models["model"].arrays[name].dtype == array.dtype
        assert back.models["model"].arrays[name].tobytes() == array.tobytes()
