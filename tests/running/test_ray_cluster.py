"""What is said where there is no Ray, or none that answers; how a Ray of this machine is started."""

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from biasloop.errors import InvalidInput
from biasloop.running import ray_cluster
from biasloop.running.on_ray import OnRay


class Fake(SimpleNamespace):
    """A module `ray` that writes down how it was started."""

    def __init__(self, error=None):
        super().__init__(error=error, given=[], over=False)

    def init(self, address, **how):
        self.given.append((address, how))
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self.error:
            raise self.error

    def shutdown(self):
        self.over = True


@pytest.fixture
def fake(monkeypatch):
    ray = Fake()
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for name in ray_cluster.SET:
        monkeypatch.setenv(name, "before")
    monkeypatch.setattr(ray_cluster, "find_spec", lambda name: object())
    monkeypatch.setattr(ray_cluster.importlib, "import_module", lambda name: ray)
    heard = signal.getsignal(signal.SIGTERM)
    yield ray
    signal.signal(signal.SIGTERM, heard)


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(ray_cluster, "find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match=r"not installed; type: pip install 'biasloop\[ray\]'"):
        OnRay()


def test_a_ray_of_this_machine_is_silent_and_leaves_nothing(fake, monkeypatch):
    monkeypatch.setattr(ray_cluster.tempfile, "gettempdir", lambda: "/tmp")
    heard = signal.getsignal(signal.SIGTERM)
    with ray_cluster.connected(None) as ray:
        ((address, how),) = fake.given
        assert (ray, address, how["include_dashboard"], how["log_to_driver"]) == (fake, "local", False, False)
        assert how["num_cpus"] >= 1
        assert Path(how["_temp_dir"]).is_dir()
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
        assert signal.getsignal(signal.SIGTERM) is heard
    assert fake.over
    assert not Path(how["_temp_dir"]).exists()


def test_a_cluster_is_joined_as_it_is(fake, monkeypatch):
    with ray_cluster.connected("first:6379"):
        assert fake.given == [("first:6379", {"log_to_driver": False, "logging_level": "critical"})]
    monkeypatch.setenv("RAY_ADDRESS", "second:6379")
    with ray_cluster.connected(None):
        assert fake.given[1][0] == "second:6379"


@pytest.mark.parametrize("address", ["first:6379", "ray://first:10001"])
def test_an_address_where_nobody_answers_is_refused(fake, address):
    fake.error = ConnectionError("Could not find any running Ray instance.\nmore")
    match = "no Ray cluster answers at first|start the command on a machine of the cluster"
    with pytest.raises(InvalidInput, match=match), ray_cluster.connected(address):
        pass
