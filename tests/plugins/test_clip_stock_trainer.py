"""The command of open_clip's own trainer: every setting is written out, and names are safe wherever they lie."""

import json
import runpy
import shlex
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import open_clip_train
import pytest
from open_clip_train.params import parse_args
from support import clip_shards, tiny_clip

from biasloop.contract.domains import missing_methods
from biasloop.contract.launching import Corpus, Launching
from biasloop.errors import InvalidInput
from biasloop_clip import ShardsDomain, open_clip_launcher
from biasloop_clip.stock_trainer import LAUNCHER, SCRIPT, braced

SHARDS = {f"{number:05d}.tar": 9000 + number for number in range(332)}
PUBLISHED = {"epoch_samples": 3_318_333, "precision": "float16"}
BETAS = {"beta2": 0.95, "epsilon": 1e-7}
"""With these no network is built to see what it is."""


def launched(shards=SHARDS, gpus=4, engine="open_clip_train", **settings):
    config = ShardsDomain.Config.model_validate(settings)
    return ShardsDomain.launch(engine, config, Corpus("share-0.2", shards, gpus))


def words(launch):
    """Of the command, as the shell has them."""
    return shlex.split(launch.files[SCRIPT].partition("exec ")[2].replace("\\\n", ""))


def arguments(launch):
    """What the trainer itself makes of its part of the command."""
    command = words(launch)
    return parse_args(command[command.index(LAUNCHER) + 1 :])


def test_the_domain_says_how_another_program_trains():
    assert missing_methods(ShardsDomain, Launching) == []


def test_all_published_hyper_parameters_are_in_the_command():
    launch = launched(**PUBLISHED, **BETAS)
    assert words(launch)[:8] == [
        "$PYTHON", "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "4", "--", LAUNCHER,
    ]  # fmt: skip
    told = arguments(launch)
    expected = {
        "model": "RN50", "dataset_type": "webdataset", "train_data": "{00000..00331}.tar",
        "train_num_samples": 3_318_333, "batch_size": 360, "workers": 4, "epochs": 50, "opt": "adamw", "lr": 5e-4,
        "beta1": 0.9, "beta2": 0.95, "eps": 1e-7, "wd": 0.2, "lr_scheduler": "cosine", "warmup": 10_000,
        "precision": "amp", "accum_freq": 1, "seed": 0, "device": "cuda", "logs": "logs", "name": "share-0.2",
        "resume": "latest", "save_frequency": 1,
    }  # fmt: skip
    assert {name: getattr(told, name) for name in expected} == expected
    given = {word for word in words(launch) if word.startswith("--")}
    assert {"--beta1", "--beta2", "--eps", "--lr", "--wd", "--warmup", "--seed", "--precision"} <= given


@pytest.mark.parametrize(
    ("described", "folder", "betas"),
    [
        (tiny_clip.CONFIGS["vit"], "resnet", (0.98, 1e-6)),
        (clip_shards.RESIDUAL, "not a vit", (0.999, 1e-8)),
    ],
)
def test_betas_go_by_the_network_and_not_by_its_name(described, folder, betas, tmp_path):
    told = arguments(launched(gpus=1, network=clip_shards.network(tmp_path / folder, described)))
    assert (told.beta1, told.beta2, told.eps) == (0.9, *betas)


def test_what_the_settings_leave_out_of_betas_and_epsilon_goes_by_the_network_alone(tmp_path):
    network = clip_shards.network(tmp_path / "net", tiny_clip.CONFIGS["vit"])
    betas = arguments(launched(gpus=1, network=network, epsilon=1e-7))
    epsilon = arguments(launched(gpus=1, network=network, beta2=0.95))
    assert (betas.beta2, betas.eps, epsilon.beta2, epsilon.eps) == (0.98, 1e-7, 0.95, 1e-6)


