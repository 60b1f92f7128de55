"""What files and names hold never reaches a terminal as anything but letters."""

import io
import json
import shutil
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from support.hostile import fit_manifest

from biasloop.contract.data import Column, Evaluation, Frame, Metric
from biasloop.store import codec

GOLDEN = Path(__file__).parents[1] / "store" / "golden" / "v1"
NASTY = "\x1b]0;owned\x07\x1b[2J\r\x9b31m\u202egnp\x7f"
SPELT = r"\x1b]0;owned\x07\x1b[2J\r\x9b31m\u202egnp\x7f"
RAW = set("\x1b\x07\r\x9b\u202e\x7f\x08\x00")


@pytest.fixture
def program(workplace, monkeypatch, capsys):
    """The program as it is started, errors included: what it gives, what it prints, on stdout and stderr."""
    from biasloop.cli.main import main

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["biasloop", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert not RAW & set(printed.out + printed.err), arguments
        return ended.value.code or 0, printed.out, printed.err

    return run


@pytest.fixture
def nasty_run(workplace):
    """A received run in a folder, and with metrics and classes, that have such names."""
    directory = Path(shutil.copytree(GOLDEN, workplace / f"run{NASTY}"))
    for number in range(3):
        path = directory / f"round-{number:04d}.h5"
        header, record = codec.decode(path.read_bytes(), "x")
        evaluation = record.evaluations["test"]
        metrics = {**evaluation.metrics, f"m{NASTY}\nx": Metric(0.5 + number, 3, 0.1), "cost$_{$": Metric(0.1, 3)}
        rows = len(next(iter(evaluation.tables.values())))
        tables = {**evaluation.tables, "test": Frame({"word": Column.text([NASTY] * rows)})}
        record = replace(record, evaluations={"test": Evaluation(metrics, tables)})
        path.write_bytes(codec.encode(header, record))
        fit_manifest(directory, path.name)
    return directory


def test_names_of_metrics_and_folders_are_spelt_out_in_tables(program, nasty_run):
    code, out, _ = program("runs", "show", nasty_run)
    assert code == 0
    assert rf"m{SPELT}\nx" in out.replace("\n", "").replace(" ", "")
    code, out, _ = program("runs", "list", ".")
    assert code == 0
    assert f"run{SPELT}" in out


def test_json_has_the_names_as_they_are(program, nasty_run):
    code, out, _ = program("runs", "show", nasty_run, "--json")
    assert code == 0
    assert out.isascii()
    assert f"m{NASTY}\nx" in json.loads(out)["rounds"][0]["metrics"]
    code, out, _ = program("runs", "list", ".", "--json")
    assert json.loads(out)[0]["run"] == nasty_run.name


def test_errors_and_problems_name_folders_and_files_in_letters(program, nasty_run):
    (nasty_run / "round-0001.h5").unlink()
    code, _, err = program("runs", "show", nasty_run)
    assert code == 1
    assert f"biasloop: run{SPELT}" in err.replace(str(nasty_run.parent) + "/", "")
    code, _, err = program("runs", "verify", nasty_run)
    assert code == 1
    assert SPELT in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("runs", "show", NASTY),
        ("loop", "-p", "toy", "--set", f"loop.human={NASTY}"),
        ("loop", "-p", "toy", "--set", NASTY),
        ("loop", "-p", NASTY),
        ("evaluate", "shares", f"{NASTY}.csv", "--predicted", "p", "--task", "y"),
        ("plot", NASTY),
        ("bogus\x1b[2J\x9b",),
        ("loop", "--seeds", NASTY, "-p", "toy"),
        ("fetch", NASTY),
    ],
)
def test_what_was_typed_is_said_in_letters(program, arguments):
    code, _, err = program(*arguments)
    assert code in {1, 2}
    assert err


def test_a_traceback_that_was_asked_for_is_in_letters_too(program):
    code, _, err = program("--debug", "runs", "show", NASTY)
    assert code == 2
    assert "Traceback" in err
    assert SPELT in err


def test_values_of_a_table_are_spelt_out(program, workplace):
    Path("p.csv").write_text(f'y,p\n"{NASTY}","{NASTY}"\nb,b\n', newline="")
    _, out, err = program("evaluate", "shares", "p.csv", "--predicted", "p", "--task", "y")
    assert r"\x1b" in out + err


def test_a_run_says_its_folder_in_letters(program):
    code, out, _ = program("loop", "-p", "toy", "--out", f"out{NASTY}", "--set", "loop.rounds=1")
    assert code == 0
    assert f"out{SPELT}" in out


def test_the_live_table_and_its_notices_are_in_letters(monkeypatch):
    from rich.console import Console
    from support.loops import toy_experiment

    from biasloop.report.live import single
    from biasloop.running.engine import Notice
    from biasloop.running.study import Planned

    screen = io.StringIO()
    monkeypatch.setattr(single, "console", lambda: Console(file=screen, width=200, force_terminal=False, markup=False))
    experiment = toy_experiment().model_copy(update={"name": f"n{NASTY}"})
    planned = Planned(f"arm={NASTY}", 0, Path(NASTY), experiment, 1)
    view = single.LiveView([planned])
    view.start(planned)
    view.event(planned, Notice(f"notice {NASTY}"))
    view.close()
    assert not RAW & set(screen.getvalue())
    assert f"notice {SPELT}" in screen.getvalue()
    assert f"n{SPELT}" in screen.getvalue()


@pytest.mark.filterwarnings("error:Glyph")  # matplotlib says it with the very character
@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_a_figure_shows_such_names_in_letters(program, nasty_run, suffix):
    code, _, err = program("plot", nasty_run, "--metric", f"m{NASTY}\nx", "-o", f"figure.{suffix}")
    assert code == 0, err
    if suffix == "svg":
        ET.parse("figure.svg")
        assert not RAW & set(Path("figure.svg").read_text())


@pytest.mark.filterwarnings("error:Glyph")
def test_figures_with_control_characters_and_dollars_are_drawn(tmp_path):
    from matplotlib.figure import Figure

    from biasloop.report.figures import canvas

    with canvas.style():
        figure = Figure()
        axes = figure.subplots()
        axes.plot([0, 1], label=f"a$b^{{{NASTY}\ud800")
        axes.set_title("$_$\x00")
        axes.legend()
        for suffix in canvas.FORMATS:
            canvas.save(figure, tmp_path / f"x.{suffix}", suffix)
    ET.parse(tmp_path / "x.svg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.pdf", "x.png", "x.svg"]


def test_a_wish_to_stop_stands_under_the_live_table_until_it_is_over(monkeypatch):
    from rich.console import Console
    from support.loops import toy_experiment

    from biasloop.report.live import single
    from biasloop.running.study import Planned

    screen = io.StringIO()
    monkeypatch.setattr(
        single, "console", lambda: Console(file=screen, width=200, force_terminal=True, highlight=False)
    )
    asked: list[int] = []
    planned = Planned("", 0, Path("runs/x"), toy_experiment(), 1)
    view = single.LiveView([planned], lambda: bool(asked))
    view.start(planned)
    assert view.live is not None
    view.live.refresh()
    assert single.STOPPING not in screen.getvalue()
    asked.append(2)
    view.live.refresh()
    assert single.STOPPING in screen.getvalue()
    before = screen.tell()
    view.close()
    assert single.STOPPING not in screen.getvalue()[before:]  # the last picture of the table is without it
