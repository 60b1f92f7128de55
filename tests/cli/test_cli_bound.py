"""`biasloop bound`: the calculator in all its forms, and a stored run held against its bound."""

import json
import math
import time
from dataclasses import replace
from pathlib import Path

import pytest
from support import toy

from biasloop.contract.data import Metric
from biasloop.errors import InvalidInput


def answer(result) -> dict:
    assert result.exit_code == 0, result.exception
    assert result.stderr == ""
    return json.loads(result.stdout)


def recursion(n0: int, human: int, model: int, delta: float, last: int) -> list[float]:
    """Taori & Hashimoto 2022, proof of Theorem 1: the bias of round t from that of round t - 1."""
    found, n = [delta], n0
    train = 0.0
    for _ in range(last):
        train = (n * train + model * found[-1]) / (n + human + model)
        n += human + model
        found.append(train + delta)
    return found


@pytest.mark.parametrize(
    ("n0", "human", "model", "delta", "last"),
    [
        (50_000, 1000, 4000, 0.05, 20),
        (100, 5, 20, -0.1, 7),
        (100, 0, 25, 1.0, 5),
        (100, 25, 0, 0.3, 5),
        (0, 1, 4, 1, 3),
    ],
)
def test_json_gives_the_curve_its_limit_and_the_amplification(cli, n0, human, model, delta, last):
    arguments = ["--n0", n0, "--human", human, "--model", model, "--delta", delta, "--rounds", last, "--json"]
    found = answer(cli("bound", *map(str, arguments)))
    assert list(found) == ["bound", "limit", "amplification"]
    if n0:
        assert found["bound"] == pytest.approx(recursion(n0, human, model, delta, last))
    assert len(found["bound"]) == last + 1
    assert found["amplification"] == pytest.approx(found["bound"][-1] / delta)
    assert found["limit"] == (pytest.approx(delta * (human + model) / human) if human else None)


def test_what_grows_without_end_is_null(cli):
    found = answer(cli("bound", "--n0", "100", "--human", "0", "--model", "25", "--json"))
    assert found == {"bound": None, "limit": None, "amplification": None}
    ended = answer(cli("bound", "--n0", "100", "--human", "0", "--model", "25", "--rounds", "2", "--json"))
    assert ended["limit"] is None
    assert ended["amplification"] == pytest.approx(recursion(100, 0, 25, 1, 2)[-1])


def test_infinitely_many_rounds_have_a_limit_and_no_curve(cli):
    for rounds in ([], ["--rounds", "inf"]):
        found = answer(
            cli("bound", "--n0", "100", "--human", "5", "--model", "20", "--delta", "0.1", "--json", *rounds)
        )
        assert found == {"bound": None, "limit": pytest.approx(0.5), "amplification": pytest.approx(5)}


def test_per_round_stands_for_human_and_model_together(cli):
    both = [["--model", "20"], ["--per-round", "25"]]
    one, other = (answer(cli("bound", "--n0", "9", "--human", "5", "--rounds", "4", "--json", *way)) for way in both)
    assert one == other


@pytest.mark.parametrize("way", [("--model", "20"), ("--per-round", "25")])
@pytest.mark.parametrize("rounds", ["inf", "30"])
def test_the_smallest_human_part_keeps_to_the_amplification_and_one_fewer_does_not(cli, way, rounds):
    found = answer(cli("bound", "--n0", "100", "--max-amplification", "1.5", "--rounds", rounds, "--json", *way))
    human, model = found["human"], found["model"]
    assert model == (20 if way[0] == "--model" else 25 - human)

    def amplification(human: int) -> float:
        model = 20 if way[0] == "--model" else 25 - human
        return (human + model) / human if rounds == "inf" else recursion(100, human, model, 1, 30)[-1]

    assert found["amplification"] == pytest.approx(amplification(human))
    assert amplification(human) <= 1.5 < amplification(human - 1)


