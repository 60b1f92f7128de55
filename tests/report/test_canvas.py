"""Figures: what is drawn where, nothing overlapping or cut off, files whole and repeatable."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

from biasloop.bound import amplification_curve
from biasloop.errors import BiasloopError, InvalidInput
from biasloop.report.figures import canvas
from biasloop.report.figures.bars import FOUR
from biasloop.report.figures.canvas import draw
from biasloop.report.figures.lines import COLOURS, DASHES, GREEN, HUES, ORANGE, SHADE, looks_of, parse_look
from biasloop.report.figures.panels import Panel, Series

Y = "Share of predictions"


def series(label, human, model, rounds=13, delta=0.05, baseline=0.5, runs=3):
    """Runs that follow the bound to 70 %, with noise."""
    factors = amplification_curve(20_000, human, model, rounds)
    noise = np.random.default_rng(human + rounds).normal(0, 0.002, (runs, rounds + 1))
    return Series(label, baseline + delta * (0.3 + 0.7 * factors) + noise, None, baseline).bounded(factors)


def arms(rounds=13, delta=0.05, runs=6):
    return [
        series(f"{human // 50} % human", human, 5000 - human, rounds, delta, runs=runs) for human in (1000, 2500, 5000)
    ]


LAYOUTS = {
    "one arm": [[Panel("20 % human-labelled", [series("predicted share", 1000, 4000)])]],
    "three arms, 14 rounds": [[Panel("", arms())]],
    "three arms, 90 rounds, downwards": [[Panel("a", arms(89, -0.05))]],
    "two by two": [
        [Panel("20 %", [series("share", 1000, 4000)]), Panel("50 %", [series("share", 2500, 2500)])],
        [Panel("20 %", [series("share", 1000, 4000, 89)]), Panel("50 %", [series("share", 2500, 2500, 89)])],
    ],
    "a small error beside a large one": [
        [Panel("", [series("nucleus", 1000, 4000, delta=0.004)]), Panel("", [series("beam", 1000, 4000)])]
    ],
    "ragged": [
        [Panel(c, [series("share", 1000, 4000)]) for c in "abc"],
        [Panel("d", [series("share", 1000, 4000)])],
    ],
    "one round": [[Panel("a plain fit", [Series("share", np.array([[0.5], [0.6]]), None, 0.4)])]],
    "long words": [
        [
            Panel(
                "imbalance share of the predictions of every round " * 2,
                [
                    series(
                        "share of predictions equal to the class with the extra images, dog in this run",
                        1000,
                        4000,
                    )
                ],
            )
        ]
    ],
}


def strata(rounds=4, parts=4):
    """Bars of percent, of two runs."""
    shares = np.random.default_rng(parts).dirichlet(np.ones(parts), (2, rounds)) * 100
    return [Series(f"{k}/part", shares[:, :, k]) for k in range(parts)]


def page(rounds=4):
    """A page of panels each with a y axis of its own."""
    lines = [Series("overall", np.full((2, rounds), 0.5), look="blue solid")]
    groups = [Series(name, np.linspace([a], [a + 0.3], rounds).T, look=look)
              for name, a, look in (("green", 0.2, "green solid"), ("red", 0.6, "red dashed"))]  # fmt: skip
    return [
        [Panel("", lines, y_label="Demographic parity difference"),
         Panel("", groups, y_label="Selection rate by group", guides=(0.3, 0.7))],
        [Panel("Drawn for classifiers' STAR: loop.star = both", strata(rounds), y_label="Strata, %", stacked=True),
         Panel("", groups, y_label="Accuracy by group", shade_from=2)],
    ]  # fmt: skip


LAYOUTS["a page of metrics"] = page()
LAYOUTS["a page of one round"] = page(1)
LAYOUTS["many parts"] = [[Panel("Strata", strata(parts=28), y_label="%", stacked=True)]]


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Draws and returns the finished matplotlib figure instead of writing it."""

    def call(rows, **how):
        caught = []
        monkeypatch.setattr(canvas, "save", lambda figure, path, suffix: caught.append(figure))
        draw(rows, tmp_path / "f.png", **{"y_label": Y, **how})
        caught[0].draw_without_rendering()
        return caught[0]

    return call


