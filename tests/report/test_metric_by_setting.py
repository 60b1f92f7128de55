"""Metrics against a setting or against epochs, from stored toy runs."""

from dataclasses import replace

import numpy as np
import pytest
from biasloop_toy import ToyDomain
from support.loops import OPTIONS, toy_experiment, toy_prepared
from typer.testing import CliRunner

from biasloop.cli.main import app
from biasloop.contract.data import Metric
from biasloop.errors import InvalidInput
from biasloop.metrics.intervals import wilson
from biasloop.metrics.shares import share
from biasloop.report.arms import arms, open_runs
from biasloop.report.figures import metric_by_setting, of_runs
from biasloop.report.figures.canvas import draw
from biasloop.report.tables import summary
from biasloop.running import engine

PLOT = {"series": ["share_predicted", "share_target"], "x": "domain.delta", "pool": ["domain.pool"]}


def made(place, deltas=(0.0, 0.1, 0.2), pools=(500, 600), tests=(50, 80), seeds=(0, 1), **loop):
    """A study of the toy domain: three settings, of which one is drawn along the axis and one is a replicate."""
    from biasloop.config.experiment import Experiment

    for delta in deltas:
        for pool in pools:
            for test in tests:
                for seed in seeds:
                    sizes = {"rounds": 2, "model": 0, "human": 0, **loop}
                    experiment = toy_experiment(loop=sizes, delta=delta, pool=pool, test=test)
                    experiment = Experiment.model_validate({**experiment.nesting(), "plot": PLOT, "bound": None})
                    engine.run(toy_prepared(experiment, seed), place / f"{delta}-{pool}-{test}/seed-{seed}", OPTIONS)
    return open_runs([place])


def test_lines_points_and_replicates(tmp_path):
    runs = made(tmp_path)
    found = metric_by_setting.responses(runs, "domain.delta", ["domain.pool"])
    assert [one.label for one in found] == ["test 50", "test 80"]
    for one in found:
        assert one.x.tolist() == [0.0, 0.1, 0.2]
        assert one.values["share_predicted"].shape == (4, 3)  # two pools, two seeds
        assert np.allclose(one.values["share_predicted"], [[0.5, 0.6, 0.7]] * 4)
        assert "share_predicted" not in one.shares  # its error is none of a share


def test_a_missing_run_is_a_gap(tmp_path):
    runs = [run for run in made(tmp_path, tests=(50,)) if "0.1-600-50/seed-1" not in str(run.directory)]
    (one,) = metric_by_setting.responses(runs, "domain.delta", ["domain.pool"])
    assert np.isnan(one.values["share_predicted"]).sum() == 1
    drawn = metric_by_setting.panels([one], {"share_predicted": "Share"})
    assert draw([drawn], tmp_path / "gap.png", y_label="", band="interval").stat().st_size > 5_000


def test_without_pool_every_other_setting_is_a_line(tmp_path):
    found = metric_by_setting.responses(made(tmp_path), "domain.delta")
    assert [one.label for one in found] == [f"pool {pool}, test {test}" for pool in (500, 600) for test in (50, 80)]


def test_lines_are_called_by_the_names_of_arms_if_all_have_one(tmp_path):
    runs = made(tmp_path, seeds=(0,))

    def labels(name):
        for run in runs:
            run.manifest.about["arm"] = name(run.identity["domain"])
        return [line.label for line in metric_by_setting.responses(runs, "domain.delta")]

    assert labels(lambda domain: f"arm {domain['test']}") == [
        f"arm {test}, pool {pool}" for pool in (500, 600) for test in (50, 80)
    ]
    assert labels(lambda domain: f"{domain['pool']} and {domain['test']}")[:2] == ["500 and 50", "500 and 80"]
    unnamed = [f"pool {pool}, test {test}" for pool in (500, 600) for test in (50, 80)]
    assert labels(lambda domain: f"delta {domain['delta']}") == unnamed  # arms are points of one line
    assert labels(lambda _: "all") == [f"all, {label}" for label in unnamed]