def test_text_says_the_same(cli):
    result = cli("bound", "--n0", "100", "--human", "5", "--model", "20", "--delta", "0.1", "--rounds", "3")
    curve = recursion(100, 5, 20, 0.1, 3)
    rows = [line.split() for line in result.stdout.splitlines() if line.split() and line.split()[0].isdigit()]
    assert [int(row[1]) for row in rows] == [100, 125, 150, 175]
    assert [float(row[2]) for row in rows] == pytest.approx(curve, rel=1e-4)
    assert "limit: 0.5 (5 times)" in result.stdout
    unbounded = cli("bound", "--n0", "100", "--human", "0", "--model", "20")
    assert "without end" in unbounded.stdout
    solved = cli("bound", "--n0", "100", "--model", "25", "--max-amplification", "1.5")
    assert "50 human-labelled samples a round" in solved.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--n0"),
        (("--n0", "10"), "--human"),
        (("--n0", "10", "--human", "5"), "--model"),
        (("--n0", "10", "--human", "1", "--model", "4", "--per-round", "5"), "--model or --per-round"),
        (("--n0", "10", "--human", "9", "--per-round", "5"), "--human 9 is more than --per-round 5"),
        (("--n0", "10", "--human", "1", "--model", "4", "--rounds", "-3"), "--rounds -3"),
        (("--n0", "10", "--human", "1", "--model", "4", "--rounds", "1.5"), "--rounds 1.5"),
        (("--n0", "10", "--human", "1", "--model", "4", "--rounds", "²"), "--rounds ²"),
        (("--n0", "10", "--human", "1", "--model", "4", "--delta", "nan"), "delta"),
        (("--n0", "10", "--human", "1", "--max-amplification", "2", "--model", "4"), "not --human"),
        (("--n0", "10", "--max-amplification", "0.5", "--model", "4"), "0.5"),
        (("--plot", "x.png"), "--from"),
        (("--from", "nowhere"), "nowhere"),
        (("--from", "presets", "--n0", "5"), "--from"),
    ],
)
def test_wrong_usage_is_refused_in_a_sentence(cli, arguments, words):
    result = cli("bound", *arguments)
    assert isinstance(result.exception, InvalidInput), result.exception
    assert words in str(result.exception)
    assert result.stdout == ""


# --- over a stored run


def test_a_run_that_attains_its_bound_keeps_to_it(cli):
    cli("loop", "-p", "toy")
    found = answer(cli("bound", "--from", "runs/toy/seed-0", "--json"))
    assert found["metric"] == "share_predicted"
    assert found["delta"] == {"value": pytest.approx(0.05), "se": 0.0}
    assert found["limit"] == pytest.approx(0.25)
    assert found["exceeded"] == []
    curve = recursion(100, 5, 20, 0.05, 3)
    assert [row["round"] for row in found["rounds"]] == [0, 1, 2, 3]
    for row, limit in zip(found["rounds"], curve, strict=True):
        assert row["bias"] == pytest.approx(limit)
        assert row["bound"] == pytest.approx(limit)
        assert row["per_round_bound"] == pytest.approx(limit)
        assert row["ratio"] == pytest.approx(1)
        assert row["measured"] - row["baseline"] == pytest.approx(limit)


def test_a_run_that_exceeds_its_bound_is_told_where_and_by_how_much(cli):
    cli("loop", "-p", "toy", "--out", "out", "--set", "domain.labels=bits", "--seeds", "5")
    found = answer(cli("bound", "--from", "out/seed-5", "--json"))
    excess = [abs(row["bias"]) - abs(row["bound"]) for row in found["rounds"]]
    assert found["exceeded"] == [t for t, more in enumerate(excess) if more > 1e-12] != []
    text = cli("bound", "--from", "out/seed-5").stdout
    assert f"exceeded its bound in round {', '.join(map(str, found['exceeded']))}" in text
    assert f"most in round {excess.index(max(excess))}: by {max(excess):.4f}" in text


OF_LABELS = ("--set", "bound.metric=given.share", "--set", "bound.baseline=given_truth.share")


@pytest.fixture
def measured_labels(monkeypatch):
    """The toy measures labels by themselves; those of models have a share of .55, those of humans .5."""
    import biasloop_toy

    class Measuring(biasloop_toy.ToyDomain):  # a class of its own: Python remembers which protocols one has
        def measure_labels(self, labels, vocabularies):
            share = float(labels["target"].mean())
            return {"share": Metric(share, len(labels), 0.03 if share > 0.52 else 0.04)}

    monkeypatch.setattr(biasloop_toy, "ToyDomain", Measuring)


