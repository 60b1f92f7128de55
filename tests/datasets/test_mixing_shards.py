"""Mixtures: equal support, nested shares by key alone, true endings, and what is dropped is counted."""

import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.contract.randomness import Streams
from biasloop.datasets.encoding import decode, encode
from biasloop.datasets.mixing_shards import Keys, Mixture, uniforms
from biasloop.datasets.shards import Sample, ShardWriter
from biasloop.errors import DamagedShard, InvalidInput

SHADE = {"original": 50, "generated": 200}


def picture(kind: str, key: int, form: str, shape=(12, 20)) -> bytes:
    pixels = np.full((*shape, 3), SHADE[kind], np.uint8)
    pixels[0, 0] = key % 251
    return encode(pixels, form)


def shard(path, listed) -> None:
    stream = io.BytesIO()
    writer = ShardWriter(stream.write)
    for sample in listed:
        writer.add(sample)
    writer.end()
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(stream.getvalue())


def original(key: int) -> Sample:
    return Sample(
        f"{key:09d}", {"jpg": picture("original", key, "jpg"), "json": b"{}", "txt": f"caption {key}".encode()}
    )


def generated(key: int, *, flagged=False) -> Sample:
    about = json.dumps({"generator": "g", "seed": 1, "steps": 2, "flagged": flagged}).encode()
    parts = {} if flagged else {"png": picture("generated", key, "png", (16, 16))}
    return Sample(f"{key:09d}", parts | {"json": about, "txt": b"other words"})


@pytest.fixture
def corpora(tmp_path):
    """Originals without 4 and 10003, generated ones without 6 and 10004, and 7 flagged."""
    shard(tmp_path / "o" / "00000.tar", [original(key) for key in range(12) if key != 4])
    shard(tmp_path / "o" / "00001.tar", [original(key) for key in range(10_000, 10_006) if key != 10_003])
    shard(tmp_path / "g" / "00000.tar", [generated(key, flagged=key == 7) for key in range(12) if key != 6])
    shard(tmp_path / "g" / "00001.tar", [generated(key) for key in range(10_000, 10_006) if key != 10_004])
    return Keys.of(tmp_path / "o"), Keys.of(tmp_path / "g")


SUPPORT = [0, 1, 2, 3, 5, 7, 8, 9, 10, 11, 10_000, 10_001, 10_002, 10_005]


@pytest.mark.parametrize("share", [0, 0.2, 0.5, 1])
def test_the_support_is_the_same_at_every_share(corpora, share):
    mixture = Mixture(*corpora, share, 123)
    assert mixture.keys.tolist() == SUPPORT
    counts = mixture.counts
    assert (counts.kept, counts.not_generated, counts.not_original, counts.flagged) == (14, 2, 2, 1)
    assert counts.keys_sha256 == Mixture(*corpora, 0.7, 5).counts.keys_sha256
    assert counts.synthetic == {0: 0, 1: 13}.get(share, counts.synthetic)
    assert counts.share == counts.synthetic / 14


def test_what_is_read_is_the_picture_of_the_mask_and_the_originals_caption(corpora):
    mixture = Mixture(*corpora, 0.5, 3)
    listed = list(mixture.read(range(len(mixture.keys))))
    assert 2 < mixture.synthetic.sum() < 12
    for key, made, sample in zip(SUPPORT, mixture.synthetic.tolist(), listed, strict=True):
        assert sample.key == f"{key:09d}"
        assert list(sample.parts) == ["png" if made else "jpg", "json", "txt"]
        assert sample.parts["txt"] == f"caption {key}".encode()
        assert sample.parts["png" if made else "jpg"] == (
            picture("generated", key, "png", (16, 16)) if made else picture("original", key, "jpg")
        )
        about = json.loads(sample.parts["json"])
        expected = {"generator": "g", "seed": 1, "steps": 2, "flagged": False} if made else {}
        assert about == {"generated": made, "source_key": sample.key, **expected}


def test_any_order_of_reading_gives_the_same_samples(corpora):
    mixture = Mixture(*corpora, 0.5, 3)
    listed = list(mixture.read(range(14)))
    order = [13, 0, 5, 12, 5, 1]
    assert list(mixture.read(order)) == [listed[row] for row in order]
    assert [row for number in (0, 1) for row in mixture.rows_of(number)] == list(range(14))


