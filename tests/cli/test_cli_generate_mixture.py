"""`biasloop generate --originals --pictures`: mixtures as plain tars that are the same whoever writes them."""

import io
import json
import os
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support.drawing import left_over, tars

from biasloop.datasets.encoding import encode
from biasloop.datasets.shards import Sample, ShardWriter, samples
from biasloop.errors import InvalidInput
from biasloop.running.shards import manifest


def shard(path: Path, keys, shade: int) -> None:
    stream = io.BytesIO()
    writer = ShardWriter(stream.write)
    for key in keys:
        pixels = np.full((8, 8, 3), shade, np.uint8)
        writer.add(
            Sample(
                f"{key:09d}",
                {"jpg": encode(pixels, "jpg"), "txt": f"{'his' if key % 4 == 0 else 'this'} {key}".encode()},
            )
        )
    writer.end()
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(stream.getvalue())


@pytest.fixture
def mix(cli):
    """The command on two small corpora: `mix("out", 0.5)` gives typer's result."""
    shard(Path("originals/00000.tar"), range(40), 50)
    shard(Path("originals/00001.tar"), range(100, 140), 50)
    shard(Path("made/00000.tar"), [*range(2, 40), *range(100, 130)], 200)

    def run(output, share, *more):
        common = ("--originals", "originals", "--pictures", "made", "--share", str(share))
        return cli("generate", "--output", output, *common, *more)

    return run


def test_a_mixture_is_written_and_what_it_drops_is_told(mix):
    result = mix("half", 0.5, "--json")
    assert result.exit_code == 0, result.exception
    said = json.loads(result.stdout)
    assert (said["kept"], said["not_generated"], said["not_original"], said["share"]) == (68, 12, 0, 0.5)
    assert said["gender_words"] == 9 + 8  # keys 4, 8, ..., 36 and 100, 104, ..., 128
    assert said["realised_share"] == said["synthetic"] / 68
    assert "12 are dropped: 12 without a generated picture" in result.stderr
    listed = [sample for path in sorted(Path("half").glob("*.tar")) for sample in samples(path)]
    assert [int(sample.key) for sample in listed] == [*range(2, 40), *range(100, 130)]
    assert sum(json.loads(sample.parts["json"])["generated"] for sample in listed) == said["synthetic"]
    assert sum(manifest(Path("half"), number)["synthetic"] for number in (0, 1)) == said["synthetic"]
    assert left_over(Path("half")) == []


def test_shares_are_nested_and_keep_the_same_keys(mix):
    made = {}
    for share in (0, 0.3, 0.6, 1):
        said = json.loads(mix(f"at-{share}", share, "--json").stdout)
        listed = [sample for path in sorted(Path(f"at-{share}").glob("*.tar")) for sample in samples(path)]
        made[share] = {sample.key for sample in listed if json.loads(sample.parts["json"])["generated"]}
        made[f"keys {share}"] = said["keys_sha256"]
    assert not made[0]
    assert made[0.3] < made[0.6] < made[1]
    assert len({made[f"keys {share}"] for share in (0, 0.3, 0.6, 1)}) == 1


def test_the_same_command_writes_the_same_bytes_and_goes_on_where_it_stopped(mix):
    mix("a", 0.5)
    mix("b", 0.5)
    assert tars(Path("a")) == tars(Path("b"))
    before = {path.name: path.stat().st_mtime_ns for path in Path("a").glob("00000*")}
    Path("a/00001.manifest.json").unlink()
    mix("a", 0.5)
    assert tars(Path("a")) == tars(Path("b"))
    assert {path.name: path.stat().st_mtime_ns for path in Path("a").glob("00000*")} == before


def test_a_shard_of_originals_none_of_which_is_mixed_is_empty(mix):
    shard(Path("originals/00002.tar"), range(500, 510), 50)
    result = mix("half", 0.5, "--json")
    assert result.exit_code == 0, result.exception
    assert json.loads(result.stdout)["not_generated"] == 22
    assert list(samples(Path("half/00002.tar"))) == []
    assert manifest(Path("half"), 2)["samples"] == 0


def test_what_cannot_be_is_refused(mix, cli):
    mix("a", 0.5)
    result = mix("a", 0.6)
    assert isinstance(result.exception, InvalidInput)
    assert "another mixture" in str(result.exception)
    assert "shards of something else" in str(mix("made", 0.6).exception)
    for arguments in (("--originals", "originals"), ("--share", "0.5")):
        result = cli("generate", *arguments, "--output", "x")
        assert "give all three" in str(result.exception)
    assert "--steps goes with --pipeline" in str(mix("x", 0.5, "--steps", "3").exception)
    assert "give one of the two" in str(mix("x", 0.5, "--pipeline", "y").exception)
    assert "do not go with --pipeline and --originals" in str(mix("x", 0.5, "--count", "3").exception)
    shard(Path("apart/0.tar"), [7000], 1)
    result = cli("generate", "--originals", "originals", "--pictures", "apart", "--share", "1", "--output", "x")
    assert "no key in common" in str(result.exception)
    assert not Path("x").exists()


TRAINER = ("--engine", "open_clip_train", "--set", "domain.batch_size=8", "--set", "domain.epoch_samples=68")
UNBUILT = ("--set", "domain.beta2=0.95", "--set", "domain.epsilon=1e-7")  # else the network is looked at


