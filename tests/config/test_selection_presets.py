"""The presets of batch selection on images against the table of what was published (Bankes et al. 2024)."""

from pathlib import Path

import numpy as np
import pytest

from biasloop.config import presets
from biasloop.config.validation import arms_of, validate
from biasloop.contract.data import Samples
from biasloop.contract.domains import Demands
from biasloop.errors import SomethingToFetch
from biasloop.running.engine import Options, build_domain, prepare, run
from biasloop_images import ImagesDomain

PUBLISHED = {  # data, seeds, network, epochs, n_B, weight decay, eta, epochs of class-irreducible models
    "cifar10": ("cifar10", "0-9", "resnet18", 175, 320, 0.01, 1e-4, 100),
    "cifar100-superclass": ("cifar100", "0-4", "resnet18", 175, 320, 0.01, 1e-4, 100),
    "cinic10": ("cinic10", "0-9", "resnet18", 150, 320, 0.1, 1e-4, 50),
    "clothing1m": ("clothing1m", "0-4", "torchvision-resnet18", 50, 320, 0.01, 1e-4, 25),
    "clothing1m-released": ("clothing1m", "0-4", "torchvision-resnet18", 50, 320, 0.01, 1.0, 25),
}
GRIDS = {  # number of arms of each
    "cifar10": 4, "cifar100-superclass": 4, "cifar2": 12, "cinic10": 4, "cinic10-relevance": 3, "clothing1m": 4,
    "clothing1m-released": 4, "clothing1m-convnext": 4, "cifar10-imbalance": 24, "label-noise": 16, "groups": 36,
    "eta": 6, "gamma": 8, "share": 10, "refresh": 5, "ablations": 7, "irreducible": 4, "proxy": 4,
    "cifar10-released": 4, "cinic10-released": 4,
}  # fmt: skip
METHODS = ["uniform", "train-loss", "rho", "reducr"]
UNEQUAL = {"cifar10-released", "cinic10-released", "share", "cinic10-relevance"}


def experiments(name):
    return [experiment for _, experiment in arms_of(presets.read(name))]


@pytest.mark.parametrize("name", PUBLISHED)
def test_presets_are_the_published_rows(name):
    data, seeds, network, epochs, candidates, decay, eta, irreducible = PUBLISHED[name]
    experiment = validate(presets.read(f"reducr-{name}"))
    domain, selection = experiment.domain.settings, experiment.selection
    assert (domain["data"], experiment.seeds, domain["network"]) == (data, seeds, network)
    assert (domain["epochs"], domain["batch_size"], domain["weight_decay"]) == (epochs, candidates, decay)
    assert (domain["optimizer"], domain["learning_rate"], domain["schedule"]) == ("adamw", 1e-3, "constant")
    assert int(candidates * selection.share + 1e-9) == 32
    assert selection.options["reducr"]["eta"] == eta
    assert selection.irreducible.gamma == 9
    assert selection.irreducible.models == "each"
    assert selection.irreducible.domain["epochs"] == irreducible
    assert [arm.selection.name for arm in experiments(f"reducr-{name}")] == METHODS
    assert (experiment.loop.start, experiment.loop.rounds) == ("all", 1)
    assert domain["test"] == "published"
    assert domain["split"] == ("even-odd" if data.startswith("cifar") else "published")


@pytest.mark.parametrize("name", GRIDS)
def test_methods_have_equal_budgets_and_one_checkpoint_rule(name):
    for mini in ("", "-mini"):
        made = experiments(f"reducr-{name}{mini}")
        assert mini or len(made) == GRIDS[name]
        budgets = {(one.domain.settings["epochs"], one.domain.settings["batch_size"], one.selection.share)
                   for one in made}  # fmt: skip
        assert len(budgets) == 1 or name in {"share", "cinic10-released"}
        assert {one.selection.best for one in made} == {"worst_class"} or name in UNEQUAL
        assert len({one.selection.judge for one in made}) == 1
        assert {one.selection.scoring for one in made} == {"train" if "released" in name else "eval"}


def test_as_released_rules_and_settings_are_those_of_each_method():
    rules = {arm.arm: arm for arm in experiments("reducr-cinic10-released")}
    assert {name: one.selection.best for name, one in rules.items()} == {
        "uniform": "worst_class", "train loss": "accuracy", "RHO-Loss": "accuracy", "REDUCR": "worst_class",
    }  # fmt: skip
    sizes = {name: (one.domain.settings["batch_size"], one.domain.settings["weight_decay"])
             for name, one in rules.items()}  # fmt: skip
    assert sizes == {"uniform": (640, 0.01), "train loss": (320, 0.1), "RHO-Loss": (320, 0.1), "REDUCR": (320, 0.1)}
    assert {arm.domain.settings["compat"] for arm in experiments("reducr-cifar10-released")} == {"released"}
    settings = ImagesDomain.Config.model_validate(experiments("reducr-cifar10-released")[0].domain.settings)
    assert "weight_decay" not in settings.effective()  # that of another study's released code is SGD's


