"""`biasloop fetch`: how much there is to get and how long it takes, before and while it comes."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.archives import remote
from support.servers import serving

from biasloop import datasets
from biasloop.downloads import speed

CONTENT = bytes(range(256)) * 8_000  # 2.0 MB, which come in several pieces


@pytest.fixture
def published(monkeypatch):
    """Makes `fetch cifar10` fetch 2 MB from here; gives the server."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving({"set.bin": CONTENT}) as server:
        tiny = replace(datasets.asset("cifar10"), remotes=(remote("set.bin", CONTENT, f"{server.url}set.bin"),))
        monkeypatch.setattr(datasets, "asset", lambda _: tiny)
        yield server


def known_speed(workplace: Path, bytes_per_second: int) -> None:
    (workplace / "data").mkdir(exist_ok=True)
    (workplace / "data" / "speed.json").write_text(json.dumps({"bytes_per_second": bytes_per_second}))


def test_the_price_is_told_before_the_first_byte(cli, workplace, published):
    known_speed(workplace, 1_000)
    first = cli("fetch", "cifar10")
    assert first.exit_code == 0, first.exception
    assert first.stderr.startswith("cifar10: 2.0 MB to get, about 34 min at the last fetch's speed\n")
    again = cli("fetch", "cifar10")
    assert again.stderr == ""
    assert "is there already" in again.stdout


def test_without_a_speed_there_is_a_size_alone(cli, published):
    assert cli("fetch", "cifar10").stderr == "cifar10: 2.0 MB to get\n"


def test_in_a_log_the_speed_is_told_while_it_comes_and_kept(cli, workplace, published, monkeypatch):
    monkeypatch.setattr(speed, "FIRST", 0.0)
    monkeypatch.setattr(speed, "_LEAST_SECONDS", 0.0)
    result = cli("fetch", "cifar10")
    assert result.exit_code == 0, result.exception
    first, second, *_ = result.stderr.splitlines()
    assert first == "cifar10: 2.0 MB to get"
    assert re.fullmatch(r"cifar10: [0-9.]+ [Mk]B of 2\.0 MB at [0-9.,]+ [GMk]B/s; less than 10 s to go", second)
    assert speed.remembered(workplace / "data") > 0


def test_a_copy_from_a_disk_says_nothing_of_the_network(cli, workplace, published, monkeypatch):
    (workplace / "set.bin").write_bytes(CONTENT)
    monkeypatch.setattr(speed, "_LEAST_SECONDS", 0.0)
    assert cli("fetch", "cifar10", "--from", "set.bin").exit_code == 0
    assert speed.remembered(workplace / "data") is None


def test_the_list_has_times_where_a_speed_is_known(cli, workplace):
    assert "at the last fetch's speed" not in cli("fetch").stdout
    assert {row["seconds"] for row in json.loads(cli("fetch", "--json").stdout)} == {None}
    known_speed(workplace, 1_000_000)
    listed = {row["name"]: row for row in json.loads(cli("fetch", "--json").stdout)}
    assert listed["cifar10"]["seconds"] == pytest.approx(170.052171)
    assert listed["sotu"]["seconds"] is None
    (line,) = [line for line in cli("fetch").stdout.splitlines() if line.split()[:1] == ["cifar10"]]
    assert "170.1 MB" in line
    assert "about 3 min" in line


def test_what_a_preset_lacks_has_a_size_and_a_time(cli, workplace):
    given = ["loop", "--preset", "quickstart", "--set", "domain.data=cifar10", "--set", "domain.imbalance.class=dog"]
    assert "needs cifar10 (170.1 MB); type:" in str(cli(*given).exception)
    known_speed(workplace, 10_000_000)
    message = str(cli(*given).exception)
    assert "needs cifar10 (170.1 MB), about 20 s at the last fetch's speed; type:\n  biasloop fetch cifar10" in message