def test_training_begins_with_the_weights_of_the_settings(tmp_path):
    assert arguments(launched(**BETAS)).pretrained == ""
    assert arguments(launched(network="RN50-quickgelu", weights="cc12m", **BETAS)).pretrained == "cc12m"
    file = tmp_path / "epoch 5.pt"
    file.write_bytes(b"")
    assert arguments(launched(weights=str(file), **BETAS)).pretrained == str(file)
    with pytest.raises(InvalidInput, match="use RN50-quickgelu:cc12m"):
        launched(weights="cc12m", **BETAS)
    with pytest.raises(InvalidInput, match="takes weights of tiny from where that lies"):
        launched(network="tiny", weights=str(file), **BETAS)
    with pytest.raises(InvalidInput, match="domain.epochs is 0, so that there is nothing to train"):
        launched(epochs=0, **BETAS)


def test_an_epoch_is_all_samples_unless_the_settings_say_how_many():
    shards = {"00000.tar": 70, "00001.tar": 58}
    launch = launched(shards, gpus=1, batch_size=16, **BETAS)
    assert arguments(launch).train_num_samples == 128
    assert not any("epoch" in text for text in launch.notes)
    launch = launched(shards, gpus=1, batch_size=16, epoch_samples=200, **BETAS)
    assert arguments(launch).train_num_samples == 200
    assert "an epoch is 200 samples by domain.epoch_samples, however many these shards have (128)" in launch.notes[0]


@pytest.mark.parametrize(
    ("name", "gpus", "word"),
    [
        ("float16", 1, "amp"),
        ("bfloat16", 1, "amp_bf16"),
        ("auto", 1, "amp_bf16"),
        ("auto", 0, "fp32"),
        ("float32", 2, "fp32"),
    ],
)
def test_precision_has_the_trainers_word(name, gpus, word):
    told = arguments(launched(gpus=gpus, precision=name, **BETAS))
    assert (told.precision, told.device) == (word, "cuda" if gpus else "cpu")


def test_one_process_is_started_without_torchrun_and_several_share_the_batch():
    assert words(launched(gpus=1, **BETAS))[:2] == ["$PYTHON", LAUNCHER]
    assert arguments(launched(gpus=0, **BETAS)).batch_size == 1440
    assert arguments(launched(gpus=8, **BETAS)).batch_size == 180
    with pytest.raises(InvalidInput, match="domain.batch_size is 1440, which 7 processes cannot share evenly"):
        launched(gpus=7, **BETAS)


def test_every_reader_has_a_batch_whichever_shards_it_is_given():
    def readers(sizes, gpus, batch):
        shards = {f"{number:05d}.tar": size for number, size in enumerate(sizes)}
        return arguments(launched(shards, gpus=gpus, batch_size=batch, **BETAS)).workers

    assert readers([32] * 4, 1, 16) == 4
    assert readers([32, 32, 32, 15], 1, 16) == 2  # of three, one could have the last shard alone
    assert readers([32] * 4, 2, 32) == 2
    with pytest.raises(InvalidInput, match="4 shards with 128 samples are too few for that"):
        readers([32] * 4, 8, 16)
    with pytest.raises(InvalidInput, match="1 processes take 200 samples a step each .* too few"):
        readers([32] * 4, 1, 200)


def test_shards_are_ranges_of_names_that_exist():
    assert braced(["00000.tar"]) == "00000.tar"
    assert braced(["00000.tar", "00001.tar", "00003.tar", "00004.tar"]) == "{00000..00001}.tar::{00003..00004}.tar"
    assert braced(["99999.tar", "100000.tar"]) == "{99999..100000}.tar"