def test_the_calibration_error_may_be_that_of_labels_which_models_give_a_round_later(cli, measured_labels):
    done = cli("loop", "-p", "toy", *OF_LABELS, "--out", "runs/toy")
    assert [line.split()[5:7] for line in done.stdout.splitlines() if line.split()[:1] == ["1"]] == [["+0.050"] * 2]
    stored = answer(cli("bound", "--from", "runs/toy/seed-0", "--json"))
    assert stored["metric"] == "given.share"
    assert stored["delta"] == {"value": pytest.approx(0.05), "se": pytest.approx(0.05)}
    first, *rest = stored["rounds"]
    assert {first[name] for name in ("measured", "bias", "bound", "ratio", "per_round_bound")} == {None}
    for row, limit in zip(rest, recursion(100, 5, 20, 0.05, 2), strict=True):
        for name in ("bias", "bound", "per_round_bound"):
            assert row[name] == pytest.approx(limit)
        assert row["measured"] - row["baseline"] == pytest.approx(limit)
    text = cli("bound", "--from", "runs/toy/seed-0", "--plot", "x.svg").stdout
    assert "kept to its bound in all 3 rounds" in text
    assert "nan" not in text
    assert cli("plot", "runs/toy", "-o", "y.svg").exit_code == 0
    assert "The bound speaks of labels that models give" in " ".join(Path("y.svg").read_text().split())


def test_the_error_of_the_human_labels_that_are_subtracted_counts(cli, measured_labels):
    cli("loop", "-p", "toy", *OF_LABELS, "--out", "runs/toy")
    rows = answer(cli("runs", "show", "runs/toy/seed-0", "--json"))["rounds"]
    errors = [rows[1]["metrics"][name]["se"] for name in ("given.share", "given_truth.share")]
    assert errors == [0.03, 0.04]
    said = cli("bound", "--from", "runs/toy/seed-0").stdout
    assert "calibration error of round 0: +0.0500 ± 0.0500 (standard error)" in said


def test_the_standard_error_is_of_the_round_that_the_calibration_error_is_of(cli, monkeypatch):
    import biasloop_toy

    class Varying(biasloop_toy.ToyDomain):
        def measure(self, tables, train, vocabularies):
            metrics = dict(super().measure(tables, train, vocabularies))
            if "share_predicted" in metrics:
                metrics["share_predicted"] = replace(metrics["share_predicted"], error=1 / len(train))
            return metrics

    monkeypatch.setattr(biasloop_toy, "ToyDomain", Varying)
    cli("loop", "-p", "toy", "--out", "out", "--set", "loop.rounds=2")
    assert answer(cli("bound", "--from", "out/seed-0", "--json"))["delta"]["se"] == 0.01  # of 100 that it starts


@pytest.mark.parametrize(("rounds", "of_labels"), [(1, ()), (2, OF_LABELS)])
def test_one_round_that_a_bound_begins_with_shows_nothing(cli, measured_labels, rounds, of_labels):
    cli("loop", "-p", "toy", *of_labels, "--out", "runs/toy", "--set", f"loop.rounds={rounds}")
    said = cli("bound", "--from", "runs/toy/seed-0").stdout
    assert "one round shows nothing yet" in said
    assert "kept to" not in said


def test_a_run_whose_models_label_nothing_has_no_such_error(cli, measured_labels):
    cli("loop", "-p", "toy", *OF_LABELS, "--grid", "loop.model=0,20", "--seeds", "0-1", "--out", "runs/toy")
    (alone, _), (both, _) = (sorted(Path("runs/toy").glob(f"*model={k}*/seed-*")) for k in (0, 20))
    result = cli("bound", "--from", str(alone))
    assert "has no metric 'given.share' that [bound] names" in str(result.exception)
    assert answer(cli("bound", "--from", str(both), "--json"))["delta"]["value"] == pytest.approx(0.05)
    drawn = cli("plot", "runs/toy", "-o", "x.svg")
    assert drawn.stderr == "no round has a value of given.share of 100 % human, which is left out\n"
    shown = cli("runs", "compare", "runs/toy")
    assert shown.exit_code == 0, shown.exception


def test_the_run_that_a_study_is_told_to_hold_against_its_bound_has_one(cli, measured_labels):
    done = cli("loop", "-p", "toy", *OF_LABELS, "--grid", "loop.model=0,20", "--set", "loop.rounds=2", "--out", "out")
    (typed,) = [line.split() for line in done.stdout.splitlines() if line.startswith("  biasloop bound")]
    assert typed[-1] == "out/loop.model=20/seed-0"
    assert cli(*typed[1:]).exit_code == 0


