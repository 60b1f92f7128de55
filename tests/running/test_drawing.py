"""Shards of pictures: whole or not there, equal whoever made them, and each says what it was made with."""

import hashlib
import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from support.drawing import SIZE, Noise, captioned, left_over, settings, tars

from biasloop.contract.illustrating import PipelineSettings
from biasloop.datasets.encoding import encode
from biasloop.datasets.shards import samples
from biasloop.errors import Interrupted, InvalidInput, OutOfMemory
from biasloop.running.drawing import noise_seeds, work
from biasloop.running.shards import BatchDrawn, Said, ShardDone, Waiting, manifest
from biasloop.system import claims


def drawn(folder, generation=None, texts=None, illustrator=None, stopping=lambda: False):
    """What happened while all shards were made."""
    events = []
    folder.mkdir(exist_ok=True)
    texts = texts or captioned(folder.parent)
    work(folder, generation or settings(), texts, lambda: illustrator or Noise(), events.append, stopping)
    return events


def test_every_caption_gets_the_picture_of_its_key(tmp_path):
    events = drawn(tmp_path / "out", settings(format="png"))
    listed = [sample for path in sorted((tmp_path / "out").glob("*.tar")) for sample in samples(path)]
    assert [sample.key for sample in listed] == [f"{key:09d}" for key in range(12)]
    assert [list(sample.parts) for sample in listed] == [["png", "json", "txt"]] * 12
    assert [sample.parts["txt"].decode() for sample in listed] == [f"a {key}" for key in range(12)]
    seeds = noise_seeds(0, np.arange(12))
    pixels = Noise().draw([""] * 12, seeds, lambda: False).pixels
    assert [sample.parts["png"] for sample in listed] == [encode(picture, "png") for picture in pixels]
    about = json.loads(listed[7].parts["json"])
    assert about == {"key": "000000007", "generated": True, "generator": "noise", "revision": "1", "seed": 0,
                     "steps": 2, "guidance": 7.5, "flagged": False, "height": SIZE, "width": SIZE}  # fmt: skip
    assert [event.captions for event in events if isinstance(event, BatchDrawn)] == [2, 2, 1, 2, 2, 1, 2]
    assert [event.shard for event in events if isinstance(event, ShardDone)] == [0, 1, 2]
    assert left_over(tmp_path / "out") == []


def test_a_manifest_says_what_its_shard_was_made_with(tmp_path):
    drawn(tmp_path / "out")
    said = manifest(tmp_path / "out", 1)
    data = (tmp_path / "out" / "00001.tar").read_bytes()
    assert said["sha256"] == hashlib.sha256(data).hexdigest()
    assert (said["bytes"], said["samples"], said["captions"]) == (len(data), 5, 5)
    assert said["keys_sha256"] == hashlib.sha256(b"5\n6\n7\n8\n9\n").hexdigest()
    assert said["batches"] == [{"from": 0, "size": 2}]
    for name in ("seconds", "device", "precision", "threads", "seed", "steps", "guidance", "generator", "revision"):
        assert name in said
    assert {"pillow", "numpy", "libjpeg_turbo"} <= said["versions"].keys()


def test_a_second_call_loads_nothing_and_changes_nothing(tmp_path):
    drawn(tmp_path / "out")
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    work(tmp_path / "out", settings(), captioned(tmp_path), None, None, lambda: False)
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before