def test_any_directory_and_any_name_reach_the_trainer_as_they_are(tmp_path):
    home = tmp_path / 'it\'s {1..3} "here" $HOME'
    network = clip_shards.network(home / "a `net` & more", clip_shards.RESIDUAL)
    launch = launched({"00000.tar": 64}, gpus=0, batch_size=16, network=network, **BETAS)
    (home / SCRIPT).write_text(launch.files[SCRIPT])
    (home / LAUNCHER).write_text("import json, os, sys; print(json.dumps([os.getcwd(), sys.argv[1:]]))")
    elsewhere = tmp_path / "cdpath"
    (elsewhere / home.name).mkdir(parents=True)
    done = subprocess.run(
        ["sh", f"{home.name}/{SCRIPT}"], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={"CDPATH": str(elsewhere), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    directory, given = json.loads(done.stdout)
    assert directory == str(home)
    assert parse_args(given).model == network
    assert f"PYTHON={shlex.quote(sys.executable)}\n" in launch.files[SCRIPT]


def test_a_name_of_a_directory_is_that_from_anywhere(tmp_path, monkeypatch):
    clip_shards.network(tmp_path / "net", clip_shards.RESIDUAL)
    monkeypatch.chdir(tmp_path)
    assert arguments(launched(network="local-dir:net", **BETAS)).model == f"local-dir:{tmp_path / 'net'}"


def test_a_file_of_weights_is_that_from_anywhere(tmp_path, monkeypatch):
    (tmp_path / "epoch_5.pt").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert arguments(launched(weights="epoch_5.pt", **BETAS)).pretrained == str(tmp_path / "epoch_5.pt")


def test_what_cannot_be_is_refused():
    with pytest.raises(InvalidInput, match="--engine lightning: there is no such trainer; expected open_clip_train"):
        launched(engine="lightning")
    with pytest.raises(InvalidInput, match="did you mean 'RN50'"):
        launched(network="RN-50")
    with pytest.raises(InvalidInput, match='domain.precision is "float16", in which nothing is trained on a CPU'):
        launched(gpus=0, precision="float16", **BETAS)


def test_markers_at_the_end_of_shards_are_switched_off_where_there_are_some():
    def newer(data, handler=None, eof_value={}):  # noqa: B006 # as it is there
        yield from data
        if eof_value is not None:
            yield eof_value

    def older(data, handler=None):
        yield from data

    for expander in (newer, older):
        assert list(open_clip_launcher.without_markers(expander)([{"fname": "1.txt"}])) == [{"fname": "1.txt"}]
    assert open_clip_launcher.without_markers(older) is older


def test_processes_that_read_begin_without_markers_too(monkeypatch):
    data = ModuleType("open_clip_train.data")
    data.tar_file_expander = lambda data, handler=None, eof_value={}: None
    monkeypatch.setitem(sys.modules, data.__name__, data)
    monkeypatch.setattr(open_clip_train, "data", data, raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: SimpleNamespace())
    runpy.run_path(open_clip_launcher.__file__, run_name="__mp_main__")  # as multiprocessing runs it in each of them
    assert data.tar_file_expander.keywords == {"eof_value": None}


def test_a_trainer_that_refuses_ends_with_a_code_that_says_so(monkeypatch):
    trainer = ModuleType("open_clip_train.main")
    monkeypatch.setitem(sys.modules, trainer.__name__, trainer)
    for answer, code in ((-1, 1), (None, 0)):
        trainer.main = lambda arguments, answer=answer: answer
        assert open_clip_launcher.main() == code


def test_what_the_trainer_lacks_is_told_with_what_installs_it(monkeypatch):
    monkeypatch.setattr(open_clip_launcher, "find_spec", lambda name: None if name == "webdataset" else SimpleNamespace)
    (told,) = launched(**BETAS).notes
    assert told.startswith("open_clip_train needs webdataset, which this Python has not; type: python -m pip install")
    with pytest.raises(SystemExit, match=r"needs webdataset, .* 'open_clip_torch\[training\]"):
        open_clip_launcher.prepare()
    monkeypatch.setattr(open_clip_launcher, "find_spec", lambda name: SimpleNamespace)
    assert not launched(**BETAS).notes
