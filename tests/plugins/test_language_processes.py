"""Language models fine-tuned by two real processes, and the whole program started by a launcher."""

import json
import signal
import subprocess
import time

import numpy as np
import pytest
from support import fitting_together, several, toy
from support.language import tiny_gpt2
from typer.testing import CliRunner

from biasloop.store.reader import Run
from biasloop_language import networks

# --- fits


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """Where the first of two processes left weights, and how both ended."""
    place = tmp_path_factory.mktemp("fitted")
    ends = several.ended(several.two(several.together("language", place), place), 100)
    assert [end[0] for end in ends] == [0, 0], ends
    return place, ends


def saved(place, name):
    with np.load(place / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def alone(number=0, weights=None, **changes):
    work = fitting_together.Watched()
    model = fitting_together.fitted(work, number, weights, **changes)
    return {**networks.save(model), "curve": np.array([row["loss"] for row in work.curve])}


def far(found, expected):
    """Less the biases of the keys: no loss depends on them, so that Adam moves them by rounding alone."""
    assert found.keys() == expected.keys()
    return max(np.abs(found[name] - expected[name]).max() for name in expected if not name.endswith("c_attn.bias"))


@pytest.mark.parametrize("number", range(len(several.recipes())))
def test_two_processes_fit_as_one_does(fitted, number):
    expected = alone(number)
    assert far(saved(fitted[0], several.recipes()[number][0]), expected) < 1e-5
    untrained = networks.save(several.network())
    assert far({key: expected[key] for key in untrained}, untrained) > 1e-2


def test_weights_of_samples_arrive(fitted):
    found = saved(fitted[0], "weighed")
    assert far(found, alone(weights=np.linspace(0.5, 2, several.recipes()[0][1]))) < 1e-5
    assert far(found, alone()) > 1e-3


def test_a_fit_goes_on_in_two_processes_where_it_stopped(fitted):
    found, whole = saved(fitted[0], "resumed"), saved(fitted[0], "parts")
    curve = found.pop("curve").tolist()
    assert 0 < len(curve) < len(whole["curve"])
    assert curve == whole.pop("curve")[-len(curve) :].tolist()
    assert all(np.array_equal(found[name], whole[name]) for name in whole)


def test_fits_that_end_early_leave_both_ready_for_the_next(fitted):
    (_, out, _), (_, said, _) = fitted[1]
    assert out.split("\n") == ["left by ValueError", "left by Interrupted", "interrupted after an epoch",
                               "interrupted in an epoch", ""]  # fmt: skip
    assert said == "followed to the end\n"


def test_a_fit_stopped_in_the_middle_of_an_epoch_draws_the_same_noise_in_both_processes(fitted):
    resumed, unbroken = saved(fitted[0], "drops-resumed"), saved(fitted[0], "drops")
    assert all(np.array_equal(resumed[name], unbroken[name]) for name in unbroken)  # the curve, too


def test_dropout_makes_two_processes_differ_from_one(fitted):
    found, one = saved(fitted[0], "drops"), alone(dropout=0.5)
    assert far({**found, "curve": one["curve"]}, one) > 1e-3


# --- the program

PRESET = """
[domain]
name = "language"
data = "mine.jsonl"
network = "./network"
test = 20
decoder = "greedy"
new_tokens = 5
epochs = {epochs}
batch_size = 8
learning_rate = 1e-3
[loop]
rule = "accumulate"
start = 60
human = 5
model = 20
rounds = 2
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where the presets `tiny` and `long` are, with a corpus and a network without dropout."""
    place = tmp_path_factory.mktemp("program")
    rng = np.random.default_rng(0)
    words = ["peace", "war", "we", "nation", "people", "and", "the", "of", "hope", "will"]
    texts = [[" ".join(rng.choice(words, 6)) for _ in range(150)] for _ in range(2)]
    lines = [json.dumps({"prompt": a, "continuation": f" {b}"}) for a, b in zip(*texts, strict=True)]
    (place / "mine.jsonl").write_text("\n".join(lines) + "\n")
    (place / "presets").mkdir()
    (place / "presets" / "tiny.toml").write_text(PRESET.format(epochs=2))
    (place / "presets" / "long.toml").write_text(PRESET.format(epochs=40))
    network = tiny_gpt2(place / "network", texts[0] + texts[1])
    config = json.loads((network / "config.json").read_text())
    drops = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    (network / "config.json").write_text(json.dumps({**config, **drops}))
    return place


def loop(*arguments):
    return ["-m", "biasloop", "loop", "--json", "--data", "data", "--device", "cpu", "--threads", "1", *arguments]


@pytest.fixture
def by_one(place, monkeypatch):
    """The program in this process, which need not import again what it has."""
    from biasloop.cli.main import app

    monkeypatch.chdir(place)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield lambda *words: CliRunner().invoke(app, list(words[2:]))
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_a_launched_loop_is_one_run_like_that_of_one_process(place, by_one):
    launched = [*several.LAUNCHER, *loop("-p", "tiny", "--out", "two")]
    done = subprocess.run(
        launched, cwd=place, env=several.environment(), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["round"] for line in lines if "round" in line] == [0, 1]
    assert lines[-1] == {"done": True, "runs": ["two/seed-0"]}
    assert by_one(*loop("-p", "tiny", "--out", "one")).exit_code == 0
    one, two = Run.open(place / "one" / "seed-0"), Run.open(place / "two" / "seed-0")
    for ours, theirs in zip(two.summaries(), one.summaries(), strict=True):
        assert ours[1].keys() == theirs[1].keys()
        for name, metric in theirs[1].items():
            assert ours[1][name].value == pytest.approx(metric.value, rel=1e-4, nan_ok=True), name
    tokens = [run.read("round-0001").added.payload.columns["tokens"].values.tolist() for run in (one, two)]
    assert tokens[0] == tokens[1]
    assert two.manifest.environments[-1]["processes"] == "2"
    assert two.manifest.environments[-1]["device"] == "cpu, 2 processes"
    assert "processes" not in one.manifest.environments[-1]


def test_ctrl_c_leaves_a_run_that_goes_on(place, by_one):
    launched = subprocess.Popen(
        [*several.LAUNCHER, *loop("-p", "long", "--checkpoint", "0")], cwd=place, env=several.environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    kept = place / "runs" / "long" / "seed-0" / "partial"
    while not [*kept.glob("*fit*")] and launched.poll() is None:
        time.sleep(0.02)
    launched.send_signal(signal.SIGINT)
    begun = time.monotonic()
    out, err = launched.communicate(timeout=40)
    assert time.monotonic() - begun < 20
    assert "goes on from there" in err
    assert err.count("stopping after the current step") == 1
    assert "HelperLost" not in err
    assert '"done"' not in out
    resumed = by_one(*loop("-p", "long"))
    assert resumed.exit_code == 0
    assert "device cpu, 2 processes -> cpu" in resumed.output
    assert Run.open(place / "runs" / "long" / "seed-0").rounds == [0, 1]


def test_a_domain_that_cannot_share_is_refused_by_all_and_told_once(workplace, toy_metadata):
    command = [*toy.command("loop", "-p", "toy")]
    ends = several.ended(several.two(command, workplace, several.environment([toy_metadata])), 30)
    assert [end[0] for end in ends] == [2, 2]
    assert ends[0][2] == (
        "biasloop: the domain 'toy' trains in one process, but 2 were launched; start the command without a launcher\n"
    )
    assert ends[1][1:] == ("", "")
    assert not (workplace / "runs").exists()
