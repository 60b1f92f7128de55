"""The protocol of rules is all that is called of one, and a rule is added by one file and one entry."""

import ast
import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import toy
from support.relabelling import PRESET, Relabelling
from typing_extensions import get_protocol_members

from biasloop.errors import InvalidInput
from biasloop.feedback import rules
from biasloop.feedback.rule import Rule, RuleSettings

CORE = toy.PROJECT / "biasloop"
CALLERS = ("config", "running", "report", "cli", "evaluations")
OF_RULES = {"rule": Rule, "loop": RuleSettings}
MADE_BY = {"meant": "rule", "build": "rule", "settings_of": "loop"}  # functions of `rules` that give one
# Where a module is called so.
NO_SETTINGS = {"cli/main.py"}


def callers() -> list[Path]:
    return [path for part in CALLERS for path in sorted((CORE / part).rglob("*.py"))]


def read_of(tree: ast.AST, name: str) -> Iterator[tuple[str, int]]:
    """Attributes that are read of what is called so, or of what a function gives that makes one, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            called = _called(node.value.func) if isinstance(node.value, ast.Call) else _called(node.value)
            if (MADE_BY.get(called) if isinstance(node.value, ast.Call) else called) == name:
                yield node.attr, node.lineno


def _called(node: ast.expr) -> str:
    """The last name of `a.b.name`; of what is no name none."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


@pytest.mark.parametrize("name", OF_RULES)
def test_all_that_is_called_of_a_rule_is_in_its_protocol(name):
    members = get_protocol_members(OF_RULES[name])
    read = {
        (str(path.relative_to(CORE)), line, member)
        for path in callers()
        for member, line in read_of(ast.parse(path.read_text()), name)
        if str(path.relative_to(CORE)) not in NO_SETTINGS
    }
    assert not [(*where, member) for *where, member in sorted(read) if member not in members]
    used = {member for _, _, member in read}
    assert used >= ({"absorb", "round", "produced"} if name == "rule" else {"bound", "columns", "trained"})


def test_nothing_is_in_the_protocols_that_nobody_asks_for():
    asking = [*callers(), CORE / "feedback" / "rule.py", CORE / "feedback" / "rules.py"]
    trees = [ast.parse(path.read_text()) for path in asking]
    read = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not {name for protocol in OF_RULES.values() for name in get_protocol_members(protocol)} - read


def test_this_test_sees_what_is_called():
    tree = ast.parse("prepared.rule.ledger.all()\nrule.label_by\nself.loop.human\nrules.build(loop).settings.start")
    assert sorted(member for member, _ in read_of(tree, "rule")) == ["label_by", "ledger", "settings"]
    assert [member for member, _ in read_of(tree, "loop")] == ["human"]


def test_nobody_outside_the_folder_of_rules_knows_one_from_another():
    classes = {rule.__name__ for rule in rules.RULES.values()}
    classes |= {rule.Settings.__name__ for rule in rules.RULES.values()}
    assert classes == {
        "Accumulate", "AccumulateSettings", "Generations", "GenerationsSettings", "Mix", "MixingSettings"
    }  # fmt: skip
    for path in sorted(CORE.rglob("*.py")):
        if CORE / "feedback" in path.parents:
            continue
        tree = ast.parse(path.read_text())
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
        assert not names & classes, path


@pytest.mark.parametrize("rule", [*rules.RULES.values(), Relabelling], ids=lambda rule: rule.__name__)
def test_a_rule_has_every_member_of_the_protocols(rule):
    of_instances = {"references"}
    assert not [name for name in get_protocol_members(Rule) - of_instances if not hasattr(rule, name)]
    fields = rule.Settings.model_fields
    assert not [
        name for name in get_protocol_members(RuleSettings) if name not in fields and not hasattr(rule.Settings, name)
    ]
    assert set(rule.SUGAR.values()) <= fields.keys()
    assert not rule.SUGAR.keys() & fields.keys()


# --- a third rule


