"""Merges, lists, overlays and subsets: the published ones, exactly, and what holds for any sizes."""

import hashlib
import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from biasloop import datasets
from biasloop.errors import InvalidInput
from biasloop_images.biased import assignments, group_draws, inversion, overlay, probabilities
from biasloop_images.biased.design import Seeds

torch.set_num_threads(1)
GOLDEN = json.loads((Path(__file__).parent / "images_biased_golden.json").read_text())
INVERSION = GOLDEN["inversion_full"]


def sha(data):
    return hashlib.sha256(data).hexdigest()


def bits(row):
    return [int(task) for task in row]


def mixed(labels_per_class, classes):
    """Labels in an order that has nothing to do with classes."""
    return np.random.default_rng(5).permutation(np.repeat(np.arange(classes), labels_per_class))


def test_published_merges_are_the_distinct_rows_of_the_recipe():
    fashion, cifar = GOLDEN["assignments"]["fashionmnist"], GOLDEN["assignments"]["cifar100"]
    assert [list(assignments.merged(10, 2, row)) for row in range(20)] == [bits(row) for row in fashion["rows"]]
    assert [list(assignments.merged(100, 2, row)) for row in range(50)] == [bits(row) for row in cifar["rows"]]
    for seed, row in GOLDEN["class_assignment_cifar100_by_python_random_shuffle_seed"].items():
        assert list(assignments.merged(100, 2, int(seed))) == row


def test_published_overlays_are_shipped():
    for number, record in enumerate(GOLDEN["assignments"]["cifar10_overlay"]["rows"]):
        assert assignments.overlay(10, number) == (record["task"], record["attr"])
    with pytest.raises(InvalidInput, match="is 20, and there are 20 overlays of ten classes; set one from 0 to 19"):
        assignments.overlay(10, 20)


def test_overlays_of_other_data_are_drawn():
    drawn = [[*assignments.overlay(7, number)[0], *assignments.overlay(7, number)[1]] for number in range(30)]
    assert all(len(set(row)) == 4 and max(row) < 7 for row in drawn)
    assert len({tuple(row) for row in drawn}) > 20
    with pytest.raises(InvalidInput, match="two classes as tasks and two as groups, and the data have 3"):
        assignments.overlay(3, 0)


def test_merges_shuffled_by_numpy():
    for key, row in GOLDEN["rand_assign_numpy_seeded"].items():
        classes, tasks, seed = map(int, key.split("_"))
        assert list(assignments.merged_by_numpy(classes, tasks, seed)) == row


@given(st.integers(2, 25), st.integers(2, 6), st.integers(0, 5))
def test_merges_of_any_number_of_classes_are_as_equal_as_can_be(classes, tasks, row):
    if tasks > classes:
        with pytest.raises(InvalidInput, match=f"task_count is {tasks} and the data have {classes} classes"):
            assignments.merged(classes, tasks, row)
        return
    try:
        found = assignments.merged(classes, tasks, row)
    except InvalidInput as error:
        assert "ways; set one from 0" in str(error)
        return
    counts = np.bincount(found, minlength=tasks)
    assert len(found) == classes
    assert counts.max() - counts.min() <= 1
    assert sorted(counts, reverse=True) == counts.tolist()


def test_all_merges_come_before_they_are_refused():
    rows = {assignments.merged(4, 2, row) for row in range(6)}
    assert len(rows) == 6
    with pytest.raises(InvalidInput, match=r"assignment is 6, and 4 classes can be merged into 2 tasks in 6 ways; .*5"):
        assignments.merged(4, 2, 6)


def test_published_probabilities():
    for epsilon, expected in GOLDEN["get_p_fixed_custom0_two_classes"].items():
        assert probabilities.fixed(float(epsilon), 2, [0]) == expected
    for epsilon, expected in GOLDEN["get_p_fixed_custom_0_2_four_classes"].items():
        assert probabilities.fixed(float(epsilon), 4, [0, 2]) == expected
    for epsilon, expected in GOLDEN["get_p_fixed_shuffle_seed0_two_of_five"].items():
        assert probabilities.shuffled(float(epsilon), 5, 2, 0) == expected
    for key, expected in GOLDEN["get_p_evenly_spaced"].items():
        epsilon, tasks = key.split("_")
        assert probabilities.evenly_spaced(float(epsilon), int(tasks)) == expected


