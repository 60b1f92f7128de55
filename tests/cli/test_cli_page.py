"""`biasloop page`: what the data of a preset look like, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from biasloop.errors import InvalidInput, SomethingToFetch

GENERATIONS = ["page", "--preset", "quickstart-generations"]


def shown(cli, *arguments: str) -> dict:
    result = cli("page", *arguments, "--json")
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)


def test_a_picture_is_drawn_and_strata_are_counted(cli):
    settings = ["--set", "domain.images=3000", "--output", "deep/page.png"]
    found = shown(cli, "-p", "quickstart-generations", *settings)
    with Image.open(found["file"]) as picture:
        assert picture.size[0] == 2040
    assert {split: sum(counts.values()) for split, counts in found["counts"].items()} == {
        "train": 3000, "valid": 1000, "test": 2000,
    }  # fmt: skip
    train = found["counts"]["train"]
    green = [
        train[f"label {label}, green"] / sum(train[f"label {label}, {c}"] for c in ("green", "red")) for label in "01"
    ]
    assert green == pytest.approx([0.3, 0.7], abs=0.04)  # as domain.green says


def test_settings_and_seed_are_those_of_the_run(cli):
    one, other = (shown(cli, "-p", "quickstart-generations", "--seed", seed, "-o", f"{seed}.png") for seed in "01")
    assert one["counts"] != other["counts"]
    few = shown(cli, "-p", "quickstart-generations", "--set", "domain.images=20", "--set", "domain.green=[0.5, 0.5]")
    assert few["file"] == "quickstart-generations-data.png"
    assert sum(few["counts"]["train"].values()) == 20


def test_classes_of_a_pool_are_shown_as_they_are_resampled(cli):
    found = shown(cli, "-p", "tiny")
    assert Path(found["file"]).stat().st_size > 10_000
    assert sum(found["counts"]["test"].values()) == 60
    pool = found["counts"]["pool"]
    assert pool["shirt"] > 0.8 * 9 * np.mean([count for name, count in pool.items() if name != "shirt"])


def test_men_and_women_are_counted_by_verb_and_no_weights_are_asked_for(cli):
    sets = {"domain.data": "emoji-roles", "domain.pictures": "{pool = 10, test = 20}", "domain.holdout": "80"}
    words = [word for name, value in sets.items() for word in ("--set", f"{name}={value}")]
    counts = shown(cli, "-p", "fig4-left", *words)["counts"]  # whose network is pretrained
    assert {split: sum(strata.values()) for split, strata in counts.items()} == {
        "pool": 400, "holdout": 80, "test": 960,
    }  # fmt: skip
    assert len(counts["test"]) == 2 * 48
    shares = [share for share in (0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9) for _ in range(6)]
    women = [count for name, count in counts["test"].items() if name.endswith(", woman")]
    assert sorted(women) == [round(20 * share) for share in shares]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["--preset", "toy"], InvalidInput, "the domain 'toy' of toy has no pictures to show"),
        (["--preset", "tiny", "-o", "x.gif"], InvalidInput, "cannot be written as 'x.gif'"),
        (["--preset", "tiny", "--set", "domain.data=cifar10", "--set", "domain.imbalance.class=dog"], SomethingToFetch,
         r"tiny needs cifar10 \([0-9.]+ MB\); type:\n  biasloop fetch cifar10"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused(cli, arguments, error, message):
    result = cli("page", *arguments)
    assert isinstance(result.exception, error)
    assert result.exception.exit_code == (3 if error is SomethingToFetch else 2)
    with pytest.raises(error, match=message):
        raise result.exception
    assert not list(Path().glob("*.png"))