def texts(figure, monkeypatch):
    """The pieces of text that are really drawn, with their boxes in pixels."""
    from matplotlib.text import Text

    found = []
    plain = Text.draw

    def noting(self, renderer):
        if self.get_visible() and self.get_text():
            found.append((self.get_text(), self.get_window_extent(renderer)))
        plain(self, renderer)

    with monkeypatch.context() as patch:
        patch.setattr(Text, "draw", noting)
        figure.draw_without_rendering()
    return found


@pytest.mark.parametrize("name", LAYOUTS)
def test_no_text_overlaps_or_is_cut_off(drawn, monkeypatch, name):
    figure = drawn(LAYOUTS[name], caption="After a published figure; which metric it shows is inferred. " * 3)
    found = texts(figure, monkeypatch)
    assert len(found) > 8
    for text, box in found:
        assert min(box.x0, box.y0) >= -1, text
        assert box.x1 <= figure.bbox.x1 + 1, text
        assert box.y1 <= figure.bbox.y1 + 1, text
    for (one, a), (other, b) in itertools.combinations(found, 2):
        assert not a.padded(-2).overlaps(b.padded(-2)), (one, other)
    for axes in figure.axes:
        for delta in (text for text in axes.texts if text.get_text()):
            box = delta.get_window_extent()  # clear of all lines, which start at round 0, and of the axis
            assert axes.bbox.x0 < box.x0 < box.x1 < axes.transData.transform((0, 0))[0]


def lines_of(axes, colour):
    return [line for line in axes.lines if line.get_color() == colour and line.get_linestyle() != "None"]


def test_one_arm_has_the_published_parts(drawn):
    one = series("share", 1000, 4000, runs=4)
    figure = drawn([[Panel("t", [one])]])
    axes = figure.axes[0]
    np.testing.assert_allclose(lines_of(axes, HUES[0])[0].get_ydata(), one.values.mean(axis=0))
    np.testing.assert_allclose(lines_of(axes, ORANGE)[0].get_ydata(), one.bound)
    np.testing.assert_allclose(lines_of(axes, GREEN)[0].get_ydata(), [0.5, 0.5])
    arrow = next(text for text in axes.texts if text.arrow_patch is not None)
    ends = sorted([arrow.xy, arrow.get_position()], key=lambda end: end[1])
    np.testing.assert_allclose(ends, [(0, 0.5), (0, one.values[:, 0].mean())])
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert sorted(names) == ["baseline", "bound", "share", "±1 std, 4 seeds"]
    low, high = one.band("std")
    path = axes.collections[0].get_paths()[0].vertices
    assert path[:, 1].max() == pytest.approx(high.max())
    assert path[:, 1].min() == pytest.approx(low.min())


def test_few_seeds_are_lines_and_no_band(drawn):
    three = series("share", 1000, 4000, runs=3)
    figure = drawn([[Panel("", [three])]])
    axes = figure.axes[0]
    assert not axes.collections
    curves = [line.get_ydata() for line in lines_of(axes, HUES[0])]
    for expected in (three.values.mean(axis=0), *three.values):
        assert any(np.array_equal(curve, expected) for curve in curves)
    assert len(curves) == 4
    assert "each of 3 seeds" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_few_and_many_seeds_are_both_in_the_legend(drawn):
    panel = Panel("", [series("a", 1000, 4000, runs=2), series("b", 2500, 2500, runs=5)])
    names = [text.get_text() for text in drawn([[panel]]).legends[0].get_texts()]
    assert {"each of 2 seeds", "±1 std, 5 seeds"} <= set(names)


def test_intervals_at_the_points_of_a_setting_are_bars(drawn):
    values = np.random.default_rng(1).random((5, 3))
    one = Series("a", values, replicates="run")
    axes = drawn([[Panel("", [one], arrow=False, x=np.array([10.0, 20.0, 40.0]))]], band="interval").axes[0]
    low, high = one.band("interval")
    (bars,) = axes.containers
    segments = bars.lines[2][0].get_segments()
    np.testing.assert_allclose([segment[:, 1].min() for segment in segments], low)
    np.testing.assert_allclose([segment[:, 1].max() for segment in segments], high)
    assert [segment[0, 0] for segment in segments] == [10, 20, 40]