def test_an_epsilon_finer_than_a_percent_is_not_rounded_away():
    assert probabilities.fixed(12.5, 2, [0]) == [0.625, 0.375]


def test_published_seeds():
    seeds = GOLDEN["seeds"]
    assert [Seeds.of(row, own_test_lists=False).train for row in range(20)] == seeds["train_by_assignment"]
    assert {Seeds.of(row, own_test_lists=False).test for row in range(20)} == {seeds["test"]}
    own = [Seeds.of(row, own_test_lists=True) for row in range(50)]
    every = [seed for one in own for seed in (one.train, one.train + 1, one.test, one.test + 1, one.holdout)]
    assert len(set(every)) == len(every)


@pytest.mark.parametrize("n", [0, 1, 2, 20, 777, 10_000])
def test_the_order_is_that_of_torch(n):
    expected = torch.randperm(n, generator=torch.Generator().manual_seed(0)).tolist()
    assert group_draws.permutation(n).tolist() == expected


def test_published_toy_lists():
    sizes, tasks = np.full(4, 20), np.array([0, 1, 1, 0])
    for found in GOLDEN["inversion_toy_assignment_0110_20_per_class_seed200000"].values():
        counts = group_draws.group_counts(sizes, tasks, np.array(found["p"]))
        assert counts.tolist() == found["ones_per_class"]
        assert group_draws.lists(sizes, counts, 200_000).tolist() == found["list"]


def test_published_rule_of_places_within_classes():
    toy = GOLDEN["id_map_toy"]
    labels, tasks, share = np.array(toy["labels"]), np.array(toy["assignment"]), np.array(toy["p"])
    assert group_draws.permutation(len(labels)).tolist() == toy["torch_randperm_seed0_n20"]
    index = np.empty(len(labels), int)
    index[group_draws.by_class(labels)] = np.tile(np.arange(5), 4)
    assert index.tolist() == toy["within_class_index"]
    assert inversion.inverted(labels, tasks, share, toy["seed"]).tolist() == toy["inverted_by_sample_id"]


@pytest.mark.parametrize("key", INVERSION)
def test_published_lists(key):
    """Lists do not need the images, and those by id only the classes: here any with classes of the right size."""
    expected = INVERSION[key]
    name, split, row, epsilon = key.split("_")
    classes = {"cifar100": 100, "fashionmnist": 10}[name]
    size = {"cifar100": (500, 100), "fashionmnist": (6000, 1000)}[name][split == "test"]
    row, epsilon = int(row.removeprefix("assignment")), float(epsilon.removeprefix("eps"))
    seeds = Seeds.of(row, own_test_lists=False)
    seed = getattr(seeds, split)
    assert seed == expected["seed"]
    tasks, share = np.array(assignments.merged(classes, 2, row)), np.array(probabilities.fixed(epsilon, 2, [0]))
    sizes = np.full(classes, size)
    flat = group_draws.lists(sizes, group_draws.group_counts(sizes, tasks, share), seed)
    assert flat[:40].tolist() == expected["first40_class_order"]
    assert sha(flat.tobytes()) == expected["sha256_class_order_bytes"]
    labels = mixed(size, classes)
    found = inversion.inverted(labels, tasks, share, seed)
    by_task = np.bincount(tasks[labels], found)
    assert by_task.tolist() == [expected["inverted_in_task0"], expected["inverted_in_task1"]]
    assert np.array_equal(found[group_draws.by_class(labels)], flat)


