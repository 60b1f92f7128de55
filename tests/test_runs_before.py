"""Runs that an earlier tree made (`runs_before/make.py` says which) are listed, whole, measured again and gone on with.

Where this machine computes as the one that made them, to the same bits; elsewhere to numbers that differ as little as
those of two machines do. Runs whose learner is no library's are the same everywhere.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support import arithmetic, small_generators

RUNS = Path(__file__).with_name("runs_before")
UNBROKEN, SEED = "unbroken", "seed-0"
BROKEN = {
    "images": ("finished", "stopped", "within"),
    "images-sampled": ("within",),
    "generators": ("finished", "stopped", "within", "within-classifier"),
    "language": ("finished", "stopped", "within"),
    "command": ("finished", "stopped"),
    "toy": ("finished", "stopped", "within"),
}
PORTABLE = ("command", "toy")  # whose bits depend on no machine
ROUNDS = {UNBROKEN: 3, "finished": 2}
Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def alike() -> bool:
    """Whether bits are promised to be those of the machine that made the runs."""
    return arithmetic.described() == json.loads((RUNS / "maker.json").read_text())


@pytest.fixture
def copied(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Copies a folder of kept runs into the working directory; gives that."""
    small_generators.put_in(monkeypatch.setattr)

    def copy(name: str) -> Path:
        shutil.copytree(RUNS / name, workplace, dirs_exist_ok=True)
        return workplace

    return copy


def test_every_kept_run_is_tested():
    runs = {
        folder.name: {run.parent.name for run in folder.glob(f"*/{SEED}")}
        for folder in RUNS.iterdir() if (folder / "preset.toml").exists()
    }  # fmt: skip
    assert runs == {name: {UNBROKEN, *states} for name, states in BROKEN.items()}


@pytest.mark.parametrize("name", BROKEN)
def test_they_are_listed_and_every_file_is_whole(name, copied, cli):
    directory = copied(name)
    listed = {Path(row["run"]).parent.name: row for row in json.loads(cli("runs", "list", ".", "--json").output)}
    assert {state: row["rounds"] for state, row in listed.items()} == {
        state: ROUNDS.get(state, 1) for state in (UNBROKEN, *BROKEN[name])
    }
    finished = {state for state, row in listed.items() if row["state"].startswith("finished")}
    assert finished == ROUNDS.keys() & listed.keys()
    verified = cli("runs", "verify", str(directory), "--json")
    assert verified.exit_code == 0, verified.output
    assert [run["problems"] for run in json.loads(verified.output)] == [[]] * len(listed)


@pytest.mark.parametrize("name", BROKEN)
def test_measured_again_they_give_what_they_store(name, copied, cli, alike):
    copied(name)
    runs = [str(Path(state, SEED)) for state in (UNBROKEN, *BROKEN[name])]
    measured = cli("evaluate", "run", *runs, "--json")
    assert measured.exit_code == 0, measured.output
    again = {answer["run"]: answer["rounds"] for answer in json.loads(measured.output)}
    assert list(again) == runs
    for run in runs:
        stored = [row for row in json.loads(cli("runs", "show", run, "--json").output)["rounds"] if row["round"] >= 0]
        assert len(stored) == len(again[run])
        for row, other in zip(stored, again[run], strict=True):
            assert row["metrics"]
            for metric, stated in row["metrics"].items():  # there may be more
                now = other["metrics"][metric]
                if stated["se"] is None:  # there may be an error now where none was stored
                    now = {**now, "se": None}
                if alike or name in PORTABLE:
                    assert now == stated, metric
                else:
                    assert close(now, stated), metric


def close(now: dict[str, Any], stated: dict[str, Any]) -> bool:
    """Value, error and count as a command prints them: numbers to a millionth, and whatever else is no number."""
    return now.keys() == stated.keys() and all(
        now[key] == pytest.approx(stated[key], rel=1e-6, abs=1e-9)
        if isinstance(stated[key], float) else now[key] == stated[key]
        for key in stated
    )  # fmt: skip


@pytest.mark.parametrize(("name", "state"), [(name, state) for name, states in BROKEN.items() for state in states])
def test_gone_on_with_they_end_as_an_unbroken_run(name, state, copied, cli, alike):
    run = copied(name) / state / SEED
    before = digests(run)
    assert (run / "partial").exists() == state.startswith("within")  # with a checkpoint of the tree before
    result = cli("loop", "-p", "preset.toml", "--out", state, "--threads", "1", "--device", "cpu")
    assert result.exit_code == 0, result.output
    after = digests(run)
    assert {file: after.get(file) for file in before if lasts(file)} == {
        file: digest for file, digest in before.items() if lasts(file)
    }
    assert not (run / "partial").exists()
    assert differing(run, RUNS / name / UNBROKEN / SEED, exactly=alike or name in PORTABLE) == []
    assert cli("runs", "verify", str(run)).exit_code == 0


def lasts(file: str) -> bool:
    """Whether a file stays when there is another round: a round's model does not."""
    return not file.startswith("model-0")


def digests(run: Path) -> dict[str, str]:
    """SHA-256 of every stored file of steps and models."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(run.glob("*.h5"))}


def arrays(run: Path) -> dict[str, Array]:
    """Every array and every attribute of a run's files, but for the digest of the file of the step before."""
    stored: dict[str, Array] = {}
    for path in sorted(run.glob("*.h5")):

        def take(name: str, node: h5py.Group | h5py.Dataset, file: str = path.name) -> None:
            if isinstance(node, h5py.Dataset):
                stored[f"{file}/{name}"] = np.asarray(node[()])
            for key, value in node.attrs.items():
                stored[f"{file}/{name}@{key}"] = np.asarray(value)

        with h5py.File(path) as file:
            take("", file)
            file.visititems(take)
            del stored[f"{path.name}/@parent"]
    return stored


def differing(run: Path, other: Path, *, exactly: bool) -> list[str]:
    """Names of arrays that two runs do not both hold with the same values, or nearly the same."""
    ours, theirs = arrays(run), arrays(other)
    same = identical if exactly else near
    lacking = ours.keys() ^ theirs.keys()
    return sorted(lacking | {name for name in ours.keys() - lacking if not same(name, ours[name], theirs[name])})


def identical(name: str, ours: Array, theirs: Array) -> bool:
    """Bit for bit."""
    return (ours.dtype, ours.shape, ours.tobytes()) == (theirs.dtype, theirs.shape, theirs.tobytes())


def near(name: str, ours: Array, theirs: Array) -> bool:
    """Bit for bit, but for floats: other instructions and threads move those by a millionth to a ten-thousandth."""
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype or ours.dtype.kind != "f":
        return identical(name, ours, theirs)
    # A third of this bias, of the keys, changes no attention: its gradient is rounding, which AdamW makes steps of.
    tolerance = 0.2 if name.endswith("attn.c_attn.bias") else 1e-3
    return np.allclose(ours, theirs, rtol=tolerance, atol=tolerance, equal_nan=True)
