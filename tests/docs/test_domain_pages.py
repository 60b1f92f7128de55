"""The pages on concepts, images, language and rules: what they count and name is the program's."""

import re

import pytest
from builder import settings
from support import counted, toy
from typing_extensions import get_protocol_members

from biasloop import datasets
from biasloop.feedback.rule import Rule, RuleSettings
from biasloop.feedback.rules import RULES

DOCS = toy.PROJECT / "docs"


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text()


@pytest.mark.parametrize(
    ("network", "classes", "channels", "width", "depth"),
    [
        ("small-cnn", 10, 1, 8, None), ("baidunet9", 10, 3, 64, None), ("resnet18", 10, 3, 64, None),
        ("reducr-cnn", 10, 3, 64, None), ("mlp", 10, 1, 512, None), ("cifar-resnet", 2, 3, 16, 20),
        ("fashion-resnet", 2, 1, 64, None),
    ],
)  # fmt: skip
def test_networks_of_images_have_as_many_parameters(network, classes, channels, width, depth):
    import torch

    from biasloop.training import networks

    with torch.device("meta"):
        built = networks.build(network, classes, channels, width, depth)
    count = sum(parameter.numel() for parameter in built.parameters())
    assert f"| `{network}` | {count:,} |" in page("images")


def test_every_network_and_data_set_of_images_is_on_the_page():
    from biasloop.training.networks import NETWORKS

    assert {name for name in NETWORKS if f"`{name}`" not in page("images")} == set()
    assert {name for name in datasets.names() if f"`{name}`" not in page("images")} == set()


def test_language_models_have_as_many_parameters():
    text = page("language")
    assert ", ".join(f"{count:,}" for count in counted.GPT2.values()) in text
    from biasloop.config import presets
    from biasloop.config.validation import arms_of

    ((_, quick), *_) = arms_of(presets.read("quickstart-language"))
    assert counted.parameters(quick) < 1_000_000
    assert f"{datasets.asset('sotu').summary.split()[0]} sentences" in text
    assert f"{datasets.asset('realtoxicityprompts').summary.split()[0]} sentences" in text


@pytest.mark.parametrize("name", settings.domains())
def test_every_domain_has_a_page_which_leads_to_its_settings(name):
    pages = [path.name for path in DOCS.glob("*.md") if f"reference/domains.md#{name})" in path.read_text()]
    assert len(pages) == 1
    assert f"`{name}`" in (DOCS / pages[0]).read_text()


def test_every_member_of_a_rule_is_on_the_page():
    text = page("writing-a-rule")
    members = get_protocol_members(Rule) | get_protocol_members(RuleSettings)
    assert len(members) > 20
    assert {name for name in members if not re.search(rf"`{name}(`|\()", text)} == set()


def test_every_rule_is_on_the_page_of_concepts():
    assert set(re.findall(r"^\| `(\w+)` \| .* 20\d\d \|$", page("concepts"), re.MULTILINE)) == set(RULES)


@pytest.mark.parametrize("name", ["concepts", "images", "language", "writing-a-rule", "writing-a-selector", "index"])
def test_files_that_pages_name_are_there(name):
    files = re.findall(r"`((?:biasloop|tests|plugins)/[\w/.]+)`", page(name))
    assert [file for file in files if not (toy.PROJECT / file).exists()] == []
