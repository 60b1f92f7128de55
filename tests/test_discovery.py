"""Plugins that end, interrupt or print while they are imported: named like any other that does not work."""

import json
import os
import signal

import pytest
from support import toy

from biasloop import discovery
from biasloop.errors import InvalidInput

MODULES = {
    "exits": "import sys\nsys.exit(3)\n",
    "exits_well": "raise SystemExit\n",
    "interrupts": "raise KeyboardInterrupt('no')\n",
    "stranger": "class Odd(BaseException):\n    pass\nraise Odd('odd')\n",
    "prints": "import os, sys\nprint('hello from print')\nsys.stdout.write('hello from write\\n')\n"
    "os.write(1, b'hello from C\\n')\nfrom biasloop_toy import ToyDomain\nclass Prints(ToyDomain):\n    pass\n",
}


@pytest.fixture
def hostile_plugins(tmp_path, monkeypatch, workplace):
    """Five plugins, one of which works and talks; their modules have names of their own in every test."""
    sources = tmp_path / "hostile"
    sources.mkdir()
    for name, text in MODULES.items():
        module = f"h{abs(hash(tmp_path)) % 10**9}_{name}"
        (sources / f"{module}.py").write_text(text)
        toy.declare(sources, f"{name}-plugin".replace("_", "-"), name, f"{module}:{name.title()}")
    monkeypatch.syspath_prepend(sources)
    return sources


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("exits", "does not import: SystemExit: 3"),
        ("exits_well", "does not import: SystemExit;"),
        ("interrupts", "does not import: KeyboardInterrupt: no"),
        ("stranger", "does not import: Odd: odd"),
    ],
)
def test_a_plugin_that_ends_or_interrupts_at_import_is_one_that_does_not_import(hostile_plugins, name, words):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(InvalidInput, match=words):
        discovery.load(name)
    assert signal.getsignal(signal.SIGINT) is before


def test_all_plugins_are_listed_whatever_one_does(cli, hostile_plugins):
    result = cli("plugins", "--json")
    assert result.exit_code == 0, result.exception
    problems = {one["name"]: one["problem"] for one in json.loads(result.stdout)}
    assert "SystemExit: 3" in problems["exits"]
    assert "KeyboardInterrupt" in problems["interrupts"]
    assert (problems["prints"], problems["toy"], problems["images"]) == (None, None, None)


def test_what_a_plugin_prints_at_import_goes_to_stderr_also_from_c(hostile_plugins, capfd):
    assert discovery.load("prints").__name__ == "Prints"
    said = capfd.readouterr()
    assert said.out == ""
    assert sum(line.startswith("hello") for line in said.err.splitlines()) == 3
    print("ours")
    os.write(1, b"")
    assert capfd.readouterr().out == "ours\n"


def test_a_real_ctrl_c_during_an_import_is_no_fault_of_the_plugin(tmp_path, monkeypatch, workplace):
    sources = tmp_path / "slow"
    sources.mkdir()
    (sources / "pressed_meanwhile.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    toy.declare(sources, "pressed", "pressed", "pressed_meanwhile:Domain")
    monkeypatch.syspath_prepend(sources)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt):
        discovery.load("pressed")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_a_handler_of_a_signal_raises_is_no_fault_of_the_plugin(tmp_path, monkeypatch, workplace):
    class Stopped(BaseException):
        pass

    def stop(number, frame):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Stopped

    sources = tmp_path / "slow"
    sources.mkdir()
    (sources / "ended_meanwhile.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n")
    toy.declare(sources, "ended", "ended", "ended_meanwhile:Domain")
    monkeypatch.syspath_prepend(sources)
    signal.signal(signal.SIGTERM, stop)
    with pytest.raises(Stopped):
        discovery.load("ended")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def test_a_plugin_that_prints_in_its_methods_does_not_spoil_json(cli, monkeypatch):
    from biasloop_toy import ToyDomain

    fit = ToyDomain.fit

    def talks(self, train, work):
        print("epoch 1 of 1")
        return fit(self, train, work)

    monkeypatch.setattr(ToyDomain, "fit", talks)
    result = cli("loop", "-p", "toy", "--json")
    assert result.exit_code == 0, result.exception
    assert [json.loads(line).get("round") for line in result.stdout.splitlines()] == [0, 1, 2, 3, None]
    assert "epoch 1 of 1" in result.stderr


