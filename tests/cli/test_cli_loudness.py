"""`-v`, `--quiet`, and what libraries warn of: once, at the end, never in a table."""

import logging
import sys
import warnings
from pathlib import Path

import pytest

from biasloop.cli import loudness
from biasloop.cli.main import main
from biasloop.report import output


@pytest.fixture
def program(workplace, monkeypatch, capfd):
    """`main()` as the script calls it: (exit code, stdout, stderr)."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["biasloop", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capfd.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    yield run
    loudness.choose(verbose=False, quiet=False)


@pytest.fixture
def warning_domain(monkeypatch):
    """The toy, whose library warns and logs in every fit."""
    from biasloop_toy import ToyDomain

    fit = ToyDomain.fit

    def warned(self, train, work):
        warnings.warn("this is old", UserWarning, stacklevel=1)
        logging.getLogger("lib.part").warning("that %s", "too")
        return fit(self, train, work)

    monkeypatch.setattr(ToyDomain, "fit", warned)


def test_what_a_library_warns_of_is_said_once_at_the_end(program, warning_domain):
    code, out, err = program("loop", "-p", "toy")
    assert code == 0
    lines = err.splitlines()
    assert lines[-2:] == ["warning of test_cli_loudness.py: this is old", "warning of lib: that too (4 times)"]
    assert "this is old" not in out


@pytest.mark.parametrize("words", [("-v", "loop", "-p", "toy"), ("loop", "-p", "toy", "--verbose")])
def test_with_v_it_is_said_at_once_with_its_place(program, warning_domain, words):
    _, _, err = program(*words)
    assert err.count("UserWarning: this is old") == 1
    assert err.count("lib.part: warning: that too") == 4
    assert f"{Path(__file__).name}:" in err
    assert "warning of" not in err


@pytest.mark.parametrize("words", [("-q", "presets", "show", "AR"), ("presets", "show", "AR", "--quiet")])
def test_quiet_says_the_answer_alone(program, words):
    code, out, err = program(*words)
    assert (code, err) == (0, "")
    assert "ffl-cmnist-mc-clastar" in out
    assert "is what its publication calls" in program("presets", "show", "AR")[2]


def test_quiet_says_what_went_wrong(program):
    code, _, err = program("--quiet", "loop", "-p", "tay")
    assert code == 2
    assert "did you mean 'toy'" in err
    Path("p.csv").write_text("y,p\na,b\na,a\nb,b\n")
    words = ("evaluate", "shares", "p.csv", "--predicted", "p", "--task", "y", "--fail-above", "largest_bias=0", "-q")
    code, _, err = program(*words)
    assert code == 4
    assert "is above 0 (--fail-above)" in err


def test_many_warnings_are_counted(capsys):
    with loudness.library_warnings():
        for number in range(8):
            warnings.warn(f"number {number}\nand more", UserWarning, stacklevel=1)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 6
    assert lines[0] == "warning of test_cli_loudness.py: number 0"
    assert lines[-1].startswith("and 3 other warnings of libraries; `biasloop -v ...`")


def test_the_library_is_the_package_that_warns():
    assert loudness._library("/x/site-packages/torch/nn/a.py") == "torch"
    assert loudness._library("/x/mine.py") == "mine.py"


def test_hushed_notes_are_not_printed_unless_urgent(capsys):
    output.hush(asked=True)
    output.note("a")
    output.note("b", urgent=True)
    output.hush(asked=False)
    output.note("c")
    assert capsys.readouterr().err == "b\nc\n"


def test_quiet_runs_say_the_table_at_the_end_alone(program):
    words = ("loop", "-p", "toy", "--grid", "loop.human=5,25", "--seeds", "0-1", "-o", "runs/toy")
    code, out, err = program(*words, "-q")
    assert (code, err) == (0, "")
    assert "20 % human" in out
    assert "mean ± standard deviation over seeds" in out
    assert not [word for word in ("next:", "-> runs", "--plan", "biasloop ") if word in out]
    again = program(*words)[1]
    assert "next:\n  biasloop runs show" in again
    assert out.strip() in again
    assert "-> runs" in again


def test_quiet_tells_which_runs_failed(program, monkeypatch):
    from biasloop_toy import ToyDomain

    def fails(self, train, work):
        raise ValueError("no such luck")

    monkeypatch.setattr(ToyDomain, "fit", fails)
    code, out, err = program("loop", "-p", "toy", "--seeds", "0-1", "-q")
    assert (code, out) == (1, "")
    assert err.startswith("2 runs failed:")
    assert err.count("no such luck") == 2


def test_quiet_leaves_json_as_it_is(program):
    assert program("loop", "-p", "toy", "-o", "a", "--json", "-q")[1].count('"round": ') == 4


def test_quiet_says_no_hint_below_a_list(program):
    assert "works one out" in program("bound", "--scenario", "list")[1]
    assert "works one out" not in program("bound", "--scenario", "list", "-q")[1]


def test_the_page_for_scripts_names_every_word_of_loudness():
    page = (Path(__file__).parents[2] / "docs" / "scripts.md").read_text()
    assert all(f"`{word}`" in page for word in loudness.WORDS)


def test_what_planning_noted_is_not_said_again_by_each_run(program, monkeypatch):
    from biasloop_toy import ToyDomain

    begin, fit = ToyDomain.__init__, ToyDomain.fit

    def noted(self, config, context):
        begin(self, config, context)
        context.on_note("two columns look alike")

    def also_noted(self, train, work):
        work.note("all labels are equal")
        return fit(self, train, work)

    monkeypatch.setattr(ToyDomain, "__init__", noted)
    monkeypatch.setattr(ToyDomain, "fit", also_noted)
    for name in ("a", "b"):  # each command says it
        _, _, err = program("loop", "-p", "toy", "-o", name, "--seeds", "0-1")
        assert err.count("two columns look alike") == 1
        assert err.count("all labels are equal") == 8
