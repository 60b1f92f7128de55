"""`biasloop plugins show`: what a plugin is, for people and scripts."""

import json

import pytest

from biasloop.errors import InvalidInput
from biasloop.running.plugin_facts import kind


def test_a_domain_is_shown_with_settings_capabilities_metrics_and_presets(cli):
    told = json.loads(cli("plugins", "show", "toy", "--json").stdout)
    assert (told["name"], told["kind"], told["presets"]) == ("toy", "domain", ["toy"])
    delta = next(setting for setting in told["settings"] if setting["name"] == "delta")
    assert (delta["kind"], delta["default"]) == ("number", "0.05")
    assert {"Domain", "Sampled", "Learning", "Labelling", "Storing"} <= set(told["capabilities"])
    assert "Generating" not in told["capabilities"]
    assert told["capabilities"]["Learning"] == "Models that are fitted on samples."
    assert set(told["metrics"]) == {"share_predicted", "share_target"}


def test_people_read_the_same_in_words(cli):
    text = cli("plugins", "show", "textclass").stdout
    assert text.startswith("textclass: domain. Classification of texts, or of pairs of texts.\n")
    assert "\n  batch_size: whole number; default 32\n      Texts a step.\n" in text
    assert '\n  schedule: "constant" or "linear" or "cosine"; default "constant"\n' in text
    assert "\n  Learning\n      Models that are fitted on samples.\n" in text
    assert "quickstart-textclass" in text.split("presets:")[1]


def test_selectors_and_sinks_are_plugins_too(cli):
    told = json.loads(cli("plugins", "show", "reducr", "--json").stdout)
    assert told["kind"] == "selector"
    assert "eta" in [setting["name"] for setting in told["settings"]]
    assert "reducr-cifar10" in told["presets"]
    assert json.loads(cli("plugins", "show", "jsonl", "--json").stdout)["kind"] == "sink"


def test_an_unknown_plugin_is_refused_with_what_comes_near(cli):
    result = cli("plugins", "show", "imges")
    assert isinstance(result.exception, InvalidInput)
    assert str(result.exception).endswith("did you mean 'images'?")


@pytest.mark.parametrize(
    ("annotation", "words"),
    [(int | None, "whole number"), (float, "number"), (list[str], "list"), (dict[str, int], "table"),
     (int | str, "whole number or text"), (tuple[int, int], "list"), (bool, "true or false")],
)  # fmt: skip
def test_types_are_told_in_words(annotation, words):
    assert kind(annotation) == words
