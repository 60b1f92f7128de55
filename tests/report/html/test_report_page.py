"""The page: what it says beside what is computed from the store anew, and what it can never do."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from support.reports import HOSTILE, Page

from biasloop.bound import bound
from biasloop.config.experiment import BoundSection
from biasloop.contract.data import Metric
from biasloop.errors import BiasloopError
from biasloop.metrics.sequential import e_value
from biasloop.printable import printable
from biasloop.report import comparison
from biasloop.report.arms import Arm, Measured, arms
from biasloop.report.figures import lines
from biasloop.report.html import page as pages
from biasloop.report.html.cautions import Caution
from biasloop.report.html.content import Asked, Report, gather, gather_figure
from biasloop.report.html.drawing import Numbering, drawings
from biasloop.report.html.page import page
from biasloop.report.html.plain import plain
from biasloop.report.html.populations import Population
from biasloop.report.html.results import Metric as Column
from biasloop.report.html.results import results, value_of
from biasloop.report.html.samples import Sample, SampleSet
from biasloop.report.output import finite
from biasloop.report.tables import summary
from biasloop.running.engine import Options
from biasloop.store.finding import find_runs
from biasloop.store.reader import Run

LINKS = ("src", "href", "action", "data", "poster", "srcset", "xlink:href")


@pytest.fixture(scope="module")
def parsed(html) -> Page:
    return Page(html)


def runs_of(study: Path, human: int) -> list[Run]:
    return [Run.open(folder) for folder in find_runs(study) if f"loop.human={human}" in str(folder)]


def over(study: Path, human: int, number: int, name: str) -> np.ndarray:
    """`(seeds,)` a metric of a round, as stored."""
    return np.array([next(run.summaries([number]))[1][name].value for run in runs_of(study, human)])


def test_it_is_whole(parsed, html):
    assert html.startswith("<!DOCTYPE html>")
    assert parsed.unclosed == []
    assert [attributes["charset"] for attributes in parsed.named("meta") if "charset" in attributes] == ["utf-8"]


def test_means_and_intervals_are_those_of_the_stored_numbers(parsed, study):
    table = parsed.table("metric", "arm", "round 0", "last round", "95 % interval")
    rows = {(row[0], row[1]): row[2:] for row in table.rows}
    for human, label in ((5, "20 % human"), (25, "55.56 % human")):
        values = over(study, human, 3, "share_predicted")
        mean, (low, high) = values.mean(), stats.t.interval(0.95, 2, values.mean(), stats.sem(values))
        first, last, std, interval, seeds, n = rows["Share predicted", label]
        assert float(first) == pytest.approx(over(study, human, 0, "share_predicted").mean(), rel=5e-3)
        assert float(last) == pytest.approx(mean, rel=5e-3)
        assert float(std) == pytest.approx(values.std(ddof=1), rel=5e-3)
        assert np.array(json.loads(interval)) == pytest.approx([low, high], abs=1e-3)
        assert (seeds, n) == ("3", "100")


def test_bias_and_bound_are_those_of_the_theorem(parsed, study):
    table = parsed.table("arm", "bias, last round", "bound, last round", "runs that exceed")
    for row, human in zip(table.rows, (5, 25), strict=True):
        measured = [over(study, human, t, "share_predicted") - over(study, human, t, "share_target") for t in range(4)]
        bounds = np.array([bound(100, human, 20, delta, 3) for delta in measured[0]])  # (seeds, rounds)
        bias = np.array(measured).T  # (seeds, rounds)
        exceeding = (np.abs(bias) > np.abs(bounds) + 1e-12).any(axis=1)
        assert float(row[2]) == pytest.approx(bias[:, 3].mean(), abs=6e-4)
        assert float(row[3]) == pytest.approx(bounds[:, 3].mean(), abs=6e-4)
        assert float(row[4]) == pytest.approx((human + 20) / human * bias[:, 0].mean(), abs=6e-4)
        over_mean = np.flatnonzero(np.abs(bias.mean(0)) > np.abs(bounds.mean(0)) + 1e-12)
        assert row[5] == (", ".join(map(str, over_mean)) or "none")
        assert row[6] == f"{exceeding.sum()} of 3"


def test_arms_are_compared_by_the_differences_of_their_seeds(parsed, study):
    table = parsed.table("metric", "arm", "difference", "e-value")
    reference, other = (row for row in table.rows if row[0] == "Bias")
    ends = [over(study, human, 3, "share_predicted") - over(study, human, 3, "share_target") for human in (5, 25)]
    differences = ends[1] - ends[0]
    low, high = stats.t.interval(0.95, 2, differences.mean(), stats.sem(differences))
    assert (reference[1], reference[4]) == ("20 % human", "reference")
    assert (other[1], other[2]) == ("55.56 % human", "3")
    assert float(other[4]) == pytest.approx(differences.mean(), abs=6e-4)
    assert np.array(json.loads(other[5])) == pytest.approx([low, high], abs=2e-3)
    assert float(other[6]) == pytest.approx(e_value(differences), rel=5e-3)


def test_the_files_inside_hold_every_number_exactly(parsed, study):
    rows = parsed.file("metrics.csv")
    assert len(rows) == sum(len(m) for f in find_runs(study) for _, m, _, _ in Run.open(f).summaries())
    told = {(row["run"], row["round"], row["metric"]): row for row in rows}
    for folder in find_runs(study):
        for number, metrics, _, _ in Run.open(folder).summaries():
            for name, metric in metrics.items():
                row = told[str(folder), str(number), name]
                assert (float(row["value"]), int(row["n"])) == (metric.value, metric.n)
    arms = {(row["arm"], row["metric"]): row for row in parsed.file("arms.csv")}
    values = over(study, 25, 3, "share_train")
    assert float(arms["55.56 % human", "share_train"]["mean"]) == pytest.approx(values.mean(), rel=1e-12)
    differences = parsed.file("differences.csv")
    assert {row["reference"] for row in differences} == {"20 % human"}


def test_json_says_what_the_page_says(report, html, study):
    told = json.loads(json.dumps(finite(plain(report)), allow_nan=False))
    (one,) = told["studies"]
    arm = one["results"]["arms"][1]
    assert arm["last"]["share_predicted"]["mean"] == pytest.approx(over(study, 25, 3, "share_predicted").mean())
    assert len(arm["by_round"]["share_predicted"]) == 4
    assert one["repeat"]["command"] in "".join(Page(html).text)
    assert "svg" not in json.dumps(told)
    assert "data:" not in json.dumps(told)


def test_equal_runs_give_equal_pages(study, html):
    assert page(gather([study], Asked(Options(Path("data"))))).decode() == html


def test_it_names_nothing_outside_itself(parsed):
    for tag, attributes in parsed.elements:
        for name, value in attributes.items():
            if name in LINKS:
                assert re.match(r"(#|data:(image/(png|jpeg)|text/csv|application/gzip)[;,])", value or ""), (tag, value)
            assert not name.startswith("on"), (tag, name)
            assert "url(" not in (value or "").replace("url(#", ""), (tag, name)
    assert not {"iframe", "object", "embed", "link", "base", "form"} & {tag for tag, _ in parsed.elements}


def test_ids_of_figures_are_its_own_each_and_all_references_lead_to_one(html, parsed):
    ids = [value for _, attributes in parsed.elements if (value := attributes.get("id"))]
    assert len(ids) == len(set(ids))
    assert len(parsed.named("svg")) >= 2
    referred = re.findall(r"url\(#([^)]+)\)", html) + [
        value.removeprefix("#")
        for tag, attributes in parsed.elements
        if (value := attributes.get("href") or "").startswith("#")
    ]
    assert referred
    assert set(referred) <= set(ids)


def test_text_of_figures_is_text(parsed):
    assert {"Feedback round", "20 % human", "bound", "baseline"} <= {piece.strip() for piece in parsed.text}


# --- what somebody may have written


def hostile(report: Report) -> Report:
    """The same report, of a preset whose every word means harm."""
    (study,) = report.studies
    first = replace(study.results.arms[0], label=HOSTILE)
    results = replace(study.results, arms=[first, *study.results.arms[1:]])
    names = dict.fromkeys(("name", "domain", "rule", "summary", "source"), HOSTILE)
    runs = [replace(run, path=HOSTILE, arm=HOSTILE, reason=HOSTILE) for run in study.runs]
    repeat = replace(study.repeat, command=HOSTILE, note=f"`{HOSTILE}`")
    cautions = [Caution("hostile", HOSTILE, [HOSTILE, HOSTILE])]
    bounds = [replace(each, arm=HOSTILE, verdicts={HOSTILE: HOSTILE}) for each in study.bounded]
    labels = [
        replace(each, arm=HOSTILE, classes=[replace(line, name=HOSTILE) for line in each.classes])
        for each in study.provenance
    ]
    samples = [SampleSet(HOSTILE, HOSTILE, HOSTILE, [Sample(0, "", HOSTILE, {HOSTILE: HOSTILE}, [HOSTILE])], HOSTILE)]
    settings = {HOSTILE: HOSTILE}
    rows = {metric: [replace(row, arm=HOSTILE) for row in rows] for metric, rows in study.compared.differences.items()}
    columns = [replace(metric, label=HOSTILE) for metric in study.compared.metrics]
    compared = replace(study.compared, reference=HOSTILE, metrics=columns, differences=rows, notes=[f"`{HOSTILE}`"])
    populations = [Population(HOSTILE, {HOSTILE: (0.25, 0.5)}, "", math.nan)]
    changed = replace(
        study, **names, results=results, runs=runs, repeat=repeat, cautions=cautions, bounded=bounds,
        provenance=labels, samples=samples, settings=settings,
        compared=compared, populations=populations,
    )  # fmt: skip
    return replace(report, title=HOSTILE, studies=[changed], unread={HOSTILE: HOSTILE})


def test_words_that_mean_harm_are_shown_and_never_obeyed(report, parsed):
    made = Page(page(hostile(report)).decode())
    assert made.unclosed == []
    assert [tag for tag, _ in made.elements].count("script") == [tag for tag, _ in parsed.elements].count("script") == 1
    assert not any("onerror" in attributes for _, attributes in made.elements)
    assert not any(attributes.get("src") == "x" for _, attributes in made.elements)
    shown = "".join(made.text)
    assert shown.count(printable(HOSTILE)) >= 12
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "49" not in "".join(piece for piece in made.text if "{{" in piece)


def test_a_label_that_means_harm_is_drawn_as_text(study, place):
    label = json.dumps(printable(HOSTILE))
    plot = f"\n[plot]\nlabels = {{ share_predicted = {label} }}"
    (place / "presets" / "hostile.toml").write_text((place / "presets" / "toy.toml").read_text() + plot)
    from biasloop.config import presets
    from biasloop.config.validation import arms_of
    from biasloop.running import engine

    ((_, experiment),) = arms_of(presets.read("hostile"))
    options = Options(place / "data")
    engine.run(engine.prepare(experiment, 0, options), Path("runs", "hostile", "seed-0"), options)
    made = Page(page(gather([Path("runs", "hostile")], Asked(options))).decode())
    assert made.unclosed == []
    assert len(made.named("script")) == 1
    assert not any("onerror" in attributes for _, attributes in made.elements)
    assert any("alert(2)" in piece for piece in made.text)


def leaves(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    elif isinstance(value, str):
        yield value


@settings(max_examples=25, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_title_is_shown_as_it_is(title):
    made = Page(page(Report(title, "0", [])).decode())
    assert made.unclosed == []
    assert " ".join(printable(title).split()) in " ".join("".join(made.text).split())


# --- more than one study, figures, limits


def test_studies_stand_one_after_the_other_each_with_its_name(study, before):
    made = gather([study, before / "images" / "unbroken"], Asked(Options(Path("data")), samples=0), "Two")
    parsed = Page(page(made).decode())
    assert [each.name for each in made.studies] == ["toy", "preset.toml"]
    assert made.title == "Two"
    assert {"toy", "preset.toml"} <= {piece.strip() for piece in parsed.text}
    ids = [value for _, attributes in parsed.elements if (value := attributes.get("id"))]
    assert len(ids) == len(set(ids))


def test_a_run_is_reported_once_however_often_it_is_named(study):
    every = gather([study, study, find_runs(study)[0]], Asked(Options(Path("data")), samples=0))
    assert len(every.studies[0].runs) == 6


def test_a_published_figure_comes_first_with_the_commands_for_what_is_missing(study, place):
    (place / "presets" / "figures").mkdir()
    layout = place / "presets" / "figures" / "two.toml"
    layout.write_text('rows = [["toy", "tay"]]\ntitle = "Two presets"\ny_labels = ["Share"]\n')
    (place / "presets" / "tay.toml").write_text((place / "presets" / "toy.toml").read_text())
    made = gather_figure("two", layout, [], Asked(Options(Path("data")), samples=0))
    assert made.figure.title == "Two presets"
    assert made.missing == ["biasloop loop --preset tay --seeds 0-2"]
    text = page(made).decode()
    assert text.index("Two presets</h2>") < text.index("What was run</h3>")
    assert "biasloop loop --preset tay --seeds 0-2" in text


def test_many_arms_share_a_figure_of_a_few_and_all_have_a_row(report, monkeypatch, study):
    from biasloop.report.html import drawing

    monkeypatch.setattr(drawing, "MOST_ARMS", 1)
    (made,) = gather([study], Asked(Options(Path("data")), samples=0)).studies
    assert "The first 1 of 2 arms are drawn" in made.drawings[0].note
    assert "55.56 % human" not in made.drawings[0].svg
    assert len(made.results.arms) == 2


def test_a_page_that_is_too_large_is_refused(report, monkeypatch):
    monkeypatch.setattr(pages, "LARGEST", 1000)
    with pytest.raises(BiasloopError, match="are the most; give fewer studies, or --no-samples"):
        page(report)


def test_nothing_that_is_told_is_no_number(report):
    assert all(text.lower() not in {"nan", "inf", "-inf"} for text in leaves(finite(plain(report))))
    first, second = report.studies[0].compared.differences["bias"]
    assert math.isnan(first.low)
    assert math.isnan(first.evidence)
    assert second.evidence > 0
    assert ">nan<" not in page(report).decode()


def test_a_bias_that_is_not_the_bounds_is_not_taken_for_it():
    """A run may measure a bias of its own, of another class than its [bound] speaks of."""
    rows = [{"a": Metric(0.3, 50), "b": Metric(0.1, 50), "bias": Metric(own, 50)} for own in (0.05, 0.06)]
    section = BoundSection(metric="a", baseline="b")
    about = {"bound": {"metric": "a", "baseline": "b"}, "plot": {"labels": {"a": "Share of women"}}}

    class Of(Measured):
        bound_section = section

    loop = {"rule": "accumulate", "start": 100, "human": 10, "model": 10}
    run = SimpleNamespace(
        manifest=SimpleNamespace(about=about), identity={"loop": loop, "seed": 0}, directory="run", rounds=[0, 1]
    )
    made = results([run], [Arm("", [Of(run, rows, [{}, {}], [None, None])])])
    called = {metric.name: metric.label for metric in made.metrics}
    assert called["bound_bias"] == "Share of women, less the baseline"
    last = made.arms[0].last
    assert (last["bound_bias"].mean, last["bias"].mean) == (pytest.approx(0.2), 0.06)
    assert last["bound"].mean == pytest.approx(bound(100, 10, 10, 0.2, 1)[1])


def test_a_number_of_several_seeds_rests_on_the_fewest_test_rows_that_one_has():
    runs = [
        SimpleNamespace(seed=seed, bound_section=None, metrics=[{"loss": Metric(1.0 + seed, rows)}])
        for seed, rows in enumerate((50, 20, 80))
    ]
    value = value_of(Arm("", runs), "loss", 0)
    assert (value.n, value.rows, value.of) == (3, 20, "seeds")


@pytest.mark.parametrize(("arms", "rounds", "folded"), [(100, 13, 1), (100, 90, 0), (5, 90, 5)])
def test_of_many_arms_and_rounds_the_page_stays_within_its_size(report, arms, rounds, folded):
    """A study of a hundred arms or more, each with twenty more metrics than the toy's."""
    (study,) = report.studies
    results, bounds, labels = study.results, study.bounded[0], study.provenance[0]
    of_toy = results.arms[0]
    last = {**of_toy.last, **{f"metric.{number}": of_toy.last["share_train"] for number in range(20)}}
    by_round = {name: [values[0]] * rounds for name, values in of_toy.by_round.items()}
    many = [replace(of_toy, label=f"arm {n}", rounds=rounds, last=last, by_round=by_round) for n in range(arms)]
    every = [*results.every, *(Column(f"metric.{number}", f"metric.{number}") for number in range(20))]
    entered = dict.fromkeys(range(rounds), labels.rounds[0])
    changed = replace(
        study,
        results=replace(results, arms=many, every=every),
        bounded=[replace(bounds, arm=f"arm {n}", rounds=[bounds.rounds[0]] * rounds) for n in range(arms)],
        provenance=[replace(labels, arm=f"arm {n}", rounds=entered, totals=entered) for n in range(arms)],
        runs=study.runs * 50,
    )
    made = page(replace(report, studies=[changed]))
    parsed = Page(made.decode())
    assert parsed.unclosed == []
    assert len(made) < 5_000_000
    assert f"arm {arms - 1}" in {row[1] for row in parsed.table("metric", "arm", "round 0").rows}
    captions = [table.caption for table in parsed.tables]
    assert sum(caption.endswith(f"({metric.name})") for caption in captions for metric in results.metrics) == folded