def test_a_run_made_before_labels_were_measured_is_measured_now(cli, measured_labels, monkeypatch):
    import biasloop_toy

    with monkeypatch.context() as before:
        before.setattr(biasloop_toy, "ToyDomain", biasloop_toy.ToyDomain.__base__)
        cli("loop", "-p", "toy")
    rows = answer(cli("evaluate", "run", "runs/toy/seed-0", "--json"))["rounds"]
    assert [row["metrics"].get("given.share", {}).get("value") for row in rows[:2]] == [None, pytest.approx(0.55)]
    assert answer(cli("bound", "--from", "runs/toy/seed-0", "--json"))["metric"] == "share_predicted"


def test_without_calibration_error_the_ratio_is_null(cli):
    cli("loop", "-p", "toy", "--out", "out", "--set", "domain.delta=0")
    found = answer(cli("bound", "--from", "out/seed-0", "--json"))
    assert [row["ratio"] for row in found["rounds"]] == [None] * 4
    assert math.isclose(found["limit"], 0)


def test_text_over_a_run_has_every_round_and_a_verdict(cli):
    cli("loop", "-p", "toy")
    result = cli("bound", "--from", "runs/toy/seed-0")
    assert "calibration error of round 0: +0.0500" in result.stdout
    assert "kept to its bound in all 4 rounds" in result.stdout
    assert sum(line.split()[:1] in (["0"], ["1"], ["2"], ["3"]) for line in result.stdout.splitlines()) == 4


@pytest.mark.parametrize("name", ["out.png", "out.svg"])
def test_it_can_be_drawn(cli, name):
    cli("loop", "-p", "toy")
    result = cli("bound", "--from", "runs/toy", "--plot", name, "--json")
    assert "exceeded" in json.loads(result.stdout)
    assert f"wrote {name}" in result.stderr
    assert Path(name).stat().st_size > 1000


def test_several_runs_are_listed_with_their_commands(cli):
    cli("loop", "-p", "toy", "--seeds", "0-1")
    message = str(cli("bound", "--from", "runs/toy").exception)
    assert "\n  biasloop bound --from runs/toy/seed-0\n  biasloop bound --from runs/toy/seed-1" in message


def test_a_preset_without_a_bound_or_with_an_unknown_metric_is_told_so(cli, workplace):
    (workplace / "presets" / "bare.toml").write_text(toy.PRESET.split("[bound]")[0])
    (workplace / "presets" / "odd.toml").write_text(toy.PRESET.replace('metric = "share_predicted"', 'metric = "no"'))
    for name, words in (("bare", "[bound]"), ("odd", "'no'")):
        cli("loop", "-p", name)
        result = cli("bound", "--from", f"runs/{name}/seed-0")
        assert isinstance(result.exception, InvalidInput)
        assert words in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--n0", "9", "--human", "1", "--model", "4", "--rounds", str(10**12)], "rounds must be at most 1,000,000"),
        (["--n0", "9", "--human", "1", "--model", "4", "--rounds", "9" * 5_000], "--rounds 999"),
        (["--n0", "9", "--human", "1", "--model", "4", "--rounds", "nan"], "--rounds nan"),
        (["--n0", "9", "--human", "1", "--model", "4", "--rounds", "²"], "--rounds ²"),
        (["--n0", str(10**400), "--human", "1", "--model", "4", "--rounds", "3"], "--n0 1000"),
        (["--n0", "9", "--human", str(10**400), "--model", "4"], "--human 1000"),
        (["--n0", "9", "--human", "1", "--model", "4", "--delta", "nan"], "--delta nan: expected a number"),
        (["--n0", "9", "--model", "4", "--max-amplification", "inf"], "--max-amplification inf"),
        (["--n0", str(10**12), "--model", "4", "--max-amplification", "1.2", "--rounds", "100000"], "at most 10,000"),
    ],
)
def test_absurd_numbers_are_refused_before_anything_is_counted(cli, arguments, words):
    result = cli("bound", *arguments)
    assert isinstance(result.exception, InvalidInput), result.exception
    assert words in str(result.exception)
    assert len(str(result.exception)) < 300


@pytest.mark.parametrize("n0", [10**12, 10**15 - 1])
@pytest.mark.parametrize("way", [("--model", "4"), ("--per-round", str(10**15 - 1))])
def test_the_most_rounds_are_solved_in_a_moment(cli, n0, way):
    begun = time.process_time()
    result = cli("bound", "--n0", str(n0), *way, "--max-amplification", "1.2", "--rounds", "10000")
    assert result.exit_code == 0, result.exception
    assert time.process_time() - begun < 20
