"""Ranks, recall at k and gaps against published values, brute force and repeated draws."""

import doctest
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.contract.data import Metric
from biasloop.errors import InvalidInput
from biasloop.metrics import retrieval
from biasloop.metrics.retrieval import gap, interval, mean, ranks, recall

GOLDEN = json.loads((Path(__file__).parent / "clip_golden.json").read_text())["retrieval_phase"]
TEXTS, IMAGES = (np.array(GOLDEN[f"{kind}_features"]) for kind in ("text", "image"))


def test_doctests():
    assert doctest.testmod(retrieval, extraglobs={"np": np, "Metric": Metric}).failed == 0


@pytest.mark.parametrize(("way", "cosine"), [("legacy", False), ("cosine", True)])
def test_ranks_and_recalls_are_the_published_ones(way, cosine):
    by_rank = ranks(TEXTS, IMAGES, cosine=cosine)
    assert by_rank.tolist() == GOLDEN[f"rank_{way}"]
    for result in GOLDEN["results"].values():
        rows = np.isin(np.arange(len(TEXTS)), result["index"])
        shares = [100 * recall(by_rank, k, rows).value for k in (1, 5, 10)]
        assert shares == pytest.approx(result[way], abs=1e-3)


def by_sorting(texts, images, truth):
    """Ranks by sorting exact scores of whole numbers, of equal ones the lower index first."""
    order = np.argsort(-(texts @ images.T), axis=1, kind="stable")
    return [order[row].tolist().index(target) for row, target in enumerate(truth)]


corner = st.lists(st.sampled_from([-1.0, 1.0]), min_size=4, max_size=4)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_equal_scores_count_where_their_index_is_lower(data):
    images = np.array(data.draw(st.lists(corner, min_size=1, max_size=12)))
    texts = np.array(data.draw(st.lists(corner, min_size=1, max_size=8)))
    truth = np.array([data.draw(st.integers(0, len(images) - 1)) for _ in texts])
    assert ranks(texts, images, truth).tolist() == by_sorting(texts, images, truth)


def test_ranks_do_not_depend_on_blocks_nor_on_lengths(monkeypatch):
    rng = np.random.default_rng(0)
    texts, images = rng.normal(size=(90, 8)), rng.normal(size=(70, 8))
    truth = rng.integers(0, 70, 90)
    expected = ranks(texts, images, truth)
    assert ranks(texts, images * rng.uniform(0.1, 9, (70, 1)), truth).tolist() == expected.tolist()
    assert ranks(texts, images * rng.uniform(0.1, 9, (70, 1)), truth, cosine=False).tolist() != expected.tolist()
    monkeypatch.setattr(retrieval, "AT_ONCE", 40 * 70)
    assert ranks(texts, images, truth).tolist() == expected.tolist()


def test_the_same_image_twice_is_a_tie_that_the_first_wins():
    rng = np.random.default_rng(1)
    images = rng.normal(size=(333, 64)).astype(np.float32)
    images[201:] = images[:132]
    by_rank = ranks(images, images)
    assert by_rank[:201].tolist() == [0] * 201
    assert by_rank[201:].tolist() == [1] * 132


@pytest.mark.parametrize(
    ("texts", "images", "truth", "words"),
    [
        (np.zeros((2, 3)) + 1, np.zeros((2, 4)) + 1, None, "texts have 3 dimensions and images 4"),
        (np.ones((2, 3)), np.ones((4, 3)), None, "2 texts and 4 images"),
        (np.ones((2, 3)), np.ones((4, 3)), np.array([0, 4]), "from 0 to 3"),
        (np.ones((2, 3)), np.ones((4, 3)), np.array([0]), "2 whole numbers"),
        (np.ones((2, 3)), np.array([[1.0, 0, 0], [0, 0, 0]]), None, "1 of 2 image features have no direction"),
        (np.array([[1.0, 0], [np.nan, 0]]), np.ones((2, 2)), None, "the first in row 1"),
        (np.ones(3), np.ones((3, 1)), None, "(rows, dimensions)"),
    ],
)
def test_what_has_no_rank_is_refused(texts, images, truth, words):
    with pytest.raises(InvalidInput, match=words.replace("(", r"\(").replace(")", r"\)")):
        ranks(texts, images, truth)