def test_a_lone_run_has_the_interval_of_its_rows(drawn):
    one = Series("a", np.array([[0.5, 0.6]]), of_rows=np.array([[0.4, 0.5], [0.65, 0.7]]))
    figure = drawn([[Panel("", [one], arrow=False, x=np.array([1.0, 2.0]))]], band="interval")
    (bars,) = figure.axes[0].containers
    segments = bars.lines[2][0].get_segments()
    np.testing.assert_allclose([segment[:, 1] for segment in segments], [[0.4, 0.65], [0.5, 0.7]])
    assert "95 % interval over test rows, 1 seed" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_arms_share_one_entry_for_their_bounds(drawn):
    figure = drawn([[Panel("", arms())]], band="interval", bound_label="Theorem 1", baseline_label="human labels")
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    expected = [
        "20 % human",
        "50 % human",
        "100 % human",
        "Theorem 1",
        "human labels",
        "95 % t interval, 6 seeds",
    ]
    assert sorted(names) == sorted(expected)
    looks = looks_of([Panel("", arms())])
    assert len({look.colour for look in looks.values()}) == len({look.marker for look in looks.values()}) == 3
    for arm in arms():
        drawn_bound = lines_of(figure.axes[0], looks[arm.label].bound)[0]
        np.testing.assert_allclose(drawn_bound.get_ydata(), arm.bound)
        assert drawn_bound.is_dashed()


def test_more_lines_than_colours_are_told_apart_by_their_dashes_and_markers():
    looks = looks_of([Panel("", [series(f"arm {number}", 1, 1) for number in range(18)])])
    assert len({(look.colour, look.dashes) for look in looks.values()}) == 18
    assert len({(look.colour, look.marker) for look in looks.values()}) == 18
    assert [look.dashes for look in looks.values()][:7] == [None] * 6 + [DASHES["dotted"]]


def test_axes_are_shared_and_labelled_once(drawn):
    figure = drawn(LAYOUTS["two by two"], y_label=["top", "bottom"])
    first, second, third, fourth = figure.axes
    assert first.get_ylim() == second.get_ylim()
    assert third.get_ylim() == fourth.get_ylim()
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    assert [axes.get_ylabel() for axes in figure.axes] == ["top", "", "bottom", ""]
    assert [axes.get_xlabel() for axes in figure.axes] == ["", "", "Feedback round", "Feedback round"]


def test_equal_labels_have_equal_colours_across_panels():
    looks = looks_of([Panel("a", [series("x", 1, 1), series("y", 1, 1)]), Panel("b", [series("y", 1, 1)])])
    assert list(looks) == ["x", "y"]
    assert looks["x"].colour != looks["y"].colour


def test_lines_that_are_not_drawn_have_their_colours_all_the_same():
    every = looks_of([Panel("", [series(label, 1 + place, 1) for place, label in enumerate("xyz")])])
    last = Panel("", [series("z", 1, 1)])
    assert looks_of([last])["z"].colour != every["z"].colour
    assert looks_of([last], ["x", "y", "z"]) == every


def test_panels_with_labels_of_their_own_have_axes_of_their_own(drawn):
    figure = drawn(page(), y_label="")
    first, second, bars, shaded = figure.axes
    labels = ["Demographic parity difference", "Selection rate by group", "Strata, %", "Accuracy by group"]
    assert [axes.get_ylabel().replace("\n", " ") for axes in figure.axes] == labels
    assert first.get_ylim() != second.get_ylim()
    assert sorted(line.get_ydata()[0] for line in second.lines if len(line.get_xdata()) == 2) == [0.3, 0.7]
    (zone,) = [patch for patch in shaded.patches if patch.get_facecolor()[:3] == pytest.approx((0xEF / 255,) * 3)]
    assert SHADE == "#EFEFEF"
    assert zone.get_x() == 2
    assert zone.get_x() + zone.get_width() == pytest.approx(shaded.get_xlim()[1])
    assert not [patch for patch in second.patches if patch.get_facecolor() == zone.get_facecolor()]
    assert bars.get_ylim()[1] >= 100


def test_bars_are_the_means_on_top_of_each_other(drawn):
    figure = drawn(page(), y_label="")
    axes, parts = figure.axes[2], strata()
    rounds = parts[0].values.shape[1]
    heights = np.array([bar.get_height() for bar in axes.patches]).reshape(4, rounds)
    np.testing.assert_allclose(heights, [part.values.mean(axis=0) for part in parts])
    np.testing.assert_allclose([bar.get_y() for bar in axes.patches][rounds:], np.cumsum(heights, axis=0)[:-1].ravel())
    np.testing.assert_allclose(heights.sum(axis=0), 100)
    left, right = axes.get_xlim()
    assert left < axes.patches[0].get_x()
    assert axes.patches[-1].get_x() + axes.patches[-1].get_width() < right
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [name for name in names if "part" in name] == ["0/part", "1/part", "2/part", "3/part"]
    hatched = [bar.get_hatch() for bar in axes.patches[::rounds]]
    assert [bool(hatch) for hatch in hatched] == [False, True, False, True]  # told apart without colour
    assert len(set(FOUR)) == 4


