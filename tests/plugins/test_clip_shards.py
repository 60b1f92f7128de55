"""The domain "clip-shards": its contract, which pictures and captions a network is given, and runs that are stopped."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support import clip_shards
from support.clip_shards import both, caption, made_run, write

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.contract.context import Context, Work
from biasloop.contract.data import Column, Frame, Samples
from biasloop.contract.domains import Demands
from biasloop.contract.randomness import Streams
from biasloop.contract.testing import check
from biasloop.datasets.gender_words import GROUPS
from biasloop.datasets.mixing_shards import Keys, Mixture
from biasloop.errors import DamagedShard, InvalidInput, Mismatch, SomethingToFetch
from biasloop.running.engine import Options, prepare
from biasloop.training.distributed import Alone, Group
from biasloop.training.recipe import Recipe
from biasloop_clip import ShardsDomain, recipes
from biasloop_clip.shards_source import Reader, ShardBatches

RECIPE = Recipe(epochs=1, batch_size=8, drop_last=True)
NOT_SET = ("domain", "epoch_samples")


def built(data=None, **settings):
    config = ShardsDomain.Config.model_validate({**clip_shards.TINY, **settings})
    return ShardsDomain(config, Context(data, Streams((0, "data")), threads=1))


def work(name="call"):
    return Work(Streams((0, name)))


def test_the_domain_keeps_the_contract(tmp_path):
    assert check(ShardsDomain, data_directory=tmp_path, **both(tmp_path))[-1] == "inputs that are made"


def test_drawings_come_without_a_download_and_stay_as_they_were_made(tmp_path):
    notes = []
    config = ShardsDomain.Config.model_validate({**clip_shards.TINY, "originals": "drawings", "pictures": "drawings"})
    for _ in range(2):
        domain = ShardsDomain(config, Context(tmp_path, Streams((0, "data")), on_note=notes.append))
        assert len(domain.splits().pool) == 236
        (row,) = domain.describe(domain.splits().test[:1], Frame())
        assert row["caption"].startswith("a photo of a")
    assert notes == []


def test_samples_are_the_keys_that_have_both_pictures(tmp_path):
    originals = write(tmp_path / "originals", range(20), unpictured=[3])
    made = write(tmp_path / "made", range(5, 30), generated=True, unpictured=[7])
    domain = built(originals=str(originals), pictures=str(made))
    parts = domain.splits()
    assert len(parts.test) == 4
    assert sorted([*parts.test, *parts.pool]) == [key for key in range(5, 20) if key != 7]
    assert domain.make(None, parts.pool, work())["picture"].tolist() == parts.pool.tolist()
    ids = parts.pool[::-1]
    assert [row["caption"] for row in domain.describe(ids, Frame())] == [caption(key) for key in ids.tolist()]
    words = [GROUPS[group] for group in domain.human_labels(np.array([8, 9, 10, 11]))["words"]]
    assert words == ["man-word", "woman-word", "none", "both"]
    assert domain.fingerprint().startswith("shards:14:")


def test_other_shards_have_another_fingerprint_wherever_they_lie(tmp_path):
    here, there = (built(**both(tmp_path / name)) for name in ("a", "b"))
    assert here.fingerprint() == there.fingerprint()
    (tmp_path / "b" / "made" / "00000.manifest.json").write_text("{}")
    assert built(**both_again(tmp_path / "b")).fingerprint() != here.fingerprint()


def both_again(place):
    return {"originals": str(place / "originals"), "pictures": str(place / "made")}


def test_a_network_is_given_the_picture_that_was_chosen_and_the_caption_of_its_key(tmp_path):
    pairs = built(**both(tmp_path))._pairs
    reader = Reader(pairs, lambda texts: torch.tensor([[int(text.split()[-1])] for text in texts]), (16, 16))
    ids, made = np.array([20, 3, 11, 4]), np.array([True, False, False, True])
    pixels, tokens = reader.read(ids, made, Streams((0,)))
    assert pixels.shape == (4, 16, 16, 3)
    assert tokens[:, 0].tolist() == ids.tolist()
    assert np.array_equal(pixels[:, 8, 8], [[0, 20, 255], [255, 3, 0], [255, 11, 0], [0, 4, 255]])


def batches(pairs, start=0, threads=1, epoch=0, group=None, epoch_steps=None):
    ids, device = pairs.ids, torch.device("cpu")
    reader = Reader(pairs, lambda texts: torch.tensor([[len(text)] for text in texts]), (16, 16))
    scale = torch.zeros(3), torch.ones(3)
    recipe = replace(RECIPE, epoch_steps=epoch_steps)
    source = ShardBatches(
        reader, ids, ids % 2 == 0, None, recipe, Streams((0,)), device, scale, threads, group or Alone()
    )
    return [batch for (batch,) in source.epoch(epoch, start)]


def test_batches_do_not_depend_on_threads_nor_on_where_an_epoch_goes_on(tmp_path):
    pairs = built(**both(tmp_path))._pairs
    first = batches(pairs)
    assert len(first) == 3
    for others, expected in ((batches(pairs, threads=4), first), (batches(pairs, start=1), first[1:])):
        for one, other in zip(others, expected, strict=True):
            assert torch.equal(one.inputs, other.inputs)
            assert torch.equal(one.targets, other.targets)
            assert torch.equal(one.rows, other.rows)
    assert not torch.equal(batches(pairs, epoch=1)[0].rows, first[0].rows)


class DrawnReader:
    """Pictures that say which number was drawn for their part."""

    def read(self, ids, made, crops):
        drawn = (255 * crops.uniform(ids, 1)).astype(np.uint8)  # (n, 1)
        return np.tile(drawn[:, None, None], (1, 4, 4, 3)), torch.zeros(len(ids), 1, dtype=torch.int64)


def test_every_epoch_shows_another_part_of_each_picture():
    scale, ids = (torch.zeros(3), torch.ones(3)), np.arange(24)
    source = ShardBatches(
        DrawnReader(), ids, ids < 0, None, RECIPE, Streams((0,)), torch.device("cpu"), scale, 1, Alone()
    )
    first, again, second = (
        {row: value for (batch,) in source.epoch(epoch)
         for row, value in zip(batch.rows.tolist(), batch.inputs[:, 0, 0, 0].tolist(), strict=True)}
        for epoch in (0, 0, 1)
    )  # fmt: skip
    assert first == again
    assert sum(first[row] != second[row] for row in range(24)) > 20


def drawn(epoch, start=0, epoch_steps=None, size=8):
    """Rows of an epoch over 24 samples, and what was drawn for the part of each."""
    scale, ids = (torch.zeros(3), torch.ones(3)), np.arange(24)
    recipe = replace(RECIPE, batch_size=size, epoch_steps=epoch_steps)
    source = ShardBatches(
        DrawnReader(), ids, ids < 0, None, recipe, Streams((0,)), torch.device("cpu"), scale, 1, Alone()
    )
    parts = [(batch.rows.numpy(), batch.inputs[:, 0, 0, 0].numpy()) for (batch,) in source.epoch(epoch, start)]
    assert len(parts) == source.steps - start
    assert {len(rows) for rows, _ in parts} == {size}
    return tuple(np.concatenate(each) for each in zip(*parts, strict=True))


def test_an_epoch_is_a_pass_unless_its_samples_are_set():
    for epoch in range(3):
        order = Streams((0,)).at("epoch", epoch, "order").generator().permutation(24)
        assert np.array_equal(drawn(epoch)[0], order)
        assert np.array_equal(drawn(epoch, size=10)[0], order[:20])
        for each, same in zip(drawn(epoch), drawn(epoch, epoch_steps=3), strict=True):
            assert np.array_equal(each, same)


@pytest.mark.parametrize("epoch_steps", [1, 2, 5, 14])
def test_passes_follow_each_other_until_an_epoch_has_its_samples(epoch_steps):
    epochs = [drawn(epoch, epoch_steps=epoch_steps, size=10) for epoch in range(6)]
    rows, parts = (np.concatenate(each) for each in zip(*epochs, strict=True))
    assert len(rows) == 6 * 10 * epoch_steps
    for number in range(-(-len(rows) // 24)):
        order, part = drawn(number)
        assert np.array_equal(rows[24 * number : 24 * number + 24], order[: len(rows) - 24 * number])
        assert np.array_equal(parts[24 * number : 24 * number + 24], part[: len(rows) - 24 * number])


@pytest.mark.parametrize("epoch_steps", [None, 2])
def test_fewer_samples_than_a_batch_are_refused_however_long_an_epoch_is(epoch_steps):
    with pytest.raises(InvalidInput, match="there is no batch to train on: 24 samples, batch_size 25"):
        drawn(0, epoch_steps=epoch_steps, size=25)


def test_an_epoch_of_several_passes_goes_on_at_any_step():
    entire = drawn(1, epoch_steps=5, size=10)
    for start in range(5):
        for each, rest in zip(entire, drawn(1, start, epoch_steps=5, size=10), strict=True):
            assert np.array_equal(each[10 * start :], rest)


@pytest.mark.parametrize("epoch_steps", [None, 5])
def test_the_weight_of_a_sample_goes_with_it(epoch_steps):
    scale, ids, weights = (torch.zeros(3), torch.ones(3)), np.arange(24), torch.linspace(1, 2, 24)
    recipe = replace(RECIPE, epoch_steps=epoch_steps)
    source = ShardBatches(
        DrawnReader(), ids, ids < 0, weights, recipe, Streams((0,)), torch.device("cpu"), scale, 1, Alone()
    )
    listed = [batch for (batch,) in source.epoch(1)]
    assert len(listed) == (epoch_steps or 3)
    assert all(torch.equal(batch.weights, weights[batch.rows]) for batch in listed)


def test_samples_of_an_epoch_say_how_many_steps_it_has_and_the_warm_up_is_of_them():
    config = ShardsDomain.Config.model_validate({"epoch_samples": 3_318_333})
    recipe = recipes.of_shards(config, 2_000_000, is_vision_transformer=False)
    assert recipe.epoch_steps == 2305
    assert recipe.warm_up * recipe.planned(2305) == pytest.approx(10_000)
    assert recipes.of_shards(ShardsDomain.Config(), 2_000_000, is_vision_transformer=False).epoch_steps is None


def test_the_warm_up_of_an_epoch_that_is_a_pass_is_of_its_full_batches():
    config = ShardsDomain.Config.model_validate({"batch_size": 8, "epochs": 2, "warm_up": 3})
    recipe = recipes.of_shards(config, 30, is_vision_transformer=False)
    assert recipe.steps(30) == 3
    assert recipe.warm_up * recipe.planned(recipe.steps(30)) == pytest.approx(3)


def test_a_run_is_the_same_one_where_samples_of_an_epoch_are_not_set():
    (arm, *_) = [arm for _, arm in arms_of(presets.read("clip-cc3m").override({NOT_SET: None}, "test"))]
    assert arm.domain.settings["epoch_samples"] is None
    assert "epoch_samples" not in arm.identity(0)["domain"]


@pytest.mark.parametrize("epoch_steps", [None, 5])
def test_processes_read_shares_that_are_the_batch_together(epoch_steps, tmp_path):
    pairs = built(**both(tmp_path))._pairs
    groups = [Group(rank=rank, count=3, device=torch.device("cpu"), store=None) for rank in range(3)]
    shares = [batches(pairs, group=group, epoch_steps=epoch_steps) for group in groups]
    together = batches(pairs, epoch_steps=epoch_steps)
    assert len(together) == (epoch_steps or 3)
    for number, whole in enumerate(together):
        rows = torch.cat([share[number].rows for share in shares])
        order = torch.argsort(rows)
        assert torch.equal(rows[order], whole.rows.sort().values)
        inputs = torch.cat([share[number].inputs for share in shares])[order]
        assert torch.equal(inputs, whole.inputs[torch.argsort(whole.rows)])
        assert {share[number].total for share in shares} == {8}


def test_the_keys_of_a_share_are_those_of_a_mixture_of_that_seed(tmp_path):
    settings = both(tmp_path)
    stored = made_run(tmp_path, settings, share=0.4, mix_seed=123)
    keys = [Keys.of(Path(settings[name])) for name in ("originals", "pictures")]
    mixture = Mixture(*keys, share=0.4, seed=123)
    pool, generated = stored.read("setup").added.ids, stored.read("round-0000").added
    assert np.array_equal(generated.ids, np.intersect1d(mixture.keys[mixture.synthetic], pool))
    assert np.array_equal(generated.inputs["picture"], generated.ids)
    assert 0 < len(generated) < len(pool)


def test_a_run_that_is_stopped_goes_on_to_the_same_bits_and_generated_pictures_change_the_model(tmp_path):
    settings = both(tmp_path)
    unbroken = made_run(tmp_path, settings)
    ticks = iter(range(1000))
    stopped = made_run(tmp_path, settings, stopping=lambda: next(ticks) > 1, name="b")
    assert "finished" not in stopped.manifest.about
    assert not stopped.rounds
    went_on = made_run(tmp_path, settings, name="b")
    first, second = (each.read("round-0000").evaluations["test"] for each in (unbroken, went_on))
    assert repr(first.metrics) == repr(second.metrics)
    for column in first.tables["test"].columns:
        np.testing.assert_array_equal(first.tables["test"][column], second.tables["test"][column])
    real = made_run(tmp_path, settings, share=0.0, name="c").read("round-0000").evaluations["test"]
    assert not np.array_equal(real.tables["test"]["picture_embedding"], first.tables["test"]["picture_embedding"])
    assert (real.metrics["mix_share"].value, first.metrics["mix_share"].value) == (0, 1)
    assert {"recall_at_1", "recall_at_5.man-word", "recall_at_1_gap", "caption_recall_at_10", "gender_words",
            "gender_words_train", "self_similarity_gap"} <= first.metrics.keys()  # fmt: skip
    assert first.metrics["gender_words_train"].value == pytest.approx(0.75, abs=0.1)


def test_a_run_whose_epochs_begin_within_a_pass_goes_on_to_the_same_bits(tmp_path):
    settings = {**both(tmp_path), "epochs": 2, "epoch_samples": 36}  # of 24, in 5 batches of 8
    unbroken = made_run(tmp_path, settings, share=0.5)
    ticks = iter(range(1000))
    stopped = made_run(tmp_path, settings, share=0.5, stopping=lambda: next(ticks) > 7, name="b")
    assert not stopped.rounds
    went_on = made_run(tmp_path, settings, share=0.5, name="b")
    assert went_on.identity["domain"]["epoch_samples"] == 36
    first, second = (each.read("round-0000").evaluations["test"] for each in (unbroken, went_on))
    assert repr(first.metrics) == repr(second.metrics)
    for column in first.tables["test"].columns:
        np.testing.assert_array_equal(first.tables["test"][column], second.tables["test"][column])


def test_what_is_missing_is_told_before_anything_is_spent(tmp_path):
    absent = built(tmp_path, originals="cc3m", pictures="cc3m-sd")
    assert [need.command for need in absent.requirements()] == ["biasloop fetch cc3m", "biasloop fetch cc3m-sd"]
    assert [need.name for need in built(tmp_path, originals="cc3m", pictures="cc3m").requirements()] == ["cc3m"]
    absent.check(Demands())  # what is missing is for whoever asks for requirements
    with pytest.raises(SomethingToFetch, match="biasloop fetch cc3m --from DIR"):
        absent.splits()
    settings = both(tmp_path)
    built(**settings).check(Demands())
    with pytest.raises(InvalidInput, match="domain.batch_size is 50, and the pool has 24 keys; set 24 or less"):
        built(**{**settings, "batch_size": 50}).check(Demands())
    with pytest.raises(InvalidInput, match="domain.test is 28, and 28 keys have both pictures; set 27 or less"):
        built(**{**settings, "test": 28}).check(Demands())
    with pytest.raises(InvalidInput, match="did you mean 'RN50'"):
        built(**{**settings, "network": "RN-50"}).check(Demands())
    with pytest.raises(InvalidInput, match="no key with a picture in common"):
        built(**{**settings, "pictures": str(write(tmp_path / "others", range(90, 99)))}).check(Demands())
    with pytest.raises(ValueError, match="which have the same keys"):
        built(**{**settings, "pictures": "drawings"})


def test_shards_that_are_packed_are_refused_with_what_unpacks_them(tmp_path):
    settings = both(tmp_path)
    shard = Path(settings["pictures"]) / "00001.tar"
    shard.write_bytes(gzip.compress(shard.read_bytes()))
    with pytest.raises(InvalidInput, match="packed by gzip.*gzip -dc"):
        built(**settings).check(Demands())


def test_a_caption_or_picture_that_cannot_be_read_is_named(tmp_path):
    settings = both(tmp_path)
    bare = write(tmp_path / "bare", range(28), uncaptioned=[9])
    domain = built(**{**settings, "originals": str(bare)})
    with pytest.raises(DamagedShard, match="the sample 9 has no caption"):
        domain.human_labels(domain.splits().pool)
    pairs = domain._pairs
    reader = Reader(pairs, lambda texts: torch.zeros(len(texts), 1), (16, 16))
    with pytest.raises(DamagedShard, match="000000009 in .*bare has no caption"):
        reader.read(np.array([9]), np.array([False]), Streams((0,)))


def test_prepared_pictures_have_one_generation(tmp_path):
    preset = presets.read("clip-cc3m-mini").override({("loop", "rounds"): 2}, "test")
    with pytest.raises(Mismatch, match="'clip-shards' cannot run .* it has no fit_maker"):
        prepare(arms_of(preset)[0][1], 0, Options(tmp_path / "data", threads=1))


def test_presets_have_the_published_shares_and_settings():
    for name, network in (("clip-cc3m", "RN50"), ("clip-cc3m-vitb32", "ViT-B-32")):
        preset = presets.read(name)
        arms = [arm for _, arm in arms_of(preset)]
        assert [arm.loop.share for arm in arms] == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
        assert {arm.loop.mix_seed for arm in arms} == {123}
        config = ShardsDomain.Config.model_validate(
            {key: value for key, value in preset.values["domain"].items() if key != "name"}
        )
        assert (config.network, config.epochs, config.batch_size) == (network, 50, 1440)
        assert (config.learning_rate, config.weight_decay, config.warm_up) == (5e-4, 0.2, 10_000)
        assert config.epoch_samples == 3_318_333


def test_recall_is_one_where_embeddings_are_the_same_and_groups_are_apart(tmp_path):
    domain = built(**both(tmp_path))
    references = domain.references(work())["test"]
    columns = {
        name: Column(np.eye(4, dtype=np.float32), role="embedding")
        for name in ("picture_embedding", "caption_embedding")
    }
    pool = domain.splits().pool
    train = Samples(pool, np.zeros(len(pool), np.bool_), domain.human_labels(pool))
    metrics = domain.measure({"test": references.plus(Frame(columns))}, train, {})
    assert metrics["recall_at_1"].value == metrics["caption_recall_at_1"].value == 1
    counted = [metrics[f"recall_at_1.{group}"].n for group in GROUPS]
    assert counted == [int((references["words"] == number).sum()) for number in range(4)]
    assert sum(counted) == 4
    spoken = [key % 4 != 2 for key in pool.tolist()]
    assert metrics["gender_words_train"].value == pytest.approx(np.mean(spoken))
