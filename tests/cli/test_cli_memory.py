"""What a person is told when memory has run out, and where so many threads are asked for that none would be had."""

import sys
from pathlib import Path

import pytest
from biasloop_toy import ToyDomain

from biasloop.errors import OutOfMemory
from biasloop.store.reader import Run

WORDS = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4096 bytes."


def hungry(monkeypatch, error, *, at=125):
    """The toy's fit fails for want of memory once it has so many rows."""
    fit = ToyDomain.fit

    def fails(self, train, work):
        if len(train) >= at:
            raise error
        return fit(self, train, work)

    monkeypatch.setattr(ToyDomain, "fit", fails)


@pytest.mark.parametrize("error", [MemoryError("x"), RuntimeError(WORDS), RuntimeError("CUDA error: out of memory")])
def test_it_is_a_sentence_and_earlier_rounds_stay(cli, monkeypatch, error):
    hungry(monkeypatch, error)
    ended = cli("loop", "-p", "toy", "--out", "out")
    assert isinstance(ended.exception, OutOfMemory)
    assert ended.exception.exit_code == 1
    assert f"({error})" in str(ended.exception)
    assert "; all up to round 0 stays in out/seed-0" in str(ended.exception)
    assert len(Run.open(Path("out/seed-0")).rounds) == 1


def test_it_names_the_settings_that_the_domain_names(cli, monkeypatch):
    hungry(monkeypatch, MemoryError(), at=0)
    monkeypatch.setattr(ToyDomain, "memory_settings", lambda self: ["domain.pool", "domain.test"], raising=False)
    ended = cli("loop", "-p", "toy")
    assert "lower domain.pool or domain.test (" not in str(ended.exception)
    assert "there is not enough memory; lower domain.pool or domain.test, end other programs" in str(ended.exception)


def test_every_domain_names_settings_that_it_has():
    from biasloop import discovery
    from biasloop.contract.domains import Executing, Sparing, missing_methods

    for name in ("images", "generators", "language", "command"):
        domain = discovery.load(name)
        if not missing_methods(domain, Executing):
            continue  # its programs have settings of their own
        assert not missing_methods(domain, Sparing), name
        for setting in domain.memory_settings(domain.__new__(domain)):
            assert setting.removeprefix("domain.") in domain.Config.model_fields, (name, setting)


def test_elsewhere_it_is_no_defect(workplace, monkeypatch, capfd):
    from biasloop.cli import doctor
    from biasloop.cli.main import main

    def short():
        raise MemoryError("Unable to allocate 9.00 TiB for an array")

    monkeypatch.setattr(doctor, "_torch", short)
    monkeypatch.setattr(sys, "argv", ["biasloop", "doctor"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capfd.readouterr().err
    assert said.startswith("biasloop: there is not enough memory (Unable to allocate 9.00 TiB for an array); ask for")
    assert "defect" not in said


@pytest.mark.parametrize("number", ["1000000", "-1", "99999999999999999999"])
def test_absurd_threads_are_refused_before_anything_is_done(cli, number):
    ended = cli("loop", "-p", "toy", "--threads", number, "--out", "out")
    assert ended.exception.exit_code == 2
    assert f"--threads {number}: expected a number from 0" in str(ended.exception)
    assert not Path("out").exists()