def test_another_trainers_command_is_written_beside_shards_that_are_there(mix):
    mix("half", 0.5)
    before = {path.name: path.stat().st_mtime_ns for path in Path("half").glob("0*")}
    result = mix("half", 0.5, *TRAINER, *UNBUILT, "--set", "resources.gpus=2", "--json")
    assert result.exit_code == 0, result.exception
    said = json.loads(result.stdout)
    assert said["kept"] == 68
    assert said["command"] == "sh half/train.sh"
    assert said["files"] == ["half/train.sh", "half/train_open_clip.py"]
    after = {path.name: path.stat().st_mtime_ns for path in Path("half").iterdir()}
    assert after.keys() - before.keys() == {"mixture.json", "train.sh", "train_open_clip.py"}
    assert {name: after[name] for name in before} == before
    text = Path("half/train.sh").read_text()
    for part in ("--model RN50", "'{00000..00001}.tar'", "--train-num-samples 68", "--batch-size 4", "--beta2 0.95",
                 "--nproc-per-node 2 -- train_open_clip.py", "--name share-0.5", "--precision amp "):  # fmt: skip
        assert part in text
    shown = mix("half", 0.5, *TRAINER, *UNBUILT, "--preset", "clip-cc3m-vitb32")
    assert "--model ViT-B-32" in shown.stdout
    assert "--model ViT-B-32" in Path("half/train.sh").read_text()
    assert "type: sh half/train.sh" in shown.stdout


def test_shards_without_samples_are_not_trained_on(mix):
    shard(Path("originals/00002.tar"), range(500, 510), 50)
    shard(Path("originals/00003.tar"), range(0), 50)
    result = mix("half", 0.5, *TRAINER, *UNBUILT)
    assert result.exit_code == 0, result.exception
    assert "'{00000..00001}.tar'" in Path("half/train.sh").read_text()


@pytest.mark.parametrize(("gpus", "device"), [("0", "cpu"), ("0.5", "cuda"), ("1", "cuda")])
def test_a_part_of_a_gpu_is_a_gpu_to_another_trainer(mix, gpus, device):
    result = mix("half", 0.5, *TRAINER, *UNBUILT, "--set", "domain.precision=auto", "--set", f"resources.gpus={gpus}")
    assert result.exit_code == 0, result.exception
    text = Path("half/train.sh").read_text()
    assert f"--device {device} " in text
    assert "nproc-per-node" not in text


def test_what_another_trainer_cannot_do_is_refused_before_anything_is_written(mix, cli):
    for arguments, expected in (
        (("--engine", "lightning"), "no such trainer; expected open_clip_train"),
        (("--engine", "open_clip_train", "--preset", "quickstart"), "'images' writes nothing for other trainers"),
        ((*TRAINER, "--set", "domain.batch_size=9"), "--set domain.batch_size is given twice"),
        (("--engine", "open_clip_train", *UNBUILT), "2 shards with 68 samples are too few"),
        ((*TRAINER, "--set", "domain.epochs=0"), "domain.epochs"),
        (("--set", "domain.epochs=3"), "--set do not go with --pipeline and --originals"),
    ):
        result = mix("x", 0.5, *arguments)
        assert isinstance(result.exception, InvalidInput), arguments
        assert expected in str(result.exception)
    assert not Path("x").exists()
    assert "give all three" in str(cli("generate", "--engine", "open_clip_train", "--output", "x").exception)


def test_arms_that_train_in_different_ways_are_refused(mix):
    preset = 'extends = "clip-cc3m"\n[grid]\n"domain.network" = ["RN50", "ViT-B-32"]\n'
    Path("two.toml").write_text(f'summary = "x"\nsource = "x"\n{preset}')
    result = mix("x", 0.5, *TRAINER, "--preset", "two.toml")
    assert "the arms of preset 'two.toml' train in different ways" in str(result.exception)


def test_shards_that_another_process_still_writes_are_waited_for(mix, monkeypatch):
    monkeypatch.setattr("biasloop.running.mixing_shards.materialise", lambda *rest: None)
    result = mix("x", 0.5, *TRAINER, *UNBUILT)
    assert "2 of 2 shards are still being written by another process" in str(result.exception)


@pytest.mark.slow
def test_the_stock_trainer_learns_from_a_mixture_by_the_command_that_was_written(cli):
    """Needs webdataset of any version, which `make test-slow` installs."""
    for number in range(4):
        keys = range(32 * number, 32 * number + 32)
        shard(Path(f"originals/{number:05d}.tar"), keys, 50)
        shard(Path(f"made/{number:05d}.tar"), keys, 200)
    output = "mixed {1..3} of 'two'"
    settings = ("domain.network=tiny", "domain.batch_size=16", "domain.epochs=2", "domain.epoch_samples=128",
                "domain.precision=auto", "resources.gpus=0")  # fmt: skip
    result = cli(
        "generate", "--originals", "originals", "--pictures", "made", "--share", "0.5", "--output", output, "--json",
        "--engine", "open_clip_train", *(word for setting in settings for word in ("--set", setting)),
    )  # fmt: skip
    assert result.exit_code == 0, result.exception
    command = shlex.split(json.loads(result.stdout)["command"])
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    assert "Handling webdataset error" not in done.stderr  # which it goes on after
    log = (Path(output) / "logs" / "share-0.5" / "out.log").read_text()
    assert "Train Epoch: 1 [128/128 (100%)]" in log
    import open_clip

    from biasloop_clip import towers

    open_clip.load_checkpoint(towers.build("tiny"), f"{output}/logs/share-0.5/checkpoints/epoch_2.pt")


@pytest.mark.parametrize(
    "given", [("--share", "0.4"), ("--originals", "o"), ("--pictures", "p"), ("--equalise", "8"), ("--engine", "e")]
)
def test_a_pipeline_beside_an_option_of_mixtures_names_the_one_that_was_given(cli, given):
    refused = cli("generate", "--pipeline", "x", "--input", "c.tsv", *given, "--output", "out")
    assert str(refused.exception).startswith(f"--pipeline draws pictures, and {given[0]} is of mixtures of them;")
    assert not Path("out").exists()
