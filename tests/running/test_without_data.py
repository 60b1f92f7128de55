"""A stored run that was copied to where none of its data are is measured, drawn, exported and compared all the same."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support import arithmetic

RUNS = Path(__file__).parents[1] / "runs_before"
KEPT = ("command", "generators", "images", "language", "toy")
PICTURES = """
[domain]
name = "images"
data = "npz"
path = "pictures.npz"
network = "small-cnn"
width = 2
epochs = 2
batch_size = 20
test = 20
{more}

[loop]
start = 30
human = 5
model = 10
rounds = 2
label_by = "sample"
snapshots = 1
keep = "subsample"

[bound]
metric = "{metric}"
baseline = "{baseline}"
train = "{train}"
"""
SHARES = {"metric": "share_predicted", "baseline": "share_target", "train": "share_train"}
SELECTION = """
[selection]
name = "reducr"
share = 0.5
best = "accuracy"

[selection.irreducible]
models = "heads"
"""
EPSILONS = {"metric": "effective_epsilon", "baseline": "epsilon_target", "train": "epsilon_train"}
MADE = {
    "imbalanced": PICTURES.format(more='imbalance = { class = "b", factor = 2 }', **SHARES),
    "selecting": PICTURES.format(more='imbalance = { class = "b", factor = 2 }\nholdout = 6', **SHARES) + SELECTION,
    "biased": PICTURES.format(more='bias = { epsilon = 30, tasks = [["a"], ["b"]] }', **EPSILONS),
}
LAYOUTS = {"biased": "bias-amp", "generators": "ffl"}


def write_pictures(path: Path) -> None:
    """96 pictures of two classes, as many of each."""
    rng = np.random.default_rng(0)
    labels = np.arange(96) % 2
    images = (rng.integers(0, 120, (96, 8, 8)) + 100 * labels[:, None, None]).astype(np.uint8)
    np.savez(path, images=images, labels=labels, classes=np.array(["a", "b"]))


@pytest.fixture
def moved(workplace: Path, cli, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A run, alone in an empty working directory, with a data directory that has nothing."""

    def move(name: str) -> Path:
        away = workplace / "away"
        away.mkdir()
        if name in MADE:
            write_pictures(workplace / "pictures.npz")
            Path("preset.toml").write_text(MADE[name])
            made = cli("loop", "-p", "preset.toml", "--out", "made", "--threads", "1")
            assert made.exit_code == 0, made.output
            shutil.move("made/seed-0", away / "run")
            Path("pictures.npz").unlink()
        else:
            shutil.copytree(RUNS / name / "unbroken" / "seed-0", away / "run")
        monkeypatch.chdir(away)
        monkeypatch.setenv("BIASLOOP_DATA", str(away / "nothing"))
        return Path("run")

    return move


@pytest.mark.parametrize("name", [*KEPT, *MADE])
def test_it_is_measured_again(name, moved, cli):
    run = moved(name)
    measured = cli("evaluate", "run", str(run), "--json")
    assert measured.exit_code == 0, measured.output
    again = json.loads(measured.output)["rounds"]
    stored = [row for row in json.loads(cli("runs", "show", str(run), "--json").output)["rounds"] if row["round"] >= 0]
    exactly = name in {"command", "toy", *MADE} or arithmetic.described() == json.loads(
        (RUNS / "maker.json").read_text()
    )
    assert len(again) == len(stored)
    for row, before in zip(again, stored, strict=True):
        assert row["as_stored"] == (["epsilon_train"] if name == "biased" else [])  # groups are not stored
        for metric, number in before["metrics"].items():
            now = row["metrics"][metric]
            if (name, metric) == ("command", "bias_amp"):
                assert (now["se"] or 0) > 0  # which such runs never stored
                now = {**now, "se": number["se"]}
            if exactly or number["value"] is None:
                assert now == number
            else:
                assert now["value"] == pytest.approx(number["value"], rel=1e-6)
    assert not Path("nothing").exists()


@pytest.mark.parametrize("name", [*KEPT, *MADE])
def test_it_is_drawn_exported_and_compared_with_the_bound(name, moved, cli):
    run = moved(name)
    for layout in ("csv", *([LAYOUTS[name]] if name in LAYOUTS else [])):
        exported = cli("export", str(run), "--format", layout, "--output", layout)
        assert exported.exit_code == 0, exported.output
        assert any(Path(layout).rglob("*.csv"))
    metric = next(iter(json.loads(cli("runs", "show", str(run), "--json").output)["rounds"][-1]["metrics"]))
    drawn = cli("plot", str(run), "--metric", metric, "--out", "drawn.svg")
    assert drawn.exit_code == 0, drawn.output
    about = json.loads((run / "manifest.json").read_text())["about"]
    if "bound" in about:
        compared = cli("bound", "--from", str(run), "--json")
        assert compared.exit_code == 0, compared.output
        assert len(json.loads(compared.output)["rounds"]) == len(list(run.glob("round-*.h5")))


def test_what_is_not_computed_from_the_store_is_said(moved, cli):
    shown = cli("evaluate", "run", str(moved("biased")))
    assert "as the round measured it, for it needs more than is stored: epsilon_train" in shown.output
    of_round = json.loads(cli("evaluate", "run", "run", "--metric", "accuracy", "--json").output)["rounds"][0]
    assert of_round["as_stored"] == []