def test_samples_are_read_by_their_keys(corpora):
    originals, pictures = corpora
    keys = np.array([10_001, 3, 11, 3])
    assert [sample.key for sample in originals.read(originals.rows_of(keys))] == [f"{key:09d}" for key in keys]
    assert [next(iter(sample.parts)) for sample in pictures.read(pictures.rows_of(keys))] == ["png"] * 4
    for absent in (4, 20_000_000):
        with pytest.raises(InvalidInput, match=f"has the key {absent}"):
            originals.rows_of(np.array([1, absent]))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 4_000_000), unique=True, min_size=1, max_size=50), st.integers(0, 9),
       st.floats(0, 1), st.floats(0, 1))  # fmt: skip
def test_shares_are_nested_and_masks_know_no_order(keys, seed, first, second):
    drawn = uniforms(seed, np.array(keys))
    low, high = sorted([first, second])
    assert set(np.array(keys)[drawn >= 1 - low]) <= set(np.array(keys)[drawn >= 1 - high])
    back = uniforms(seed, np.array(keys[::-1]))
    assert np.array_equal(back[::-1], drawn)
    assert (drawn >= 1 - 1.0).all()
    assert not (drawn >= 1 - 0.0).any()


def test_the_draws_are_those_of_the_rule_with_a_seed_of_its_own():
    assert np.array_equal(uniforms(7, np.arange(9)), Streams((7,)).at("run", "mix").uniform(np.arange(9))[:, 0])


def test_equalised_pictures_have_one_format_and_size(corpora):
    mixture = Mixture(*corpora, 0.5, 3, equalise=16)
    for sample, made in zip(mixture.read(range(14)), mixture.synthetic, strict=True):
        assert list(sample.parts) == ["jpg", "json", "txt"]
        pixels = decode(sample.parts["jpg"])
        assert pixels.shape == (16, 16, 3)
        assert abs(int(pixels[8, 8, 0]) - SHADE["generated" if made else "original"]) < 4
        assert (pixels[0, 8].max() < 10) == (not made)  # the original is wider than high


def test_a_png_file_that_is_called_jpg_gets_its_true_ending(tmp_path):
    shard(tmp_path / "o" / "0.tar", [Sample("000000001", {"jpg": picture("generated", 1, "png"), "txt": b"x"})])
    mixture = Mixture(Keys.of(tmp_path / "o"), Keys.of(tmp_path / "o"), 0, 0)
    assert list(next(iter(mixture.read([0]))).parts) == ["png", "json", "txt"]


def test_what_cannot_be_mixed_is_refused(tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(InvalidInput, match="no shards"):
        Keys.of(tmp_path / "none")
    shard(tmp_path / "named" / "0.tar", [Sample("dog", {"jpg": b""})])
    with pytest.raises(InvalidInput, match="'dog' is no number"):
        Keys.of(tmp_path / "named")
    for number in (0, 1):
        shard(tmp_path / "twice" / f"{number}.tar", [original(5)])
    with pytest.raises(DamagedShard, match=r"the key 5 twice, in 0.tar and 1.tar"):
        Keys.of(tmp_path / "twice")
    shard(tmp_path / "broken" / "0.tar", [Sample("1", {"jpg": b"no picture"})])
    broken = Keys.of(tmp_path / "broken")
    with pytest.raises(DamagedShard, match="picture of 1 in .*broken cannot be read"):
        list(Mixture(broken, broken, 0, 0, equalise=8).read([0]))
    with pytest.raises(InvalidInput, match="0 to 1"):
        Mixture(broken, broken, 1.5, 0)


def test_a_picture_that_cannot_be_read_is_named_with_the_corpus_that_it_is_of(tmp_path):
    for name in ("o", "g"):
        shard(tmp_path / name / "0.tar", [Sample("1", {"jpg": b"no picture"})])
    corpora = Keys.of(tmp_path / "o"), Keys.of(tmp_path / "g")
    for share, name in enumerate(("o", "g")):
        with pytest.raises(DamagedShard, match=f"picture of 1 in {tmp_path / name} cannot be read"):
            list(Mixture(*corpora, share, 0, equalise=8).read([0]))