def test_an_empty_group_is_no_division_by_zero():
    nobody = np.zeros(3, np.bool_)
    metric = recall(np.array([0, 1, 2]), 1, nobody)
    assert metric.n == 0
    assert math.isnan(metric.value)
    assert math.isnan(gap(np.ones(3), nobody, ~nobody).value)
    assert all(math.isnan(end) for end in interval(Metric(1.0, 5, 0.0)))


def test_the_error_of_a_recall_is_binomial_and_of_captions_of_one_image_larger():
    by_rank = np.array([0] * 60 + [9] * 40)
    assert recall(by_rank, 1).error == pytest.approx(math.sqrt(0.6 * 0.4 / 100))
    image = np.arange(100) // 5
    assert recall(by_rank, 1, clusters=image).error > 2 * recall(by_rank, 1).error


def test_gap_errors_are_the_spread_over_new_queries():
    rng = np.random.default_rng(2)
    first = np.arange(600) < 200
    gaps, errors = [], []
    for _ in range(800):
        hits = (rng.random(600) < np.where(first, 0.7, 0.4)).astype(float)
        measured = gap(hits, first, ~first)
        gaps.append(measured.value)
        errors.append(measured.error)
    assert np.mean(gaps) == pytest.approx(0.3, abs=0.01)
    assert np.mean(errors) == pytest.approx(np.std(gaps), rel=0.08)


def test_a_gap_of_captions_of_one_image_is_of_images():
    rng = np.random.default_rng(5)
    image = np.repeat(np.arange(80), 5)
    first = image < 40
    gaps, errors = [], []
    for _ in range(500):
        hits = ((rng.random(80) < 0.5)[image] & (rng.random(400) < 0.9)).astype(float)
        measured = gap(hits, first, ~first, image)
        gaps.append(measured.value)
        errors.append(measured.error)
    assert np.mean(errors) == pytest.approx(np.std(gaps), rel=0.08)
    assert gap(hits, first, ~first).error < 0.6 * errors[-1]


def test_queries_of_both_groups_cancel():
    rng = np.random.default_rng(6)
    first = np.arange(300) < 200
    second = np.arange(300) >= 100
    hits = [(rng.random(300) < 0.5).astype(float) for _ in range(800)]
    gaps = [gap(hit, first, second) for hit in hits]
    assert np.mean([g.error for g in gaps]) == pytest.approx(np.std([g.value for g in gaps]), rel=0.08)
    assert gap(hits[0], first, first).error == pytest.approx(0, abs=1e-12)


def test_two_models_are_compared_query_by_query():
    rng = np.random.default_rng(3)
    first = np.arange(400) < 150
    spreads, errors, alone = [], [], []
    for _ in range(600):
        hard = rng.random(400)
        here, there = ((hard + rng.normal(0, 0.1, 400) < level).astype(float) for level in (0.6, 0.5))
        measured = gap(here - there, first, ~first)
        spreads.append(measured.value)
        errors.append(measured.error)
        alone.append(math.hypot(gap(here, first, ~first).error, gap(there, first, ~first).error))
    assert np.mean(errors) == pytest.approx(np.std(spreads), rel=0.1)
    assert np.mean(alone) > 1.3 * np.mean(errors)
    assert mean(np.array([1.0, 0.0]) - np.array([1.0, 0.0])).error == 0


def test_an_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(500):
        low, high = interval(mean((rng.random(120) < 0.3).astype(float)), 0, 1)
        covered += low <= 0.3 <= high
    assert 0.92 < covered / 500 < 0.98