@pytest.mark.parametrize("key", [key for key in INVERSION if key.startswith("fashionmnist_test")])
def test_published_lists_by_id_of_the_shipped_images(key, tmp_path):
    expected, (row, epsilon) = INVERSION[key], key.split("_")[2:]
    labels = datasets.get("fashion-mnist-t10k").load(tmp_path).labels
    tasks = np.array(assignments.merged(10, 2, int(row.removeprefix("assignment"))))
    share = np.array(probabilities.fixed(float(epsilon.removeprefix("eps")), 2, [0]))
    found = inversion.inverted(labels, tasks, share, expected["seed"])
    assert found[:40].tolist() == expected["first40_by_sample_id"]
    assert sha(found.tobytes()) == expected["sha256_sample_id_order_bytes"]


def test_published_subsets():
    labels, tasks = np.arange(50_000) % 100, np.array(assignments.merged(100, 2, 0))
    for key, expected in GOLDEN["training_size_fake_labels_i_mod_100_seed200000_assignment0"].items():
        fraction, epsilon = (float(part.lstrip("sizep")) for part in key.split("_"))
        share = np.array(probabilities.fixed(epsilon, 2, [0]))
        kept, flags = inversion.subset(labels, tasks, share, fraction, 200_000)
        assert len(kept) == expected["n"]
        assert kept[:30].tolist() == expected["first30_source_index"]
        assert flags[:30].tolist() == expected["first30_attr_b"]
        assert flags.sum() == expected["sum_attr_b"]
        assert flags[tasks[labels[kept]] == 0].sum() == expected["sum_attr_b_task0"]
        assert sha(flags.tobytes()) == expected["sha256_attr_bytes"]
        assert sha(",".join(map(str, kept.tolist())).encode()) == expected["sha256_index_csv"]


@pytest.mark.parametrize("split", ["train", "test"])
def test_published_overlays(split):
    expected = GOLDEN["overlay_fake_labels_i_mod_10"][split]
    labels = np.arange({"train": 50_000, "test": 10_000}[split]) % 10
    own = np.flatnonzero(np.isin(labels, expected["task"]))
    tasks = (labels[own] == expected["task"][1]).astype(np.int64)
    likely = np.array(probabilities.fixed(expected["epsilon"], 2, [0]))
    images = [np.flatnonzero(labels == label) for label in expected["attr"]]
    groups, partners = overlay.paired(tasks, images, np.stack([likely, 1 - likely], 1), expected["seed"])
    assert own[:30].tolist() == expected["first30_task_index"]
    assert partners[:30].tolist() == expected["first30_overlay_index"]
    assert np.array(expected["attr"])[groups[:30]].tolist() == expected["first30_attr"]
    assert (groups == 0).sum() == expected["attr0_count"]
    assert (groups[tasks == 0] == 0).sum() == expected["attr0_count_in_task0"]
    assert len(set(partners.tolist())) == expected["distinct_overlay_images"]
    assert sha(",".join(map(str, partners.tolist())).encode()) == expected["sha256_overlay_csv"]
    assert np.array_equal(labels[partners], np.array(expected["attr"])[groups])


def test_published_blends():
    pixels = GOLDEN["image_blend_pixels"]
    below, above = (np.array(pixels[name], np.uint8).reshape(1, 1, 1, 3) for name in ("task", "attr"))
    for eta, expected in pixels["by_eta"].items():
        assert overlay.blend(below, above, float(eta)).ravel().tolist() == expected


@pytest.mark.parametrize("eta", [0, 3, 10, 29, 30, 33.3, 50, 60, 70, 77, 90, 99, 100])
def test_all_pixels_blend_as_in_pillow(eta):
    below, above = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    expected = np.asarray(Image.blend(Image.fromarray(below), Image.fromarray(above), eta / 100))
    found = overlay.blend(below[None, :, :, None], above[None, :, :, None], eta)
    assert np.array_equal(found[0, :, :, 0], expected)


def test_inversion_changes_chosen_images_of_a_copy():
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 4, 2), np.uint8)
    before = images.copy()
    chosen = np.array([True, False, True, False, False])
    found = inversion.invert(images, chosen)
    assert np.array_equal(found[chosen], 255 - before[chosen])
    assert np.array_equal(found[~chosen], before[~chosen])
    assert np.array_equal(images, before)


unequal = st.lists(st.integers(0, 40), min_size=1, max_size=8).filter(any)


