"""CC3M is taken from shards that exist: checked, indexed, counted, with the captions of the keys that are there."""

import gzip
import hashlib
import io
import json

import pytest

from biasloop.datasets import asset, captions, fetch
from biasloop.datasets.cc3m import folder_of
from biasloop.datasets.gender_words import has_gender_word
from biasloop.datasets.shards import INDEX, Sample, ShardWriter
from biasloop.errors import DamagedShard, InvalidInput, SomethingToFetch

TEXTS = {0: "a very typical bus station", 2: "the woman\u2028smiles", 10_001: "Kings of\tthe road"}


def shard(listed) -> bytes:
    stream = io.BytesIO()
    writer = ShardWriter(stream.write)
    for sample in listed:
        writer.add(sample)
    writer.end()
    return stream.getvalue()


def sample(key: int) -> Sample:
    return Sample(f"{key:09d}", {"jpg": b"\xff\xd8\xff", "json": b"{}", "txt": TEXTS[key].encode()})


@pytest.fixture
def shards(tmp_path):
    """Two shards as img2dataset leaves them, beside its tables."""
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "00000.tar").write_bytes(shard([sample(0), sample(2)]))
    (folder / "00001.tar").write_bytes(shard([sample(10_001)]))
    (folder / "00000.parquet").write_bytes(b"")
    return folder


def test_shards_are_taken_where_they_lie(shards, tmp_path):
    told = []
    files = fetch(asset("cc3m"), tmp_path / "data", str(shards), notice=told.append)
    assert [path.name for path in files] == ["captions.jsonl", "shards.json"]
    record = json.loads(files[1].read_text())
    assert record["source"] == str(shards)
    assert [entry["name"] for entry in record["shards"]] == ["00000.tar", "00001.tar"]
    assert (record["samples"], record["pictures"], record["captions"]) == (3, 3, 3)
    assert record["keys_sha256"] == hashlib.sha256(b"0\n2\n10001\n").hexdigest()
    assert record["gender_words"] == pytest.approx(2 / 3)
    assert "3 keys in 2 shards, 3 with a picture" in told[-1]
    assert dict(captions.read(files[0])) == TEXTS
    assert (shards / f"00000.tar{INDEX}").is_file()
    assert folder_of(tmp_path / "data" / "cc3m") == shards
    assert folder_of(shards) == shards
    assert fetch(asset("cc3m"), tmp_path / "data") == []
    assert asset("cc3m").present(tmp_path / "data")


def test_released_shards_are_packed_and_have_no_tables(tmp_path):
    folder = tmp_path / "released"
    folder.mkdir()
    listed = [Sample(f"{key:09d}", {"jpg": b"\x89PNG", "txt": text.encode()}) for key, text in TEXTS.items()]
    (folder / "00000.tar").write_bytes(gzip.compress(shard(listed)))
    files = fetch(asset("cc3m-sd"), tmp_path / "data", str(folder))
    assert json.loads(files[1].read_text())["pictures"] == 3


def test_without_shards_it_is_said_how_to_make_them(tmp_path):
    with pytest.raises(SomethingToFetch) as caught:
        fetch(asset("cc3m"), tmp_path)
    lines = str(caught.value).splitlines()
    assert any(line.startswith("uvx img2dataset --url_list Train_GCC-training.tsv") for line in lines)
    assert "biasloop fetch cc3m --from DIR" in lines
    with pytest.raises(SomethingToFetch, match="hf download T3989/SD_Bias_CC3M --repo-type dataset"):
        fetch(asset("cc3m-sd"), tmp_path, "hub", offline=True)
    with pytest.raises(SomethingToFetch, match="hf download some/where"):
        fetch(asset("cc3m"), tmp_path, "hf:some/where", offline=True)


def test_the_copy_on_the_hub_is_fetched_shard_by_shard(shards, tmp_path, monkeypatch):
    asked = []

    def download(name, **options):
        asked.append((name, options["repo_type"], options["allow_patterns"]))
        return str(shards)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    monkeypatch.delenv("BIASLOOP_OFFLINE", raising=False)
    fetch(asset("cc3m"), tmp_path / "data", "hub")
    assert asked == [("pixparse/cc3m-wds", "dataset", "*.tar")]


def test_damaged_shards_are_refused_and_nothing_is_left(shards, tmp_path):
    whole = (shards / "00001.tar").read_bytes()
    (shards / "00001.tar").write_bytes(whole[:1000])
    with pytest.raises(DamagedShard, match="00001.tar is cut off"):
        fetch(asset("cc3m"), tmp_path / "data", str(shards))
    (shards / "00001.tar").write_bytes(shard([sample(2)]))
    with pytest.raises(DamagedShard, match=r"key 2 twice, in 00000.tar and 00001.tar"):
        fetch(asset("cc3m"), tmp_path / "data", str(shards))
    with pytest.raises(InvalidInput, match="no shards"):
        (tmp_path / "empty").mkdir()
        fetch(asset("cc3m"), tmp_path / "data", str(tmp_path / "empty"))
    with pytest.raises(InvalidInput, match="--from nowhere"):
        fetch(asset("cc3m"), tmp_path / "data", "nowhere")
    assert list((tmp_path / "data" / "cc3m").iterdir()) == []


@pytest.mark.parametrize(
    ("caption", "expected"),
    [("a Woman's hat", True), ("HIS car", True), ("a mandarin", False), ("history of kingdoms", False), ("", False)],
)
def test_a_gender_word_is_a_whole_word(caption, expected):
    assert has_gender_word(caption) == expected