def test_shares_take_thirty_two_samples_of_each_batch():
    sizes = {(arm.arm, int(arm.domain.settings["batch_size"] * arm.selection.share + 1e-9))
             for arm in experiments("reducr-share")}  # fmt: skip
    assert sizes == {(f"{share} %", 32) for share in (5, 10, 15, 20, 25)}


def test_sweeps_and_parts_are_the_published_ones():
    assert {arm.selection.options["reducr"]["eta"] for arm in experiments("reducr-eta")} >= {1e-4, 1.0, 10.0}
    assert {arm.selection.irreducible.gamma for arm in experiments("reducr-gamma")} == {
        0.25, 0.5, 1, 4, 9, 19, 49, 99,
    }  # fmt: skip
    sampled = [arm.domain.settings["sampling"] for arm in experiments("reducr-cifar10-imbalance")]
    assert {(one["class"], one["share"]) for one in sampled} == {
        (name, share) for name in ("cat", "dog") for share in (0.1, 0.025, 0.01)
    }
    options = {arm.arm: arm.selection.options["reducr"] for arm in experiments("reducr-ablations")}
    assert {flag: options["no model loss"][flag] for flag in ("model_loss", "clip")} == {
        "model_loss": False, "clip": False,
    }  # fmt: skip
    assert options["no class-irreducible losses"]["irreducible"] is False
    assert options["no holdout losses"]["holdout"] is False


@pytest.mark.parametrize("name", GRIDS)
def test_minis_are_of_embedded_data_and_pass_every_check(name, tmp_path):
    made = experiments(f"reducr-{name}-mini")
    for experiment in (made[0], made[-1]):
        settings = experiment.domain.model_dump(exclude_none=True)
        assert settings["data"] == "fashion-mnist-t10k"
        domain = build_domain(settings, 0, Options(tmp_path))
        domain.check(Demands())
        splits = domain.splits()
        human = Samples(splits.holdout, np.zeros(len(splits.holdout), np.bool_), domain.human_labels(splits.holdout))
        categories = domain.categories(human)
        assert len(human) >= 400
        if experiment.selection.best == "worst_class":
            assert len(np.unique(categories)) == len(domain.category_names())


@pytest.mark.parametrize("name", ["cifar10", "cinic10", "clothing1m", "groups"])
def test_what_has_to_be_fetched_is_said_first(name, tmp_path):
    data = {"groups": "fashion-mnist"}.get(name, name)
    with pytest.raises(SomethingToFetch, match=f"'{data}'|fetch {data}"):
        prepare(validate(presets.read(f"reducr-{name}")), 0, Options(tmp_path))


SMALL = {("domain", "test"): 9_000, ("domain", "width"): 1, ("domain", "epochs"): 1,
         ("selection", "irreducible", "domain", "epochs"): 1}  # fmt: skip


def test_what_its_publisher_hands_out_has_no_size(tmp_path):
    _, experiment = arms_of(presets.read("reducr-clothing1m"))[0]
    with pytest.raises(SomethingToFetch, match=r"needs clothing1m \(on request\), resnet18-imagenet \(4"):
        prepare(experiment, 0, Options(tmp_path))


def run_of(name, arm, place, changes):
    """The run of one arm of a mini, made still smaller."""
    experiment = arms_of(presets.read(f"reducr-{name}-mini").override(SMALL | changes, "test"))[arm][1]
    run(prepare(experiment, 0, Options(Path("unused"), threads=1)), place / "run", Options(Path("unused")))
    return experiment


def test_a_mini_runs_over_groups_of_classes(tmp_path):
    experiment = run_of("cifar100-superclass", 0, tmp_path, {("selection", "name"): "reducr"})
    assert experiment.selection.name == "reducr"
    assert (tmp_path / "run" / "round-0000.h5").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "arm"), [("ablations", 1), ("label-noise", 3), ("groups", 3), ("irreducible", 3),
                                           ("proxy", 2), ("cifar10-imbalance", 3), ("cifar2", 1)])  # fmt: skip
def test_minis_run(name, arm, tmp_path):
    run_of(name, arm, tmp_path, {})
    assert (tmp_path / "run" / "round-0000.h5").exists()