def test_lines_need_not_have_the_same_points(tmp_path):
    runs = made(tmp_path, deltas=(0.0, 0.2), pools=(500,), tests=(50,))
    runs += made(tmp_path / "more", deltas=(0.1,), pools=(500,), tests=(80,))
    found = metric_by_setting.responses(runs, "domain.delta")
    (panel,) = metric_by_setting.panels(found, {"share_predicted": "Share"})
    assert panel.x.tolist() == [0.0, 0.1, 0.2]
    first, second = (series.values for series in panel.series)
    assert np.isnan(first[:, 1]).all()
    assert np.isnan(second[:, [0, 2]]).all()
    assert draw([[panel]], tmp_path / "lines.svg", y_label="").stat().st_size > 5_000


def test_a_setting_that_complements_the_other_sets_no_line_apart(tmp_path):
    runs = []
    for human in (5, 10, 25):
        runs += made(tmp_path, deltas=(0.1,), pools=(500,), tests=(50,), seeds=(0,), human=human, model=25 - human)
        (tmp_path / "0.1-500-50").rename(tmp_path / f"human-{human}")
    (line,) = metric_by_setting.responses(open_runs([tmp_path]), "loop.human")
    assert line.label == ""
    assert line.x.tolist() == [5, 10, 25]
    assert line.values["share_predicted"].shape == (1, 3)


def test_a_lone_run_says_how_sure_its_rows_are():
    share, mean = Metric(0.3, 50, (0.3 * 0.7 / 50) ** 0.5), Metric(-1.5, 40, 0.25)
    none, exact, unknown = Metric(0.0, 31, 0.0), Metric(0.4, 50, 0.0), Metric(0.4, 50, float("nan"))
    intervals = metric_by_setting.row_intervals("accuracy", [share, mean, none, exact, unknown])
    assert intervals[:, 0].tolist() == list(wilson(15, 50))
    assert intervals[:, 1] == pytest.approx([-1.5 - 1.96 * 0.25, -1.5 + 1.96 * 0.25], abs=1e-4)
    assert intervals[:, 2].tolist() == list(wilson(0, 31))  # 0 of 31 is not said with certainty
    assert np.isnan(intervals[:, 3:]).all()


def test_a_difference_of_nothing_is_no_share_of_none():
    intervals = metric_by_setting.row_intervals("recall_at_1_gap", [Metric(0.0, 24, 0.0), Metric(0.5, 24, 0.125)])
    assert np.isnan(intervals[:, 0]).all()
    assert intervals[:, 1] == pytest.approx([0.5 - 1.96 * 0.125, 0.5 + 1.96 * 0.125], abs=1e-4)


def test_several_runs_need_no_interval_of_rows(tmp_path):
    several = metric_by_setting.responses(made(tmp_path, tests=(50,), pools=(500,)), "domain.delta")
    assert [line.of_rows for line in several] == [{}]


def test_epochs_of_snapshots(tmp_path):
    runs = made(tmp_path, deltas=(0.3,), pools=(500,), tests=(50,), snapshots=1)
    (one,) = metric_by_setting.responses(runs, metric_by_setting.EPOCH)
    assert one.x.tolist() == [1, 2, 3]
    assert np.allclose(one.values["share_predicted"], [[0.6, 0.7, 0.8]] * 2)


def test_what_is_not_measured_at_epochs_is_left_out_or_said(tmp_path):
    runs = made(tmp_path, deltas=(0.3,), pools=(500,), tests=(50,), seeds=(0,), snapshots=1)
    runs[0].manifest.about = {"plot": {"series": ["label_error", "share_predicted"]}}
    against = of_runs.against_setting(runs, None, "epoch", [])
    assert [panel.y_label for panel in against.panels] == ["Share predicted"]
    with pytest.raises(
        InvalidInput,
        match="no run has a metric 'label_error' there; name one with --metric or .plot. series, such as share_target",
    ):
        of_runs.against_setting(runs, "label_error", "epoch", [])
    runs[0].manifest.about = {"bound": {"metric": "share_predicted", "baseline": "share_target"}}
    assert len(of_runs.against_setting(runs, None, "epoch", []).panels) == 1
    (response,) = metric_by_setting.responses(runs, "epoch")
    response.values["share_predicted"][:] = np.nan
    with pytest.raises(InvalidInput, match="no run has a value of 'share_predicted' there; name one with"):
        metric_by_setting.panels([response], {"share_predicted": "Share"})


