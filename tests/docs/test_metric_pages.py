"""The pages on metrics: their examples run, and every function, stored name and gate is on them."""

import ast
import doctest
import inspect
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import tomli
from support.toy import PROJECT

from biasloop import evaluations, metrics
from biasloop.store.reader import Run

FOLDER = PROJECT / "docs" / "metrics"
PAGES = {path.name: path.read_text() for path in sorted(FOLDER.glob("*.md"))}
INDEX = PAGES["index.md"]


@pytest.mark.parametrize("name", [name for name, text in PAGES.items() if ">>> " in text])
def test_the_examples_give_what_the_page_says(name):
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGES[name], re.MULTILINE | re.DOTALL)
    told: list[str] = []
    example = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, name, name, 0)
    result = doctest.DocTestRunner().run(example, out=told.append)
    assert result.attempted >= 3
    assert not result.failed, "".join(told)


def functions() -> Iterator[str]:
    """Public functions of the metrics, as MODULE.FUNCTION."""
    for module in pkgutil.iter_modules(metrics.__path__):
        if not module.name.startswith("_"):
            loaded = import_module(f"biasloop.metrics.{module.name}")
            for name, function in inspect.getmembers(loaded, inspect.isfunction):
                if not name.startswith("_") and function.__module__ == loaded.__name__:
                    yield f"{module.name}.{name}"


@pytest.mark.parametrize("name", list(functions()))
def test_every_function_of_the_metrics_is_on_a_page(name):
    assert any(re.search(rf"`{re.escape(name)}`", text) for text in PAGES.values())


# --- names

NAMES = [name for cell in re.findall(r"^\| (`.*?) \| ", INDEX, re.MULTILINE) for name in re.findall(r"`([^`]+)`", cell)]
# A word in capitals stands for anything but nothing.
KNOWN = [re.compile(re.sub(r"[A-Z]{1,}(?![a-z])", ".+", re.escape(name)) + r"\Z") for name in NAMES]
OF_ANY = ("METRIC.COLUMN", "given.NAME", "given_truth.NAME", "valid.NAME", "final_population.NAME")
CLEAR = [known for known, name in zip(KNOWN, NAMES, strict=True) if name not in OF_ANY]
BEFORE = ("given_truth.", "given.", "valid.", "final_population.")
COLUMNS = ("bias_amp", "worst_group_accuracy", "demographic_parity_difference", "equalized_odds_difference")


def is_named(metric: str) -> bool:
    """Whether the page has a metric, by its name or by one with something that stands for a part of it."""
    for prefix in BEFORE:
        metric = metric.removeprefix(prefix)
    metric = next((name for name in COLUMNS if metric.startswith(f"{name}.")), metric)
    metric = f"population.{metric}" if metric.startswith(("share_label", "share_group", "confidence.")) else metric
    return metric == "polarisation" or any(known.match(metric) for known in CLEAR)


def test_names_that_nobody_stores_are_not_on_the_page():
    assert not any(map(is_named, ("f1", "auroc", "kl", "ece_by_group", "women", "share_of_cats", "weight")))
    assert all(map(is_named, ("recall.ankle-boot", "valid.tpr.red", "given.polarisation", "bias_amp.sex")))


@pytest.mark.parametrize("name", ["command", "generators", "images", "images-sampled", "language"])
def test_what_runs_have_stored_is_on_the_page(name):
    run = Run.open(PROJECT / "tests" / "runs_before" / name / "unbroken" / "seed-0")
    records = [run.read(part) for part in ("setup", *(f"round-{number:04}" for number in run.rounds))]
    stored = {metric for record in records for each in record.evaluations.values() for metric in each.metrics}
    assert len(stored) > 5
    assert {metric for metric in stored if not is_named(metric)} == set()


def written(file: str) -> Iterator[str]:
    """Names of metrics in the text of a module: keys of dictionaries; of an f-string with X for what is not known."""
    for node in ast.walk(ast.parse((PROJECT / file).read_text())):
        keys: list[Any] = []
        if isinstance(node, ast.Dict):
            keys = [key for key in node.keys if key is not None]
        elif isinstance(node, ast.DictComp):
            keys = [node.key]
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            keys = [node.slice]
        for key in keys:
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value
            elif isinstance(key, ast.JoinedStr) and any(isinstance(part, ast.Constant) for part in key.values):
                parts = [part.value if isinstance(part, ast.Constant) else "7" for part in key.values]
                yield "".join(map(str, parts)).replace("women_7.", "women_train.").replace("share_7.", "share_train.")


MEASURING = {
    "biasloop/metrics/class_metrics.py": 8,
    "biasloop/metrics/selection.py": 5,
    "plugins/biasloop_clip/measures.py": 18,
    "plugins/biasloop_clip/shards_measures.py": 8,
    "plugins/biasloop_images/biased/measures.py": 5,
    "plugins/biasloop_language/memorization.py": 1,
    "plugins/biasloop_tabular/measures.py": 5,
    "plugins/biasloop_textclass/measures.py": 3,
    "plugins/biasloop_roles/metrics.py": 4,
}  # how many names at least
NO_METRICS = {"test", "train", "predicted", "generated", "reference", "7.train"}


@pytest.mark.parametrize("file", MEASURING)
def test_what_a_domain_measures_is_on_the_page(file):
    found = {name for name in written(file) if name not in NO_METRICS and not name.startswith("7")}
    assert len(found) >= MEASURING[file]
    assert {name for name in found if not is_named(name)} == set()


def shown(value: Any, key: str = "") -> Iterator[str]:
    """Metrics that a preset or a layout names."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from shown(inner, key if key in {"metrics", "baselines"} else name)
    elif isinstance(value, list):
        for inner in value:
            yield from shown(inner, key)
    elif key in {"metric", "metrics", "baseline", "baselines", "quality", "series"} or (key == "train" and value):
        yield str(value)


def test_what_presets_and_figures_show_is_on_the_page():
    named = {
        name
        for path in (PROJECT / "presets").rglob("*.toml")
        for name in shown(tomli.loads(path.read_text()))
        if path.parent.name not in {"published", "scenarios"}
    }
    assert len(named) > 50
    assert {name for name in named if not is_named(re.sub(r"\[\d+\]$", ".x", name).replace("*", "x/x"))} == set()


def test_every_gate_is_on_the_page():
    families = (
        evaluations.AMPLIFICATION, evaluations.CALIBRATION, evaluations.FAIRNESS, evaluations.SHARES_OF_TRUTH,
    )  # fmt: skip
    gates = {gate for family in families for gate in family}
    assert len(gates) > 20
    of_file = INDEX.partition("\nOf somebody's file")[2]
    shown = {name.replace("GROUP", "*").replace("VALUE", "*") for name in re.findall(r"`([^`]+)`", of_file)}
    assert gates - shown == set()
    assert {"memorization.N", "gap@K.ATTRIBUTE", "gap.ATTRIBUTE"} <= set(NAMES)