def test_two_workers_make_the_bytes_that_one_makes(tmp_path):
    drawn(tmp_path / "alone")
    texts = captioned(tmp_path)
    (tmp_path / "both").mkdir()
    threads = [threading.Thread(target=drawn, args=(tmp_path / "both", settings(), texts)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tars(tmp_path / "both") == tars(tmp_path / "alone")
    assert left_over(tmp_path / "both") == []


def test_a_shard_whose_file_was_cut_or_has_no_manifest_is_made_again(tmp_path):
    drawn(tmp_path / "out")
    before = tars(tmp_path / "out")
    (tmp_path / "out" / "00000.tar").write_bytes(before["00000.tar"][:1000])
    (tmp_path / "out" / "00001.manifest.json").unlink()
    events = drawn(tmp_path / "out")
    assert [event.shard for event in events if isinstance(event, ShardDone)] == [0, 1]
    assert tars(tmp_path / "out") == before


def test_a_shard_that_somebody_makes_is_waited_for_and_made_once_he_is_gone(tmp_path, monkeypatch):
    monkeypatch.setattr("biasloop.running.drawing._POLL", 0.01)
    out = tmp_path / "out"
    out.mkdir()
    held = claims.claimed(out, ".00001.tar.claim-", remember=False)
    held.__enter__()
    events, texts = [], captioned(tmp_path)
    seen = threading.Event()

    def tell(event):
        events.append(event)
        if isinstance(event, Waiting):
            seen.set()

    thread = threading.Thread(target=work, args=(out, settings(), texts, Noise, tell, lambda: False))
    thread.start()
    assert seen.wait(20)
    assert sorted(tars(out)) == ["00000.tar", "00002.tar"]
    held.__exit__(None, None, None)
    thread.join(20)
    assert sorted(tars(out)) == ["00000.tar", "00001.tar", "00002.tar"]
    assert [event.shard for event in events if isinstance(event, ShardDone)] == [0, 2, 1]


def test_stopping_in_the_middle_leaves_no_half_shard(tmp_path):
    calls = []

    def stopping():
        calls.append(1)
        return len(calls) > 6

    with pytest.raises(Interrupted):
        drawn(tmp_path / "out", stopping=stopping)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "00000.manifest.json", "00000.tar", "generation.json",
    ]  # fmt: skip
    drawn(tmp_path / "out")
    drawn(tmp_path / "alone")
    assert tars(tmp_path / "out") == tars(tmp_path / "alone")


def test_killed_at_every_moment_nothing_half_written_counts_as_done(tmp_path):
    program = Path(__file__).parent / "killing_drawing.py"
    ended = subprocess.run([sys.executable, str(program), str(tmp_path)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > 20  # kills


def test_without_memory_a_shard_goes_on_with_half_a_batch_and_says_so(tmp_path):
    illustrator = Noise(most=2)
    events = drawn(tmp_path / "out", settings(batch=8, shard_size=6), illustrator=illustrator)
    assert illustrator.calls == [6, 3, 1, 1, 1, 1, 1, 1] * 2
    assert manifest(tmp_path / "out", 0)["batches"] == [{"from": 0, "size": 1}]
    assert "goes on with 3" in next(event.text for event in events if isinstance(event, Said))
    drawn(tmp_path / "more", settings(batch=8, shard_size=6))
    assert manifest(tmp_path / "more", 0)["batches"] == [{"from": 0, "size": 8}]
    assert tars(tmp_path / "more") == tars(tmp_path / "out")  # this illustrator's bytes do not depend on the batch
    with pytest.raises(OutOfMemory, match="--size"):
        drawn(tmp_path / "none", illustrator=Noise(most=0))


@pytest.mark.parametrize(("flagged", "keys", "pictures"), [("keep", 5, 5), ("drop", 3, 3), ("original", 5, 3)])
def test_flagged_pictures_are_counted_and_treated_as_asked(tmp_path, flagged, keys, pictures):
    texts = captioned(tmp_path, 5, frozenset({1, 4}))
    drawn(tmp_path / "out", settings(when_flagged=flagged), texts)
    said = manifest(tmp_path / "out", 0)
    assert (said["samples"], said["pictures"], said["flagged"]) == (keys, pictures, 2)
    listed = {int(sample.key): sample for sample in samples(tmp_path / "out" / "00000.tar")}
    assert len(listed) == keys
    if flagged != "drop":
        assert json.loads(listed[1].parts["json"])["flagged"] is True
        assert (listed[1].picture is None) == (flagged == "original")


def test_noise_depends_on_seed_and_key_alone():
    keys = np.array([5, 3_318_332, 0])
    assert noise_seeds(1, keys).tolist() == [int(noise_seeds(1, keys[i : i + 1])[0]) for i in range(3)]
    assert set(noise_seeds(1, keys)) & set(noise_seeds(2, keys)) == set()
    assert len(set(noise_seeds(0, np.arange(10_000)))) == 10_000
    assert noise_seeds(0, np.arange(1000)).min() >= 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 3}, r"seed 0 \(now 3"),
        ({"format": "png"}, "format jpg"),
        ({"pipeline": PipelineSettings(steps=9)}, "steps 2"),
    ],
)  # fmt: skip
def test_a_directory_of_other_settings_is_refused(tmp_path, changes, words):
    drawn(tmp_path / "out")
    (tmp_path / "out" / "00002.manifest.json").unlink()
    with pytest.raises(InvalidInput, match=words):
        drawn(tmp_path / "out", settings(**changes))
    with pytest.raises(InvalidInput, match=r"revision 1 \(now 2\)"):
        drawn(tmp_path / "out", illustrator=Noise(revision="2"))
