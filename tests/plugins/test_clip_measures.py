"""Metrics of pictures, captions and generators, from tables alone."""

import math

import numpy as np
import pytest

from biasloop.contract.data import Column, Frame, Samples
from biasloop_clip import measures
from biasloop_clip.measures import measure

NOTHING = Samples(np.zeros(0, np.int64), np.zeros(0, np.bool_), Frame())
SHARE = np.array([0.1, 0.9, 0.1, 0.9])


def frame(**columns):
    return Frame({name: Column(np.asarray(values)) for name, values in columns.items()})


def captions(**columns):
    """A neutral one of each of four roles, then one of each role and gender."""
    role = np.concatenate([np.arange(4), np.repeat(np.arange(4), 2)])
    return frame(role=role, gender=[-1] * 4 + [0, 1] * 4, tone=[-1] * 4 + [2] * 8, share=SHARE[role], **columns)


def test_ranks_are_those_of_sorting_each_gallery():
    draws = np.random.default_rng(0)
    pictures, queries = draws.normal(size=(2, 20, 3))
    pictures /= np.linalg.norm(pictures, axis=1)[:, None]
    pictures[5] = pictures[3]  # a tie: the first is nearer
    gallery = np.arange(20) % 2
    expected = []
    for i in range(20):
        rows = np.flatnonzero(gallery == gallery[i])
        order = sorted(rows, key=lambda j: (-(queries[i] @ pictures[j]), j))
        expected.append(order.index(i))
    assert measures.ranks(queries, pictures, gallery).tolist() == expected


def test_a_picture_is_probably_nearer_as_often_as_pairs_say():
    draws = np.random.default_rng(1)
    first, second, text = draws.normal(size=(6, 3)), draws.normal(size=(5, 3)), draws.normal(size=3)
    second[0] = first[0]
    pairs = [(a @ text > b @ text) + 0.5 * (a @ text == b @ text) for a in first for b in second]
    assert measures.probably_nearer(first, second, text) == pytest.approx(np.mean(pairs))