def test_of_many_parts_the_legend_says_how_many(drawn):
    (one,) = drawn(LAYOUTS["many parts"], y_label="").legends[0].get_texts()
    assert "28 parts, from 0/part (lowest) to 27/part" in one.get_text().replace("\n", " ")


def test_a_limit_cuts_the_rounds_that_are_shown(drawn):
    long = Series("a", np.ones((2, 20)))
    figure = drawn([[Panel("", [long], x_limit=8)]])
    assert 8 <= figure.axes[0].get_xlim()[1] < 9
    figure = drawn([[Panel("", [long], x_limit=40)]])
    assert 19 <= figure.axes[0].get_xlim()[1] < 20


def test_looks_are_as_asked_for_and_others_have_free_colours(drawn):
    panel = Panel("", [Series("a", np.ones((1, 3)), look="red dotted"), Series("b", np.zeros((1, 3))),
                       Series("c", np.zeros((1, 3)), look="#123456 solid")])  # fmt: skip
    looks = looks_of([panel])
    assert (looks["a"].colour, looks["a"].dashes) == (COLOURS["red"], DASHES["dotted"])
    assert looks["c"].colour == "#123456"
    assert looks["b"].colour in set(HUES) - {COLOURS["red"]}
    figure = drawn([[panel]])
    assert lines_of(figure.axes[0], COLOURS["red"])[0].is_dashed()
    assert not lines_of(figure.axes[0], "#123456")[0].is_dashed()
    for wrong in ("red", "dotted", "red  dotted", "#12 solid", ""):
        with pytest.raises(InvalidInput, match="red dashed"):
            parse_look(wrong)


def test_missing_rounds_leave_gaps_and_lone_points_a_marker(drawn):
    values = np.array([[0.5, np.nan, 0.6, np.nan, 0.7, 0.8] + [np.nan] * 14, [np.nan] * 20])
    figure = drawn([[Panel("", [Series("a", values), Series("b", values[1:])])]])
    marked = {x for line in figure.axes[0].lines if line.get_linestyle() == "None" for x in line.get_xdata()}
    assert {0, 2} <= marked


def test_without_a_baseline_there_is_no_arrow(drawn):
    figure = drawn([[Panel("", [Series("a", np.ones((2, 3)))])]])
    assert not figure.axes[0].texts
    off = drawn([[Panel("", [series("a", 1000, 4000)], arrow=False)]])
    assert not off.axes[0].texts


def test_dollar_signs_are_text(drawn):
    figure = drawn([[Panel("costs $5 and $6", [series("a", 1000, 4000)])]])
    assert figure.axes[0].get_title() == "costs $5 and $6"


@pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".SVG", b"<?xml")])
def test_files_are_repeatable_whatever_the_settings(tmp_path, suffix, magic):
    import matplotlib as mpl

    rows = LAYOUTS["one arm"]
    first = draw(rows, tmp_path / "new" / f"a{suffix}", y_label=Y)
    with mpl.rc_context({"font.size": 30, "axes.grid": False}):
        second = draw(rows, tmp_path / f"b{suffix}", y_label=Y)
        assert mpl.rcParams["font.size"] == 30
    assert first.read_bytes().startswith(magic)
    assert first.read_bytes() == second.read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [f"b{suffix}"]


def test_a_failed_write_keeps_the_old_figure(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    target = tmp_path / "f.png"
    target.write_bytes(b"old")

    def fails(self, file, **_):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", fails)
    with pytest.raises(BiasloopError, match="No space left"):
        draw(LAYOUTS["one arm"], target, y_label=Y)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("f.png", b"old")]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BiasloopError, match="cannot be written to"):
        draw(LAYOUTS["one arm"], tmp_path / "file" / "f.png", y_label=Y)