@given(unequal, st.data())
def test_apportioned_numbers_are_exact_near_and_never_fall(sizes, data):
    sizes = np.array(sizes)
    n = int(sizes.sum())
    total = data.draw(st.integers(0, n))
    found = group_draws.apportioned(sizes, total)
    assert found.sum() == total
    assert (found <= sizes).all()
    quota = sizes * total / n
    whole = (sizes * total) % n == 0
    if whole.all():
        assert np.array_equal(found, sizes * total // n)
    assert (np.abs(found - quota) < max(1, len(sizes) / 2)).all()
    if total < n:
        assert (group_draws.apportioned(sizes, total + 1) >= found).all()


@given(st.lists(st.integers(0, 30), min_size=4, max_size=9), st.integers(0, 1_000))
def test_lists_have_exact_counts_and_are_nested_in_epsilon(sizes, seed):
    sizes = np.array(sizes)
    tasks = np.arange(len(sizes)) % 2
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    before = None
    for epsilon in range(0, 51, 5):
        share = np.array(probabilities.fixed(epsilon, 2, [0]))
        found = inversion.inverted(labels, tasks, share, seed)
        for task in (0, 1):
            inside = tasks[labels] == task
            n, percent = int(inside.sum()), (50 + epsilon, 50 - epsilon)[task]
            assert 2 * abs(100 * int(found[inside].sum()) - n * percent) <= 100  # the nearest whole number
        if before is not None:
            first = tasks[labels] == 0
            assert (found[first] >= before[first]).all()
            assert (found[~first] <= before[~first]).all()
        before = found


@given(st.integers(1, 30), st.integers(0, 50))
def test_an_overlay_of_equal_classes_uses_every_group_image_once(half, epsilon):
    n = 2 * half
    tasks = np.random.default_rng(n).permutation(np.repeat([0, 1], n))
    likely = np.array(probabilities.fixed(epsilon, 2, [0]))
    images = [np.arange(100, 100 + n), np.arange(500, 500 + n)]
    groups, partners = overlay.paired(tasks, images, np.stack([likely, 1 - likely], 1), 7)
    assert sorted(partners.tolist()) == [*images[0].tolist(), *images[1].tolist()]
    assert np.array_equal(groups, (partners >= 500).astype(int))
    assert 2 * abs(100 * int((groups[tasks == 0] == 0).sum()) - n * (50 + epsilon)) <= 100


def test_three_tasks_and_three_groups():
    tasks = np.repeat(np.arange(3), 10)
    images = [np.arange(start, start + 10) for start in (100, 200, 300)]
    shares = np.array([[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.2, 0.2, 0.6]])
    groups, partners = overlay.paired(tasks, images, shares, 1)
    assert [np.bincount(groups[tasks == task]).tolist() for task in range(3)] == [[6, 2, 2], [2, 6, 2], [2, 2, 6]]
    assert len(set(partners.tolist())) == 30
    with pytest.raises(InvalidInput, match=r"needs 22 images of group 0 \(from 0\) and there are 10"):
        overlay.paired(tasks, images, np.array([[0.6, 0.2, 0.2], [0.8, 0, 0.2], [0.8, 0, 0.2]]), 1)


def test_trimmed_keeps_the_first_of_the_order():
    labels = np.random.default_rng(1).integers(0, 3, 50)
    positions = np.arange(100, 150)
    counts = np.bincount(labels)
    assert np.array_equal(group_draws.trimmed(positions, labels, counts), positions)
    kept = group_draws.trimmed(positions, labels, counts - [1, 0, 3])
    expected = []
    for label, less in ((0, 1), (1, 0), (2, 3)):
        walk = [
            place for place in torch.randperm(50, generator=torch.Generator().manual_seed(0)) if labels[place] == label
        ]
        expected += [100 + int(place) for place in walk[: len(walk) - less]]
    assert kept.tolist() == sorted(expected)


def test_merge_by_hand():
    row = [0, 0, 0, 1, 1, 2, 2]
    random.Random(0).shuffle(row)
    assert list(assignments.merged(7, 3, 0)) == row