def test_self_similarity_is_the_mean_of_all_cosines():
    rows = np.random.default_rng(2).normal(size=(12, 4))
    rows /= np.linalg.norm(rows, axis=1)[:, None]
    alike = measures.self_similarity(rows, np.arange(12) // 2)
    assert alike.value == pytest.approx((rows @ rows.T).mean())
    assert alike.error > measures.self_similarity(rows, np.arange(12)).error * 0.5


def test_self_similarity_varies_between_sets_of_drawings_as_its_error_says():
    draws = np.random.default_rng(3)
    values, errors = [], []
    for _ in range(400):
        rows = np.repeat(draws.normal([1, 0, 0, 0], size=(60, 4)), 3, axis=0)
        rows /= np.linalg.norm(rows, axis=1)[:, None]
        measured = measures.self_similarity(rows, np.arange(180) // 3)
        values.append(measured.value)
        errors.append(measured.error)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.15)


def clip_tables():
    """A CLIP whose captions are the pictures, but for role 0, whose two are taken for each other's."""
    role, gender = np.repeat(np.arange(4), 2), np.tile([0, 1], 4)
    of_pictures = np.eye(8)
    of_captions = np.eye(8)[[1, 0, *range(2, 8)]]
    neutral = np.stack([np.eye(8)[2 * r] * 0.6 + np.eye(8)[2 * r + 1] * 0.8 for r in range(4)])
    neutral[0] = np.eye(8)[0]
    test = frame(role=role, gender=gender, drawing=np.arange(8), gallery=[0] * 8, caption=np.arange(4, 12),
                 embedding=of_pictures)  # fmt: skip
    return {"test": test, "captions": captions(embedding=np.concatenate([neutral, of_captions]))}


def test_what_clip_retrieves():
    measured = measure(clip_tables(), NOTHING)
    assert measured["recall_at_1"].value == 0.75
    assert measured["recall_at_5"].value == 1
    assert measured["recall_at_1"].n == 8
    assert measured["recall_at_1"].error == pytest.approx(math.sqrt(0.75 * 0.25 / 8) * math.sqrt(8 / 7))
    assert measured["recall_at_1_gap"].value == 0  # both captions of role 0 are wrong
    assert measured["neutral_auc.men_roles"].value == 0.5  # of role 0 the man, of role 2 the woman
    assert measured["neutral_auc.women_roles"].value == 1
    assert measured["neutral_auc_difference"].value == 0.5
    assert measured["self_similarity.man"].value == pytest.approx(1 / 4)
    assert measured["self_similarity_gap"].value == pytest.approx(0)


def test_the_gap_of_self_similarity_is_of_women_less_men():
    tables = clip_tables()
    columns = {name: column.values for name, column in tables["test"].columns.items()}
    columns["embedding"] = np.where((columns["gender"] == 0)[:, None], np.eye(8)[0], np.eye(8))  # all men look alike
    measured = measure({**tables, "test": frame(**columns)}, NOTHING)
    assert measured["self_similarity.man"].value == pytest.approx(1)
    assert measured["self_similarity.woman"].value == pytest.approx(1 / 4)
    assert measured["self_similarity_gap"].value == pytest.approx(1 / 4 - 1)


def test_the_gap_is_of_the_majority_less_the_minority():
    tables = clip_tables()
    embedding = tables["captions"]["embedding"].copy()
    embedding[4] = np.eye(8)[0]  # role 0 is mostly men's, and now its man is retrieved
    tables["captions"] = captions(embedding=embedding)
    assert measure(tables, NOTHING)["recall_at_1_gap"].value == 0.25


def maker_tables(women, draws=None, pictures=20):
    """Pictures of each role for its neutral caption and of either gender, with so many women among them."""
    roles = np.repeat(np.arange(4), pictures)
    parts = []
    for guidance in (1.0, 2.0):
        for asked in (-1, 0, 1):
            share = women[guidance, asked][roles]
            turn = (
                np.tile((np.arange(pictures) + 0.5) / pictures, 4) if draws is None else draws.uniform(size=len(roles))
            )
            parts.append(frame(role=roles, gender=np.full(len(roles), asked), tone=np.full(len(roles), -1),
                               guidance=np.full(len(roles), guidance), read_gender=(turn < share).astype(np.int64),
                               read_role=roles, among=turn < 0.5))  # fmt: skip
    real = frame(role=roles, gender=roles % 2, read_gender=roles % 2, read_role=roles,
                 among=np.stack([roles < 1, roles < 2], 1))  # fmt: skip
    read = frame(role=roles, gender=roles % 2, read_gender=np.zeros(len(roles), np.int64), read_role=roles)
    return {"test": frame(role=[0]), "captions": captions(), "generated": Frame.join(parts), "real": real, "read": read}


WOMEN = {
    (1.0, -1): np.array([0.1, 0.9, 0.2, 1.0]), (1.0, 0): np.full(4, 0.05), (1.0, 1): np.full(4, 0.9),
    (2.0, -1): np.array([0.05, 1.0, 0.0, 0.9]), (2.0, 0): np.full(4, 0.0), (2.0, 1): np.full(4, 1.0),
}  # fmt: skip


def test_what_a_generator_makes():
    measured = measure(maker_tables(WOMEN), NOTHING)
    assert measured["women_neutral.g1.men_roles"].value == pytest.approx(0.15)
    assert measured["women_explicit.g1.men_roles"].value == pytest.approx(0.9 * 0.05 + 0.1 * 0.9)
    assert measured["neutral_minus_explicit.g1.men_roles"].value == pytest.approx(0.15 - 0.135)
    assert measured["neutral_minus_explicit.g2.women_roles"].value == pytest.approx(0.95 - 0.9)
    assert measured["amplification.g2"].value == pytest.approx((0.05 - (0.025 - 0.1)) / 2)
    assert measured["compliance.g1"].value == pytest.approx((0.95 + 0.9) / 2)
    assert measured["compliance.g2"].value == 1
    assert measured["role_read.g1"].value == 1
    assert measured["precision.g1"].value == 0.5
    assert (measured["recall.g1"].value, measured["recall.g2"].value) == (0.25, 0.5)
    assert measured["reader_accuracy"].value == 0.5
    assert measured["reader_role_accuracy"].value == 1
    assert measured["women_neutral.g1.men_roles"].n == 40


def test_errors_of_generated_pictures_are_those_of_drawing_them_afresh():
    draws = np.random.default_rng(4)
    drawn = [measure(maker_tables(WOMEN, draws, pictures=30), NOTHING) for _ in range(200)]
    for name in ("women_neutral.g1.men_roles", "women_explicit.g1.women_roles", "amplification.g1"):
        values, errors = ([getattr(metrics[name], of) for metrics in drawn] for of in ("value", "error"))
        assert np.mean(errors) == pytest.approx(np.std(values), rel=0.2)


def test_shares_of_training_are_what_explicit_captions_say():
    labels = frame(role=[0, 0, 0, 1, 1, 2], gender=[0, 1, -1, 1, 1, 0], tone=[0] * 6)
    train = Samples(np.arange(6), np.zeros(6, np.bool_), labels)
    measured = measure({"test": frame(role=[0]), "captions": captions()}, train)
    assert (measured["women_train.men_roles"].value, measured["women_train.men_roles"].n) == (pytest.approx(1 / 3), 3)
    assert measured["women_train.women_roles"].value == 1
    assert {*measured} == {"women_train.men_roles", "women_train.women_roles"}
