"""What a layer of a preset takes the place of: alternatives of a rule's settings, switches of a domain."""

import sys

import pytest
from biasloop_toy import ToyDomain

from biasloop.config import presets
from biasloop.config.displacing import displaced, switches_of


@pytest.mark.parametrize(
    ("key", "section", "expected"),
    [
        ("per_round", {"per_round": 5}, {"model"}),
        ("model", {"rule": "accumulate"}, {"per_round"}),
        ("human", {}, set()),
        ("model", {"rule": "generations"}, set()),
        ("model", {"rule": "nobody knows"}, {"per_round"}),
        ("model", {"rule": []}, {"per_round"}),
    ],
)
def test_a_setting_of_the_rule_takes_the_place_of_other_ways_to_write_it(key, section, expected):
    assert displaced(("loop", key), 3, {"rule": "accumulate"}, section) == expected


def test_only_loops_and_domains_have_keys_that_stand_for_others():
    assert displaced(("plot", "model"), True, {}, {}) == set()
    assert displaced(("loop", "model", "inner"), True, {}, {}) == set()
    assert displaced(("loop",), {}, {}, {}) == set()


@pytest.fixture
def switched(workplace, monkeypatch):
    """The toy has a switch that stands for two settings."""
    switches = classmethod(lambda cls: {"labels": ("share", "delta")})
    monkeypatch.setattr(ToyDomain.Config, "switches", switches, raising=False)
    (workplace / "presets" / "base.toml").write_text("[domain]\nname = 'toy'\nshare = 0.1\ndelta = 0.1\npool = 9\n")
    return workplace / "presets"


def test_a_switch_of_a_domain_takes_the_place_of_what_it_stands_for(switched):
    assert switches_of("toy") == {"labels": ("share", "delta")}
    (switched / "child.toml").write_text("extends = 'base'\n[domain]\nlabels = true\ndelta = 0.3\n")
    assert presets.read("child").values["domain"] == {"name": "toy", "pool": 9, "labels": True, "delta": 0.3}
    (switched / "child.toml").write_text("extends = 'base'\n[domain]\nlabels = false\n")
    assert presets.read("child").values["domain"]["share"] == 0.1


@pytest.mark.parametrize("order", [1, -1])
def test_a_switch_that_is_set_with_one_of_its_settings_leaves_that(switched, order):
    changes = [(("domain", "labels"), True), (("domain", "share"), 0.7)][::order]
    assert presets.read("base").override(dict(changes), "--set").values["domain"] == {
        "name": "toy", "pool": 9, "labels": True, "share": 0.7
    }  # fmt: skip


def test_a_domain_that_is_not_there_has_no_switches():
    assert switches_of("nobody") == switches_of(None) == switches_of(["x"]) == {}


def test_listing_presets_loads_no_domain(switched, monkeypatch):
    (switched / "child.toml").write_text("extends = 'base'\nsummary = 'x'\n[domain]\nlabels = true\n")
    monkeypatch.setattr("biasloop.discovery.load", lambda name: pytest.fail(f"{name} was loaded"))
    assert [listed.summary for listed in presets.listing() if listed.name == "child"] == ["x"]
    assert "biasloop.config.displacing" in sys.modules
