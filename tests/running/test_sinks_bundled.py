"""The bundled sinks: what `rounds.jsonl` and TensorBoard's files hold, however often and in whatever parts a run is
made."""

import json
import math
from pathlib import Path

import pytest

from biasloop.contract.data import Metric
from biasloop.contract.sinks import RunDescription
from biasloop.running.sinks.jsonl import JsonLines
from biasloop.running.sinks.tensorboard import TensorBoard

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

ROUNDS = [
    (-1, {"bias": Metric(0.5, 10, 0.1)}, {}, None),
    (0, {"bias": Metric(0.25, 10, 0.1), "ece": Metric(0.1, 10)}, {"train": 7}, 1.5),
    (1, {"bias": Metric(math.nan, 0), "none": Metric(0.0, 0), "loss": Metric(math.inf, 3, 0.0)}, {"train": 9}, 2.5),
    (2, {"bias": Metric(0.125, 10, 0.1)}, {"train": 11}, 3.5),
]


def description(place: Path, seed: int = 0) -> RunDescription:
    settings = {"loop.human": 5, "domain.name": "toy|pipe", "domain.lists": {"a": ["b"]}}
    return RunDescription(place / f"seed-{seed}", place / "sinks" / f"seed-{seed}", "toy", "", seed, 4, settings)


def told(sink, place: Path, rounds, state: str = "finished", *, curves: bool = False):
    sink.start(description(place))
    for number, metrics, sizes, seconds in rounds:
        if curves and number >= 0:
            sink.curve(number, "fit", {"epoch": [1.0, 2.0], "loss": [1.0 / (number + 1), 0.5 / (number + 1)]})
        sink.round(number, metrics, sizes, seconds)
    if state:
        sink.end(state, "")


# --- jsonl


def rows(place: Path) -> list[dict]:
    return [json.loads(line) for line in (place / "sinks" / "seed-0" / "rounds.jsonl").read_text().splitlines()]


def test_a_line_holds_what_a_round_measured(tmp_path):
    told(JsonLines(), tmp_path, ROUNDS)
    first, second, third, _ = rows(tmp_path)
    about = {"run": str(tmp_path / "seed-0"), "preset": "toy", "seed": 0, "arm": ""}
    assert first == {**about, "round": -1, "metrics": {"bias": {"value": 0.5, "n": 10, "se": 0.1}}, "sizes": {},
                     "seconds": None}  # fmt: skip
    assert second["metrics"]["ece"] == {"value": 0.1, "n": 10, "se": None}
    assert (second["sizes"], second["seconds"]) == ({"train": 7}, 1.5)
    assert third["metrics"] == {
        "bias": {"value": None, "n": 0, "se": None},
        "none": {"value": None, "n": 0, "se": None},
        "loss": {"value": None, "n": 3, "se": 0.0},
    }


@pytest.mark.parametrize("first", [0, 1, 3, 4])
@pytest.mark.parametrize("state", ["stopped", ""])  # "": the process was killed
def test_rounds_are_in_the_file_once_however_often_they_are_told(tmp_path, first, state):
    told(JsonLines(), tmp_path / "once", ROUNDS)
    told(JsonLines(), tmp_path / "parts", ROUNDS[:first], state)
    told(JsonLines(), tmp_path / "parts", ROUNDS)
    told(JsonLines(), tmp_path / "parts", ROUNDS)
    once, parts = rows(tmp_path / "once"), rows(tmp_path / "parts")
    assert [row | {"run": ""} for row in once] == [row | {"run": ""} for row in parts]


def test_lines_that_are_there_are_not_written_again(tmp_path):
    told(JsonLines(), tmp_path, ROUNDS[:2], "stopped")
    path = tmp_path / "sinks" / "seed-0" / "rounds.jsonl"
    before, file = path.read_bytes(), path.stat().st_ino
    told(JsonLines(), tmp_path, ROUNDS)
    assert path.read_bytes().startswith(before)
    assert path.stat().st_ino == file


@pytest.mark.parametrize("cut", [1, 30])
def test_a_line_that_a_kill_has_cut_is_written_whole(tmp_path, cut):
    told(JsonLines(), tmp_path, ROUNDS[:2], "")
    path = tmp_path / "sinks" / "seed-0" / "rounds.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    told(JsonLines(), tmp_path, ROUNDS[:1], "")  # killed again before it comes to that line
    assert [row["round"] for row in rows(tmp_path)] == [-1]
    told(JsonLines(), tmp_path, ROUNDS)
    assert [row["round"] for row in rows(tmp_path)] == [-1, 0, 1, 2]


