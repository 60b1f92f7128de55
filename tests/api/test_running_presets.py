"""`biasloop.run`: what `biasloop loop` makes, with settings as keywords, and the same sentences where it cannot."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import biasloop
from biasloop.api import running
from biasloop.errors import BiasloopError, InvalidInput, SomethingToFetch

BITS = {"domain.labels": "bits"}


def metrics(directory):
    return biasloop.open_run(directory).metrics()


def test_it_makes_what_the_command_line_makes_and_goes_on_with_it(cli, workplace):
    study = biasloop.run("toy", seeds=range(2), grid={"loop.human": [5, 25]}, **BITS)
    assert [str(run.directory) for run in study.runs] == [
        f"runs/toy+domain.labels=bits/loop.human={human}/seed-{seed}" for seed in (0, 1) for human in (5, 25)
    ]
    assert all(run.finished for run in study.runs)
    done = cli("loop", "-p", "toy", "--set", "domain.labels=bits", "--set", "loop.human=25", "--out", "typed")
    assert done.exit_code == 0
    assert metrics("typed").equals(metrics(study.runs[1].directory))
    before = Path(study.runs[0].directory, "manifest.json").stat().st_mtime_ns
    assert biasloop.run("toy", seeds="0", grid={"loop.human": [5]}, **BITS).runs[0].directory == study.runs[0].directory
    assert Path(study.runs[0].directory, "manifest.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("mapped", "settings"),
    [
        ({}, {"loop__human": 7}),
        ({"loop.human": 7}, {}),
        (None, {"loop.human": 7}),
        (None, {"loop__human": np.int64(7)}),
    ],
)
def test_a_setting_is_written_in_any_of_these_ways(workplace, mapped, settings):
    (run,) = biasloop.run("toy", mapped, out="out", **settings).runs
    assert run.experiment["loop"]["human"] == 7


def test_values_of_numpy_paths_and_tuples_are_what_they_hold(workplace):
    (run,) = biasloop.run("toy", out=Path("out"), domain__delta=np.float64(0.125), plot__series=("share_train",)).runs
    assert run.experiment["domain"]["delta"] == 0.125
    assert run.stored.manifest.about["plot"]["series"] == ["share_train"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"seed": 3}, "run() has no option 'seed'; did you mean 'seeds'?"),
        ({"loop": {"human": 3}}, "run() has no option 'loop'; options are seeds, out, grid"),
        ({"loop__humn": 3}, "there is no such key; did you mean 'human'?"),
        ({"loop__human": None}, "loop.human = None: a setting is a text, a number"),
        ({"loop__human": 3, "loop.human": 4}, "loop.human is given twice; give it once"),
        ({"loop__human": 3, "grid": {"loop.human": [4]}}, "loop.human is given with --set and with --grid"),
        ({"seeds": []}, "seeds: expected at least one"),
        ({"seeds": -1}, "seeds '-1': expected a list of whole numbers or ranges"),
        ({"threads": -1}, "--threads -1: expected a number from 0"),
        ({"jobs": -1}, "jobs -1: expected a number of runs at once"),
        ({"checkpoint": float("nan")}, "checkpoint nan: expected a number of seconds"),
        ({"arms": ["x"]}, "--arm x"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(workplace, given, said):
    with pytest.raises(InvalidInput, match=re.escape(said)):
        biasloop.run("toy", out="out", **given)
    assert not Path("out").exists()


def test_what_is_lacking_is_said_as_on_the_command_line(workplace):
    with pytest.raises(SomethingToFetch, match="biasloop fetch cifar10"):
        biasloop.run("tiny", domain__data="cifar10", **{"domain.imbalance.class": "dog"})
    with pytest.raises(InvalidInput, match="did you mean 'toy'"):
        biasloop.run("tay")


def test_how_runs_are_made_is_what_was_asked_for(workplace, monkeypatch):
    asked = []

    class Asking(running.InProcess):
        def run(self, planned, options, watcher):
            asked.append(options)
            return super().run(planned, options, watcher)

    monkeypatch.setattr(running, "InProcess", Asking)
    how = {"device": "cpu", "threads": 2, "keep_models": True, "checkpoint": 7.5}
    biasloop.run("toy", out="one", data="sets", **how)
    biasloop.run("toy", out="other")
    first, other = asked
    assert (first.data, first.interval) == (Path("sets"), 7.5)
    assert (first.device, first.threads, first.keep_models) == ("cpu", 2, True)
    assert (other.device, other.threads, other.keep_models) == ("auto", None, False)


def test_what_a_person_should_know_is_a_warning(workplace):
    with pytest.warns(UserWarning, match="the reserve allows"):
        biasloop.run("toy", loop__rounds=1_000, domain__pool=200)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        biasloop.run("toy", out="quiet")


def test_a_setting_without_effect_is_a_warning(workplace):
    Path("presets/base.toml").write_text('extends = "toy"\n[grid]\n"loop.human" = [5, 9]\n')
    Path("mine.toml").write_text('extends = "base"\n[loop]\nhuman = 7\n')
    with pytest.warns(UserWarning, match=r"loop\.human = 7 has no effect: \[grid\] sets it"):
        biasloop.run("./mine.toml")


def test_warnings_are_at_the_line_that_called_biasloop(workplace, monkeypatch):
    from biasloop_toy import ToyDomain

    fit = ToyDomain.fit

    def telling(self, train, work):
        work.note("the gnomes are late")
        return fit(self, train, work)

    monkeypatch.setattr(ToyDomain, "fit", telling)
    with pytest.warns(UserWarning) as heard:
        biasloop.run("toy", loop__rounds=1_000, domain__pool=200)
    texts = [str(warning.message) for warning in heard]
    assert any("the reserve allows" in text for text in texts)  # of the call itself
    assert any("the gnomes are late" in text for text in texts)  # of a domain, which lies outside of the package
    code = test_warnings_are_at_the_line_that_called_biasloop.__code__
    lines = {line for *_, line in code.co_lines() if line}
    for warning in heard:
        assert Path(warning.filename) == Path(__file__)
        assert warning.lineno in lines, warning.message


def test_a_failed_run_is_an_error_with_its_cause(workplace, monkeypatch):
    from biasloop_toy import ToyDomain

    def broken(self, train, work):
        raise ZeroDivisionError("by a gnome")

    with monkeypatch.context() as patch:
        patch.setattr(ToyDomain, "fit", broken)
        every = "2 of 2 runs failed: out/seed-0: ZeroDivisionError: by a gnome"
        with pytest.raises(BiasloopError, match=every) as failed:
            biasloop.run("toy", seeds="0-1", out="out")
    assert isinstance(failed.value.__cause__, ZeroDivisionError)
    assert biasloop.run("toy", out="out").runs[0].finished
    monkeypatch.setattr(ToyDomain, "fit", broken)
    with pytest.raises(BiasloopError, match="1 of 2 runs failed: out/seed-1: ZeroDivisionError: by a gnome"):
        biasloop.run("toy", seeds="0-1", out="out")


def test_nothing_is_printed_unless_progress_is_asked_for(workplace, capsys):
    biasloop.run("toy", out="silent")
    assert capsys.readouterr().out == ""
    biasloop.run("toy", out="told", progress=True)
    assert len(re.findall(r"^ +\d ", capsys.readouterr().out, re.MULTILINE)) == 4
