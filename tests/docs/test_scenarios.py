"""The page on scenarios: every key is explained, and its example says what the program does."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from biasloop.scenario.settings import Detector, Human, Model, Scenario, Source, Stream

PAGE = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text()
TABLES: dict[str, type[BaseModel]] = {
    "model": Model,
    "stream": Stream,
    "sources": Source,
    "human": Human,
    "detector": Detector,
}


def keys() -> Iterator[str]:
    yield from (name for name in Scenario.model_fields if name not in TABLES)
    for table, model in TABLES.items():
        yield from (f"{table}.{name}" for name in model.model_fields)


def test_every_key_is_in_the_table():
    assert set(TABLES) <= set(Scenario.model_fields)
    first_cells = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    assert {key for key in keys() if not any(f"`{key}`" in cell for cell in first_cells)} == set()


def test_the_examples_numbers_are_the_programs(cli):
    said = cli("bound", "--scenario", "support-tickets", "--keep-under", "3%").stdout
    (quoted,) = [line[2:] for line in PAGE.splitlines() if line.startswith("> ")]
    assert quoted in said
    assert "of 1,000 simulations 2.4 % keep to it" in said
    sure = cli("bound", "--scenario", "support-tickets", "--keep-under", "3.5%", "--confidence", "80%").stdout
    assert "2,644 human labels a round" in sure
    better = cli("bound", "--scenario", "support-tickets", "--set", "model.delta=-1%", "--simulations", "0").stdout
    assert "at most 2.192 %" in better
    drawn = "sources=[{name='drawn', acceptance=0.8, delta=0.0}]"
    none = cli(
        "bound", "--scenario", "support-tickets", "--set", drawn, "--set", "human.samples=0", "--simulations", "0"
    )
    assert "bias in round 24: -2 %, at most 2 %" in none.stdout