def test_arms_that_feed_nothing_back_do_not_hide_the_bound_of_the_others():
    """Human labels alone have no labels of models, which a bound may be of: such an arm may come first."""
    section = BoundSection(metric="given.share", baseline="given_truth.share")
    about = {"bound": {"metric": "given.share", "baseline": "given_truth.share"}, "plot": {}}

    class Of(Measured):
        bound_section = section

    def arm(label, human, model, row):
        loop = {"rule": "accumulate", "start": 100, "human": human, "model": model}
        identity = {"loop": loop, "seed": 0}
        run = SimpleNamespace(manifest=SimpleNamespace(about=about), identity=identity, directory=label, rounds=[0, 1])
        return Arm(label, [Of(run, [{"accuracy": Metric(0.5, 9)}, row], [{}, {}], [None, None])])

    fed = {"given.share": Metric(0.4, 80), "given_truth.share": Metric(0.3, 80)}
    every = [arm("human", 100, 0, {"accuracy": Metric(0.5, 9)}), arm("model", 20, 80, fed)]
    made = results([run.run for each in every for run in each.runs], every)
    assert [metric.name for metric in made.metrics][:2] == ["bias", "bound"]
    assert made.arms[1].last["bias"].mean == pytest.approx(0.1)
    assert (made.arms[0].last["bias"].n, made.arms[0].last["bound"].n) == (0, 0)


