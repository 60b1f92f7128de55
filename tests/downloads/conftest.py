import pytest
from support.patience import Waits


@pytest.fixture(autouse=True)
def _local_network(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("BIASLOOP_OFFLINE", raising=False)


@pytest.fixture
def waits() -> Waits:
    return Waits()
