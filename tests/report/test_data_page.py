"""Pages of data: which sample stands where, which strata have bars or maps, files whole and repeatable."""

from itertools import pairwise

import numpy as np
import pytest

from biasloop.contract.data import Page
from biasloop.errors import InvalidInput
from biasloop.report.figures import canvas, data_page
from biasloop.report.figures.data_page import PICTURES, bars, draw, grid, share, strata

RACES = ("White", "Black", "Indian")
AGES = ("under 30", "30 and over")


def pictures(count=PICTURES, side=28, channels=3):
    """Each of one brightness: its number."""
    return np.arange(count, dtype=np.uint8).repeat(side * side * channels).reshape(count, side, side, channels)


def page(**changes):
    counts = {"train": np.array([[10, 30], [40, 20]]), "test": np.array([[1, 1], [1, 1]])}
    settings = {"counts": counts, "targets": ("label", "color"), "classes": (("0", "1"), ("green", "red"))}
    return Page(**{"title": "colours", "pictures": pictures(), **settings, **changes})


def faces():
    counts = {split: 1 + np.arange(12).reshape(2, 3, 2) + i for i, split in enumerate(("train", "valid", "test"))}
    return page(counts=counts, targets=("label", "race", "age"), classes=(("male", "female"), RACES, AGES))


@pytest.fixture
def figure(monkeypatch, tmp_path):
    """Draws a page and gives the figure that would have been written."""

    def drawn(what):
        caught = []
        monkeypatch.setattr(canvas, "save", lambda figure, path, suffix: caught.append(figure))
        draw(what, tmp_path / "page.png")
        (found,) = caught
        found.draw_without_rendering()
        return found

    return drawn


def texts(axes):
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("channels", [1, 3])
def test_samples_stand_row_by_row_on_white(channels):
    sheet = grid(pictures(channels=channels))
    assert sheet.shape == (7 * 30 - 2, 7 * 30 - 2, 3)
    for number in range(PICTURES):
        top, left = 30 * (number // 7), 30 * (number % 7)
        assert (sheet[top : top + 28, left : left + 28] == number).all()
    assert (sheet[28:30] == 255).all()
    assert (sheet[:, 28:30] == 255).all()


def test_fewer_samples_fill_fewer_rows_and_more_are_left_out():
    sheet = grid(pictures(9))
    assert sheet.shape[0] == 2 * 30 - 2
    assert (sheet[30:, 60:] == 255).all()
    assert np.array_equal(grid(pictures(60)), grid(pictures()))


def test_strata_are_named_by_class_and_by_target_where_a_class_is_a_number():
    assert strata(page()) == ["label 0, green", "label 0, red", "label 1, green", "label 1, red"]
    assert strata(faces())[:3] == ["male, White, under 30", "male, White, 30 and over", "male, Black, under 30"]


def test_bars_are_shares_of_each_split():
    found = bars(page())
    assert found.names == strata(page())
    assert found.shares["train"].tolist() == [0.1, 0.3, 0.4, 0.2]
    assert found.shares["test"].tolist() == [0.25] * 4
    assert share(np.zeros(3, np.int64)).tolist() == [0, 0, 0]


def test_of_many_classes_the_most_frequent_have_bars():
    counts = np.arange(100)
    found = bars(
        page(
            counts={"pool": counts, "test": counts[::-1]}, targets=("class",), classes=(tuple(f"c{i}" for i in counts),)
        )
    )
    assert found.names == [*(f"c{i}" for i in range(85, 100)), "85 others"]
    assert found.shares["pool"].sum() == pytest.approx(1)
    assert found.shares["test"][0] == pytest.approx(14 / counts.sum())
    assert found.shares["test"][-1] == pytest.approx(counts[15:].sum() / counts.sum())


def test_of_many_classes_with_a_group_the_most_frequent_are_drawn_with_all_groups():
    counts = np.stack([np.arange(30), 30 - np.arange(30)], 1)  # (30, 2)
    counts[[3, 20]] += 100
    shown = bars(
        page(
            counts={"pool": counts},
            targets=("verb", "agent"),
            classes=(tuple(f"v{i}" for i in range(30)), ("man", "woman")),
        )
    )
    labels = [0, 1, 2, 3, 4, 5, 20]  # of equal ones the first
    assert shown.names == [*(f"v{i}, {agent}" for i in labels for agent in ("man", "woman")), "46 others"]
    assert shown.shares["pool"].sum() == pytest.approx(1)
    assert shown.shares["pool"][6] == pytest.approx(103 / counts.sum())


def test_a_page_of_one_group_shows_samples_and_bars(figure):
    samples, axes = figure(page()).axes
    assert samples.get_title(loc="left") == "colours: 49 of 100 in train"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["train (100)", "test (4)"]
    assert [label.get_text() for label in axes.get_yticklabels()] == strata(page())
    assert [bar.get_width() for bar in axes.containers[0]] == pytest.approx([10, 30, 40, 20])
    assert texts(axes) == ["10.0", "30.0", "40.0", "20.0", *["25.0"] * 4]
    tops = [bar.get_y() for container in axes.containers for bar in container]
    assert len(set(np.round(tops, 6))) == 8  # none hides another
    low, high = sorted(axes.get_ylim())
    assert low <= min(tops) < max(tops) <= high


def test_a_page_of_two_groups_has_a_map_for_each_split_and_label(figure):
    what = faces()
    found = figure(what)
    _, *maps = found.axes
    assert [axes.get_title() for axes in maps] == [
        f"{split}\n{label}" for split in ("train", "valid", "test") for label in ("male", "female")
    ]
    for axes, (split, label) in zip(maps, [(s, i) for s in what.counts for i in range(2)], strict=True):
        expected = 100 * what.counts[split][label] / what.counts[split].sum()
        assert texts(axes) == [f"{value:.1f}" for value in expected.ravel()]
    assert [label.get_text() for label in maps[0].get_yticklabels()] == list(RACES)
    assert [label.get_text() for label in maps[-1].get_xticklabels()] == list(AGES)
    assert "train 78, valid 90, test 102" in found.get_supxlabel()


@pytest.mark.parametrize("make", [page, faces])
def test_nothing_overlaps_or_is_cut_off(figure, make):
    found = figure(make())
    renderer = found.canvas.get_renderer()
    inside = found.bbox.padded(1)
    boxes = [axes.get_tightbbox(renderer) for axes in found.axes]
    for box in boxes:
        assert inside.x0 <= box.x0
        assert box.x1 <= inside.x1
        assert inside.y0 <= box.y0
        assert box.y1 <= inside.y1
    for left, right in pairwise(boxes):
        assert left.x1 <= right.x0 + 1


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_equal_pages_are_equal_files(tmp_path, suffix):
    first, second = (draw(page(), tmp_path / name / f"page.{suffix}").read_bytes() for name in "ab")
    assert first == second
    assert len(first) > 1000


def test_another_format_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match=r"cannot be written as 'page.gif'; end its name in one of .png"):
        draw(page(), tmp_path / "page.gif")
    assert data_page.SIDE**2 == PICTURES