def test_of_a_preset_that_names_nothing_the_bias_is_drawn_that_runs_measured(study):
    runs = [Run.open(folder) for folder in find_runs(study)]
    for run in runs:
        del run.manifest.about["bound"]
    grouped = arms(runs)
    (nothing,) = drawings(runs, grouped, [], Numbering())
    assert nothing.svg == ""
    assert nothing.note.endswith("names no metric to draw; set [plot] series in the preset.")
    for each in (each for arm in grouped for each in arm.runs):
        for number, row in enumerate(each.metrics):
            row["bias"] = Metric(0.1 * number + 0.01 * each.seed, 50)
    (drawn,) = drawings(runs, grouped, ["bias"], Numbering())
    assert (drawn.title, drawn.note) == ("Bias", "")
    assert [metric.name for metric in results(runs, grouped).metrics] == ["bias", "label_error"]


def test_an_arm_has_one_colour_in_all_figures(study, monkeypatch):
    runs = [Run.open(folder) for folder in find_runs(study)]
    grouped = arms(runs)
    for each in grouped[-1].runs:
        for row in each.metrics:
            row["of_some"] = Metric(0.1, 50)
    looks, looks_of = [], lines.looks_of
    monkeypatch.setattr(lines, "looks_of", lambda *given: looks.append(looks_of(*given)) or looks[-1])
    drawings(runs, grouped, ["of_some"], Numbering())
    main, beside = (made[grouped[-1].label] for made in looks)
    assert len(grouped) > 1
    assert beside.colour == main.colour != lines.HUES[0]


def test_seeds_of_equal_bias_have_no_interval_wherever_they_are_told(study):
    grouped = arms([Run.open(folder) for folder in find_runs(study)])
    for each in (each for arm in grouped for each in arm.runs):
        shares = [(0.1 + 0.2, 0.25), (0.3, 0.25), (0.55, 0.5)][each.seed]  # all of bias 0.05, rounding aside
        row = each.metrics[-1]
        row["share_predicted"], row["share_target"] = (replace(row["share_target"], value=value) for value in shares)
    for cells, arm in zip(
        summary.rows(grouped), results([arm.run for arm in grouped[0].runs], grouped).arms, strict=True
    ):
        assert cells[5:7] == ("+0.050 ± 0.000", "–")
        assert (arm.last["bias"].std, arm.last["bias"].of, math.isnan(arm.last["bias"].low)) == (0.0, "", True)
    compared = comparison.compare_arms(grouped, [each.run for arm in grouped for each in arm.runs])
    for arm in compared.arms:
        assert (arm.values["bias"].std, math.isnan(arm.values["bias"].low)) == (0.0, True)
    for row in compared.of("bias"):
        assert math.isnan(row.difference.low)
