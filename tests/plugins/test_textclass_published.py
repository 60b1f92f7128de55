"""Splits of mnli, qqp and sst2 as published, and their sizes."""

import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from support import textclass

from biasloop.datasets.texts import MNLI, QQP, SST2
from biasloop.errors import InvalidInput, SomethingToFetch
from biasloop_textclass import published
from biasloop_textclass.published import parts


def disjoint(made) -> bool:
    every = np.concatenate([made.pool, made.holdout, made.test])
    return len(np.unique(every)) == len(every) and all((np.diff(ids) > 0).all() for ids in (made.pool, made.holdout))


def test_mnli_is_cut_in_order():
    made = parts(MNLI, np.zeros(MNLI.rows, np.int64), balanced=False)
    assert [len(ids) for ids in (made.pool, made.holdout, made.test)] == [206_174, 164_939, 41_236]
    assert (made.pool[0], made.holdout[0], made.test[0], made.test[-1]) == (0, 206_174, 371_113, 412_348)
    assert disjoint(made)


def test_qqp_has_fewer_duplicates_in_all_but_the_test_set():
    labels = (np.random.default_rng(0).random(QQP.rows) < 0.37).astype(np.int64)
    made = parts(QQP, labels, balanced=False)
    assert disjoint(made)
    assert made.test.tolist() == [*range(QQP.rows - 40_428, QQP.rows)]
    assert [round(len(ids), -3) for ids in (made.pool, made.holdout)] == [148_000, 148_000]
    for ids in (made.pool, made.holdout):
        assert labels[ids].mean() == pytest.approx(0.226, abs=0.005)
    thinned = np.sort(np.concatenate([made.pool, made.holdout]))
    assert np.array_equal(thinned[::2], made.pool)
    duplicates = np.flatnonzero(labels[: -len(made.test)] == 1)
    assert np.array_equal(thinned[labels[thinned] == 1], duplicates[: len(duplicates) // 2])
    even = parts(QQP, labels, balanced=True)
    assert np.bincount(labels[even.holdout]).tolist() == [int((labels[made.holdout] == 1).sum())] * 2
    assert np.array_equal(even.pool, made.pool)
    assert round(len(even.holdout), -3) == 67_000


def test_sst2_takes_turns_in_the_training_set():
    made = parts(SST2, np.zeros(SST2.rows, np.int64), balanced=False)
    assert (made.pool[:3].tolist(), made.holdout[:3].tolist()) == ([0, 2, 4], [1, 3, 5])
    assert [len(ids) for ids in (made.pool, made.holdout, made.test)] == [33_675, 33_674, 872]
    assert disjoint(made)


@pytest.fixture
def reviews(tmp_path, monkeypatch):
    """The data directory with an SST-2 of thirty rows."""
    content, lines = (
        io.BytesIO(),
        [f"{('dull', 'bright')[n % 3 == 0]} film {n}\t{int(n % 3 == 0)}\n" for n in range(30)],
    )
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("SST-2/train.tsv", "sentence\tlabel\n" + "".join(lines[:20]))
        archive.writestr("SST-2/dev.tsv", "sentence\tlabel\n" + "".join(lines[20:]))
    remote = replace(SST2.remotes[0], size=len(content.getvalue()))
    known = replace(SST2, parts={"SST-2/train.tsv": 20, "SST-2/dev.tsv": 10}, remotes=(remote,))
    monkeypatch.setitem(published.BY_NAME, "sst2", known)
    (tmp_path / "sst2").mkdir()
    (tmp_path / "sst2" / "SST-2.zip").write_bytes(content.getvalue())
    return tmp_path


def test_a_run_can_have_the_published_splits_or_draw_its_own(reviews):
    made = textclass.domain(reviews, data="sst2", test="published").splits()
    assert [len(ids) for ids in (made.pool, made.holdout, made.test)] == [10, 10, 10]
    even = textclass.domain(reviews, data="sst2", test="published", balanced_holdout=True)
    assert np.bincount(even.human_labels(even.splits().holdout)["target"]).tolist() == [3, 3]
    drawn = textclass.domain(reviews, data="sst2", test=5, holdout=5).splits()
    assert [len(ids) for ids in (drawn.pool, drawn.holdout, drawn.test)] == [20, 5, 5]


def test_data_without_published_splits_say_which_have_some(tmp_path):
    domain = textclass.domain(tmp_path, test="published")
    with pytest.raises(
        InvalidInput, match=r"sotu-halves has no published splits .*: mnli, qqp, sst2.; set domain.test"
    ):
        domain.splits()


def test_what_is_not_fetched_is_said_before_anything_is_read(tmp_path):
    domain = textclass.domain(tmp_path, data="mnli", test="published")
    (need,) = domain.requirements()
    assert (need.name, need.present, need.command) == ("mnli", False, "biasloop fetch mnli")
    with pytest.raises(SomethingToFetch, match="biasloop fetch mnli"):
        domain.splits()