def test_the_table_of_a_study_that_is_about_a_setting(tmp_path):
    headers, rows = summary.by_setting(made(tmp_path))
    assert headers == ["line", "delta", "n", "share predicted", "share target"]
    assert [row[:3] for row in rows] == [[f"test {t}", d, "4"] for t in (50, 80) for d in ("0", "0.1", "0.2")]
    assert rows[1][3] == "0.600 –"  # equal seeds say nothing of a spread


def test_a_study_without_x_has_no_such_table(tmp_path):
    experiment = toy_experiment(loop={"rounds": 1})
    engine.run(toy_prepared(experiment), tmp_path / "run", OPTIONS)
    assert summary.by_setting(open_runs([tmp_path])) is None


@pytest.mark.parametrize(
    ("x", "pool", "words"),
    [
        ("domain.delt", [], r"no setting 'domain\.delt'; those that differ between the runs are domain\.delta"),
        ("domain.delta", ["domain.nothing"], r"no setting 'domain\.nothing'"),
        ("domain.labels", [], "an x axis needs numbers"),
        ("epoch", [], r"has no snapshots of epochs; set loop\.snapshots"),
    ],
)
def test_what_cannot_be_drawn_is_said(tmp_path, x, pool, words):
    runs = made(tmp_path, deltas=(0.0, 0.1), pools=(500,), tests=(50,), seeds=(0,))
    with pytest.raises(InvalidInput, match=words):
        metric_by_setting.responses(runs, x, pool)
    with pytest.raises(
        InvalidInput,
        match="no run has a metric 'nothing' there; name one with --metric or .plot. series, such as share_target",
    ):
        metric_by_setting.panels(metric_by_setting.responses(runs, "domain.delta"), {"nothing": "Nothing"})


def test_plot_draws_what_the_preset_names(tmp_path):
    made(tmp_path / "study", pools=(500,), seeds=(0,))
    for options in ([], ["--x", "domain.delta", "--metric", "share_predicted"], ["--metric", "share_target"]):
        out = tmp_path / f"figure-{len(options)}.png"
        result = CliRunner().invoke(app, ["plot", str(tmp_path / "study"), "--out", str(out), *options])
        assert result.exit_code == 0, result.output
        assert out.stat().st_size > 5_000


def test_wide_settings_have_a_logarithmic_axis(tmp_path):
    from biasloop.report.figures.panels import Panel, Series

    values = np.array([[0.1, 0.2, 0.3]])
    narrow = Panel("", [Series("a", values)], arrow=False, y_label="a", x=np.array([1.0, 2.0, 3.0]))
    for name, x in (("few", [4.0, 16.0, 64.0]), ("many", [1e-5, 1e-3, 1e-2])):
        wide = replace(narrow, x=np.array(x))
        assert draw([[wide]], tmp_path / f"{name}.png", y_label="", x_label="width").stat().st_size > 5_000


def test_many_values_such_as_epochs_stand_on_a_line_and_not_on_its_logarithm():
    from matplotlib.figure import Figure

    from biasloop.report.figures import canvas

    for values, scale in ((np.arange(1.0, 61), "linear"), (np.array([1e-4, 1e-3, 1e-2, 0.1]), "log")):
        axes = Figure().add_subplot()
        canvas._settings_axis(axes, values)
        assert axes.get_xscale() == scale
        assert len(axes.xaxis.get_major_locator().tick_values(values.min(), values.max())) < 15


def test_a_share_is_known_as_one_so_that_its_band_stays_within_0_and_1(tmp_path, monkeypatch):
    def measure(self, tables, train, vocabularies):
        columns = tables["test"].columns
        return {f"share_{name}": share(columns[name].values, 1) for name in ("target", "prediction") if name in columns}

    monkeypatch.setattr(ToyDomain, "measure", measure)
    runs = made(tmp_path, deltas=(0.1, 0.2), pools=(500,), tests=(50,))
    (line,) = metric_by_setting.responses(runs, "domain.delta", [])
    assert line.shares == {"share_target", "share_prediction"}
    (panel,) = metric_by_setting.panels([line], {"share_prediction": "Share"})
    assert panel.series[0].share
    assert all(of_runs.metric_series(arm, "share_prediction").share for arm in arms(runs))