def test_bad_requests_are_refused(tmp_path):
    rows = LAYOUTS["one arm"]
    with pytest.raises(InvalidInput, match=r"\.png, \.pdf, \.svg"):
        draw(rows, tmp_path / "f.jpg", y_label=Y)
    with pytest.raises(InvalidInput, match="1 or 1 y labels"):
        draw(rows, tmp_path / "f.png", y_label=["a", "b"])
    for nothing in ([], [[]]):
        with pytest.raises(InvalidInput, match="nothing to draw"):
            draw(nothing, tmp_path / "f.png", y_label=Y)


def test_matplotlib_is_imported_only_to_draw_and_without_pyplot(tmp_path):
    program = """
import sys
from pathlib import Path
import numpy as np
from biasloop.report.figures.canvas import draw
from biasloop.report.figures.panels import Panel, Series
assert not {"matplotlib", "scipy"} & set(sys.modules)
draw([[Panel("", [Series("a", np.ones((2, 3)))])]], Path(sys.argv[1]), y_label="y")
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "f.svg")], check=True)
    assert (tmp_path / "f.svg").exists()


def test_a_colour_that_is_asked_for_is_given_to_no_other():
    series = [Series(name, np.ones((1, 3)), look=look) for name, look in (("a", ""), ("b", "blue dashed"), ("c", ""))]
    looks = looks_of([Panel("", series)])
    assert looks["b"].colour == COLOURS["blue"]
    assert len({look.colour for look in looks.values()}) == 3


@pytest.mark.parametrize(
    ("of", "left_out"),
    [
        ({"bound": np.full(4, np.nan)}, "bound"),
        ({"bound": np.array([np.nan, np.nan, np.nan, 0.4])}, "bound"),  # a line of one point
        ({"baseline": float("nan")}, "baseline"),
    ],
)
def test_what_has_no_values_is_not_in_the_legend(drawn, of, left_out):
    one = Series("share", np.full((1, 4), 0.5), **of)
    names = [text.get_text() for text in drawn([[Panel("", [one], arrow=False)]]).legends[0].get_texts()]
    assert left_out not in names
    assert "share" in names


def test_a_series_without_values_is_not_in_the_legend(drawn):
    panel = Panel("", [Series("there", np.full((2, 4), 0.5)), Series("nowhere", np.full((2, 4), np.nan))], arrow=False)
    names = [text.get_text() for text in drawn([[panel]]).legends[0].get_texts()]
    assert "there" in names
    assert "nowhere" not in names


def test_a_figure_without_any_value_has_no_legend(drawn):
    assert not drawn([[Panel("", [Series("nowhere", np.full((1, 4), np.nan))], arrow=False)]]).legends


def looks_for(*centres, looks=()):
    """Looks of lines called a, b, ... whose values are given."""
    looks = looks or [""] * len(centres)
    series = [Series(name, np.array([centre], float), look=look) for name, centre, look in
              zip("abcd", centres, looks, strict=False)]  # fmt: skip
    return looks_of([Panel("", series)])


def test_a_line_on_top_of_another_is_dashed_so_that_both_are_seen():
    rising = [0, 1, 2, 3, 4]
    looks = looks_for(rising, [4, 3, 2, 1, 0], rising, [0, 1, 2, 3, 4.02])
    assert [look.dashes for look in looks.values()] == [None, None, DASHES["dashed"], DASHES["dotted"]]
    assert len({look.colour for look in looks.values()}) == 4


def test_lines_that_cross_or_run_apart_stay_as_they_are():
    assert {look.dashes for look in looks_for([0, 1, 2, 3], [0.2, 1, 2.2, 3]).values()} == {None}
    assert {look.dashes for look in looks_for([1, np.nan, np.nan], [np.nan, 1, 1]).values()} == {None}


def test_a_look_that_was_asked_for_is_kept_where_lines_hide_each_other():
    looks = looks_for([0, 1], [0, 1], looks=["red solid", "blue solid"])
    assert [look.dashes for look in looks.values()] == [None, None]


def test_lines_that_hide_each_other_in_one_panel_of_several_are_told_apart_in_all():
    apart, together = ([0, 1], [1, 0]), ([0, 1], [0, 1])
    panels = [Panel("", [Series(name, np.array([values], float)) for name, values in zip("ab", pair, strict=True)])
              for pair in (apart, together)]  # fmt: skip
    assert [look.dashes for look in looks_of(panels).values()] == [None, DASHES["dashed"]]
