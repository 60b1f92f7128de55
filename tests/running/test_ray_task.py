"""A run as a Ray task, without Ray: what it refuses, waits for, and tells."""

import _thread
import json
import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from support.studies import planned_toys

from biasloop.errors import Held
from biasloop.running import engine, ray_task
from biasloop.running.engine import Options
from biasloop.running.ray_task import Order, made, sample_of
from biasloop.running.tasks import Ended, Task
from biasloop.store import claims

OPTIONS = Options(Path("data"), interval=1e9)


@pytest.fixture
def planned(workplace):
    return planned_toys([0], Path("out"), OPTIONS)[0]


def order(planned, **changes) -> Order:
    meeting = Path("meeting")
    meeting.mkdir(exist_ok=True)
    (meeting / "token").write_text("seen")
    given = Order(Task(planned, OPTIONS).dumps(), 7, str(meeting), "seen", "first", None, {})
    return replace(given, **changes)


def ended(given: Order, planned) -> tuple[Ended, list[str]]:
    text, notices = json.loads(made(given.dumps()))
    return Ended.loads(text, planned), notices


def test_a_task_makes_its_run_and_shows_that_it_has_begun(planned):
    end, notices = ended(order(planned), planned)
    assert (end.outcome.rounds, end.error, notices) == (4, "", [])
    assert Path("meeting/7.1").exists()


def test_variables_of_the_environment_come_along(planned, monkeypatch):
    monkeypatch.setenv("BIASLOOP_CLAIM_SECONDS", "120")
    end, _ = ended(order(planned, environment={"BIASLOOP_CLAIM_SECONDS": "no number"}), planned)
    assert "BIASLOOP_CLAIM_SECONDS is 'no number'" in end.error


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"token": "another"}, "does not see . as first does; runs on several machines lie in a directory that all"),
        ({"meeting": "elsewhere"}, "does not see . as first does"),
        ({"data": ["cifar-10"]}, "does not see the data directory data as first does; give one with --data"),
    ],
)
def test_a_machine_that_does_not_share_the_directories_makes_no_run(planned, changes, said):
    end, _ = ended(order(planned, **changes), planned)
    assert end.error.startswith(f"{socket.gethostname()} {said}")
    assert end.code == 2
    assert not planned.directory.exists()


def test_a_data_directory_with_the_same_names_is_the_same(planned):
    for name in ("b", "a", ".hidden"):
        Path("data", name).mkdir(parents=True)
    assert sample_of(Path("data")) == ["a", "b"]
    assert sample_of(Path("nowhere")) is None
    assert not ended(order(planned, data=["a", "b"]), planned)[0].error


def test_a_first_attempt_leaves_a_run_that_another_process_makes(planned, monkeypatch):
    monkeypatch.setattr(engine, "run", held)
    end, _ = ended(order(planned), planned)
    assert end.held == "it is made elsewhere"


def held(*arguments):
    raise Held("it is made elsewhere")


def test_a_further_attempt_waits_for_the_one_before(planned, monkeypatch):
    looks, run = [object(), object(), None], engine.run
    monkeypatch.setattr(claims, "holder", lambda directory: looks.pop(0))
    monkeypatch.setattr(ray_task, "POLL", 0.01)
    monkeypatch.setattr(engine, "run", lambda *given: run(*given) if not looks else held())
    given = order(planned)
    Path("meeting/7.1").touch()
    end, _ = ended(given, planned)
    assert end.outcome.rounds == 4
    assert not looks
    assert Path("meeting/7.2").exists()


def test_rays_interrupt_ends_the_wait(planned, monkeypatch):
    monkeypatch.setattr(claims, "holder", lambda directory: object())
    monkeypatch.setattr(ray_task, "POLL", 0.05)
    monkeypatch.setattr(engine, "run", held)
    given = order(planned)
    Path("meeting/7.1").touch()
    threading.Timer(0.2, _thread.interrupt_main).start()
    end, _ = ended(given, planned)
    assert end.stopped


def test_rays_interrupt_ends_a_run_after_its_step(planned, monkeypatch):
    run = engine.run

    def interrupted(prepared, directory, options):
        _thread.interrupt_main()
        return run(prepared, directory, options)

    monkeypatch.setattr(engine, "run", interrupted)
    end, _ = ended(order(planned), planned)
    assert end.stopped
    assert end.outcome.rounds < 4