def test_a_plugin_that_ends_the_program_later_is_named_with_its_line(cli, monkeypatch):
    from biasloop_toy import ToyDomain

    def leaves(self, train, work):
        raise SystemExit(0)

    monkeypatch.setattr(ToyDomain, "fit", leaves)
    result = cli("loop", "-p", "toy")
    assert "test_discovery.py, line " in str(result.exception)
    assert "ended the program (SystemExit: 0)" in str(result.exception)
    assert result.exit_code == 1


# --- selectors


@pytest.fixture
def selectors(tmp_path, monkeypatch, workplace):
    """Distributions whose selectors work, and some whose do not; their names are nobody else's."""
    sources = tmp_path / "selectors"
    sources.mkdir()
    module = f"s{abs(hash(tmp_path)) % 10**9}"
    (sources / f"{module}.py").write_text(
        "from biasloop.training.selectors import Rho\n"
        "class Mine(Rho):\n    pass\n"
        "class Plain:\n    pass\n"
        "from pydantic import BaseModel\n"
        "class Half(BaseModel):\n    passes: int = 0\n    def start(self, categories):\n        return []\n"
        "number = 3\n"
    )
    (sources / f"{module}_broken.py").write_text("raise RuntimeError('no licence key')\n")
    for name, target in (
        ("mine", f"{module}:Mine"),
        ("plain", f"{module}:Plain"),
        ("half", f"{module}:Half"),
        ("number", f"{module}:number"),
        ("broken", f"{module}_broken:Rho"),
        ("twin-a", f"{module}:Mine"),
        ("twin-b", f"{module}:Mine"),
    ):
        toy.declare(sources, f"{name}-selector", name.partition("-")[0], target, group="biasloop.selectors")
    monkeypatch.syspath_prepend(sources)
    return module


def test_a_selector_is_known_by_its_name(selectors):
    loaded = discovery.selector("mine")
    assert (loaded.__module__, loaded.__name__) == (selectors, "Mine")
    assert discovery.selector("mine") is loaded


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mien", r"no selector is called 'mien' \(installed: .*mine.*\); did you mean 'mine'\?"),
        ("twin", "two distributions declare the selector 'twin': twin-(a|b)-selector and twin-(a|b)-selector"),
        ("broken", "the plugin of selector 'broken' .* does not import: RuntimeError: no licence key"),
        ("number", "the entry point of selector 'number' is not a class"),
        ("plain", "the class of selector 'plain' is no pydantic model"),
        ("half", "the class of selector 'half' lacks needs, select$"),
        ("toy", "no selector is called 'toy'"),
    ],
)
def test_a_selector_that_is_none_is_refused_by_its_name(selectors, name, words):
    with pytest.raises(InvalidInput, match=words):
        discovery.selector(name)


def test_selectors_are_listed_beside_domains_whatever_one_does(cli, selectors):
    answer = json.loads(cli("plugins", "--json").stdout)
    states = {plugin["name"]: plugin for plugin in answer if plugin["kind"] == "selector"}
    assert (states["mine"]["distribution"], states["mine"]["problem"]) == ("mine-selector", None)
    assert "no licence key" in states["broken"]["problem"]
    assert "lacks needs, select" in states["half"]["problem"]
    assert "toy" in {plugin["name"] for plugin in answer if plugin["kind"] == "domain"}
    assert "selector" in cli("plugins").stdout


def test_a_module_may_declare_a_domain_and_a_selector(tmp_path, monkeypatch, workplace):
    module = f"both{abs(hash(tmp_path)) % 10**9}"
    (tmp_path / f"{module}.py").write_text(
        "from biasloop_toy import ToyDomain\nfrom biasloop.training.selectors import Rho\n"
        "class Domain(ToyDomain):\n    pass\nclass Selects(Rho):\n    pass\n"
    )
    toy.declare(tmp_path, "both-domain", "both", f"{module}:Domain")
    toy.declare(tmp_path, "both-selector", "both", f"{module}:Selects", group="biasloop.selectors")
    monkeypatch.syspath_prepend(tmp_path)
    for _ in range(2):
        assert discovery.load("both").__name__ == "Domain"
        assert discovery.selector("both").__name__ == "Selects"


def test_a_domain_that_draws_is_the_first_or_the_one_named(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(toy.declare(tmp_path, "biasloop-noise", "noise", "support.drawing:NoiseDomain"))
    loaded, name = discovery.illustrating("noise:owner/name")
    assert (loaded.__name__, name) == ("NoiseDomain", "owner/name")
    assert discovery.illustrating("owner/name")[1] == "owner/name"
    monkeypatch.setattr(discovery, "entries", lambda: {})
    with pytest.raises(InvalidInput, match="no installed domain draws"):
        discovery.illustrating("owner/name")