@pytest.fixture
def third(cli, monkeypatch):
    """The program, with a rule more and a preset of it."""
    monkeypatch.setitem(rules.RULES, "relabelling", Relabelling)
    Path("presets/third.toml").write_text(PRESET)

    def checked(*arguments):
        result = cli(*arguments)
        assert result.exit_code == 0, result.exception
        return result.stdout

    return checked


def test_a_third_rule_runs_and_everything_reads_its_runs(third):
    shown = third("loop", "-p", "third")
    assert "round samples replaced accuracy bias bound seconds" in " ".join(shown.split())
    assert "labelled often enough" in third("runs")
    run = "runs/third/seed-0"
    compared = json.loads(third("bound", "--from", run, "--json"))
    assert [row["bias"] for row in compared["rounds"]] == pytest.approx([0.05, 0.0625, 0.065625])
    assert [row["bound"] for row in compared["rounds"]] == pytest.approx([0.05, 0.0625, 0.065625])
    assert compared["limit"] == pytest.approx(0.05 / 0.75)
    assert "kept to its bound in all 3 rounds" in third("bound", "--from", run)
    for part, count in (("test", 100), ("reserve", 920)):
        made = json.loads(third("generate", "--run", run, "--of", part, "-o", "labels.csv", "--force", "--json"))
        assert made == {"file": "labels.csv", "rows": count, "model": "stored"}
    made = json.loads(third("generate", "--run", run, "--round", "1", "-o", "labels.csv", "--force", "--json"))
    assert made["model"] == "refitted"
    with Path("labels.csv").open(newline="") as file:
        assert float(next(csv.DictReader(file))["prediction"]) == pytest.approx(0.5625)
    third("plot", "runs/third", "--out", "x.svg")
    assert "share predicted" in Path("x.svg").read_text().lower()
    shown = json.loads(third("runs", "show", run, "--json"))
    assert shown["experiment"]["loop"] == {"rule": "relabelling", "samples": 80, "replaced": 20, "rounds": 3}
    assert [row["sizes"]["replaced"] for row in shown["rounds"]] == [0, 20, 20]
    again = json.loads(third("evaluate", "run", run, "--json"))
    assert [row["metrics"]["share_predicted"]["value"] for row in again["rounds"]] == pytest.approx(
        [0.55, 0.5625, 0.565625]
    )
    third("runs", "verify", run)


def test_a_run_of_a_third_rule_goes_on_and_is_extended(third):
    third("loop", "-p", "third", "--set", "loop.rounds=2")
    third("loop", "-p", "third", "--set", "loop.rounds=4", "--out", "runs/third+loop.rounds=2")
    third("loop", "-p", "third", "--set", "loop.rounds=4", "--out", "unbroken")
    ours, theirs = Path("runs/third+loop.rounds=2/seed-0"), Path("unbroken/seed-0")
    names = [f"round-{number:04d}.h5" for number in range(4)]
    assert [(ours / name).read_bytes() for name in names] == [(theirs / name).read_bytes() for name in names]


def test_a_third_rule_has_its_own_keys_names_of_arms_and_refusals(third, cli):
    third("loop", "-p", "third", "--grid", "loop.replaced=20,40", "--out", "grid")
    third("plot", "grid", "--out", "x.svg")
    assert "40 replaced" in Path("x.svg").read_text()
    assert "percent = 25" in third("presets", "show", "third")
    assert json.loads(third("presets", "show", "third", "--json"))["loop"]["replaced"] == 20
    assert "replaced = 8" in third("presets", "show", "third", "--set", "loop.replaced=8")
    refused = cli("loop", "-p", "third", "--set", "loop.percnt=3").exception
    assert isinstance(refused, InvalidInput)
    assert "'percent'" in str(refused)
    assert "human" not in str(refused)
    refused = cli("loop", "-p", "third", "--set", "loop.rule=mixin").exception
    assert "'accumulate' or 'generations' or 'mixing' or 'relabelling'" in str(refused)
    assert not str(refused).count("\n")