def test_what_a_repaired_run_has_no_more_goes(tmp_path):
    told(JsonLines(), tmp_path, ROUNDS)
    again = [*ROUNDS[:2], (1, {"bias": Metric(0.75, 10, 0.1)}, {"train": 9}, 2.0)]
    told(JsonLines(), tmp_path, again, "stopped")
    assert [row["round"] for row in rows(tmp_path)] == [-1, 0, 1]
    assert rows(tmp_path)[-1]["metrics"]["bias"]["value"] == 0.75


@pytest.mark.parametrize("state", ["failed", "elsewhere"])
def test_what_is_not_told_of_a_run_that_fails_stays(tmp_path, state):
    told(JsonLines(), tmp_path, ROUNDS)
    told(JsonLines(), tmp_path, ROUNDS[:1], state)
    assert [row["round"] for row in rows(tmp_path)] == [-1, 0, 1, 2]


# --- tensorboard


def events(place: Path):
    read = accumulator.EventAccumulator(str(place / "sinks" / "seed-0"), size_guidance={"scalars": 0, "tensors": 0})
    return read.Reload()


def scalars(place: Path) -> dict[str, list[tuple[int, float]]]:
    read = events(place)
    return {tag: [(event.step, event.value) for event in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


def test_scalars_are_metrics_errors_sizes_and_curves_by_round_and_epoch(tmp_path):
    told(TensorBoard(), tmp_path, ROUNDS, curves=True)
    there = scalars(tmp_path)
    assert there["metrics/bias"] == [(-1, 0.5), (0, 0.25), (2, 0.125)]
    assert there["metrics/ece"] == [(0, pytest.approx(0.1))]
    assert there["standard errors/bias"] == [(step, pytest.approx(0.1)) for step in (-1, 0, 2)]
    assert "standard errors/ece" not in there
    assert there["sizes/train"] == [(0, 7.0), (1, 9.0), (2, 11.0)]
    assert there["sizes/seconds"] == [(0, 1.5), (1, 2.5), (2, 3.5)]
    losses = [1, 0.5, 0.5, 0.25, pytest.approx(1 / 3), pytest.approx(1 / 6)]
    assert there["fit/loss"] == list(zip(range(1, 7), losses, strict=True))
    assert not any("epoch" in tag for tag in there)


def test_settings_and_the_end_are_texts(tmp_path):
    told(TensorBoard(), tmp_path, ROUNDS)
    read = events(tmp_path)
    settings, end = (read.Tensors(tag)[0].tensor_proto.string_val[0].decode() for tag in ("settings", "end"))
    assert "| loop.human | 5 |" in settings
    assert r"| domain.name | toy\|pipe |" in settings
    assert end == "finished"
    assert read.SummaryMetadata("settings").plugin_data.plugin_name == "text"


@pytest.mark.parametrize("state", ["stopped", ""])
def test_a_run_that_goes_on_is_drawn_once(tmp_path, state):
    told(TensorBoard(), tmp_path / "once", ROUNDS, curves=True)
    told(TensorBoard(), tmp_path / "parts", ROUNDS[:2], state, curves=True)
    told(TensorBoard(), tmp_path / "parts", ROUNDS, curves=True)
    assert scalars(tmp_path / "once") == scalars(tmp_path / "parts")
    assert len(list((tmp_path / "parts").rglob("events.*"))) == 1


def test_who_reads_along_takes_the_steps_of_the_new_file_for_those_of_the_old(tmp_path):
    """A TensorBoard that has read the old file drops what it read: the new one says that all steps come again."""
    told(TensorBoard(), tmp_path, ROUNDS[:2], "")
    (old,) = tmp_path.rglob("events.*")
    copied = old.read_bytes()
    told(TensorBoard(), tmp_path, ROUNDS)
    old.write_bytes(copied)
    assert scalars(tmp_path)["metrics/bias"] == [(-1, 0.5), (0, 0.25), (2, 0.125)]


def test_files_of_others_stay(tmp_path):
    other = tmp_path / "sinks" / "seed-0" / "events.out.tfevents.1.host"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"")
    told(TensorBoard(), tmp_path, ROUNDS)
    assert other.exists()
