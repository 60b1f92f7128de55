"""Capabilities: what a class has as methods is what its instances are seen to have."""

import inspect
import sys
from pathlib import Path

import pytest

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.contract import domains, published
from biasloop.contract.domains import missing_methods
from biasloop.running.engine import Options, build_domain

CAPABILITIES = [
    member
    for module in (domains, published)
    for _, member in inspect.getmembers(module, inspect.isclass)
    if getattr(member, "_is_runtime_protocol", False) and member.__module__ == module.__name__
]
PRESETS = ("quickstart", "bias-amp-fashion-small", "quickstart-generations", "quickstart-language",
           "quickstart-roles", "quickstart-tabular", "quickstart-textclass")  # fmt: skip
COMMAND = {"name": "command", "data": "t.csv", "target": "label", "train": [sys.executable, "{train}", "{model}"],
           "predict": [sys.executable, "{model}", "{input}", "{output}"], "test": 1}  # fmt: skip


@pytest.mark.parametrize("name", [*PRESETS, "command"])
def test_a_domain_has_a_capability_if_its_class_has_all_of_its_methods(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("label\na\nb\n")
    assert len(CAPABILITIES) > 15
    settings = COMMAND if name == "command" else arms_of(presets.read(name))[0][1].domain.model_dump()
    domain = build_domain(settings, 0, Options(tmp_path / "data"))
    for capability in CAPABILITIES:
        assert isinstance(domain, capability) == (not missing_methods(type(domain), capability)), capability
