"""Scenario files: found by name or path, and refused with file, key, value and the nearest valid key."""

from pathlib import Path

import pytest
import tomli_w

from biasloop.config.presets import packaged
from biasloop.errors import InvalidInput
from biasloop.scenario import reading
from biasloop.scenario.planning import outcome
from biasloop.scenario.simulation import simulate

VALUES = {
    "baseline": 0.3,
    "rounds": 4,
    "start": 1_000,
    "model": {"delta": 0.05},
    "stream": {"samples": 100, "generated": 0.5},
}
SHIPPED = sorted(path.stem for path in (packaged() / "scenarios").glob("*.toml"))


def stream(**changes: object) -> dict[str, object]:
    return {"stream": {"samples": 1, **changes}}


def sources(**changes: object) -> dict[str, object]:
    return {"sources": [{"name": "x", **changes}]}


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Write a scenario with some keys changed; its path as text."""
    monkeypatch.chdir(tmp_path)

    def write(**changes: object) -> str:
        Path("mine.toml").write_text(tomli_w.dumps(VALUES | changes))
        return "./mine.toml"

    return write


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_scenarios_are_whole_and_can_be_played(name):
    asked = reading.read(name)
    assert asked.summary
    assert outcome(asked).cost is not None
    assert simulate(asked, 5, 0).bias.shape == (5, asked.rounds + 1)


def test_numbers_are_read_as_people_write_them(file):
    asked = reading.read(
        file(
            baseline="30 %", start="50k", model={"delta": "-5%", "spread": 0},
            stream={"samples": 1e12, "growth": 1, "generated": ["5%", 0.5, 1]}, human={"samples": "1.5M", "price": 1},
        )
    )  # fmt: skip
    assert (asked.baseline, asked.start, asked.model.delta) == (0.3, 50_000, -0.05)
    assert (asked.stream.samples, asked.stream.generated, asked.human.samples) == (10**12, [0.05, 0.5, 1.0], 1_500_000)


def test_overrides_win(file):
    asked = reading.read(file(), ["human.samples=5k", "stream.generated=80%", "keep=replace"])
    assert (asked.human.samples, asked.stream.generated, asked.keep) == (5_000, [0.8], "replace")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"strat": 5}, "strat = 5: there is no such key; did you mean 'start'?"),
        (stream(generated=1, grwth=2), "stream.grwth = 2: there is no such key; did you mean 'growth'"),
        (sources(wieght=2), "sources.0.wieght = 2: there is no such key; did you mean 'weight'?"),
        ({"human": {"samples": 1.5}}, "human.samples = 1.5: expected a whole number >= 0"),
        ({"human": {"samples": "20%"}}, 'human.samples = "20%": expected a number of samples, not a share'),
        ({"human": {"samples": -1}}, "human.samples = -1"),
        ({"human": {"samples": True}}, "human.samples = true"),
        ({"baseline": 1.2}, "baseline = 1.2: input should be less than or equal to 1"),
        ({"baseline": "lots"}, 'baseline = "lots": expected a number'),
        ({"keep": "replaced"}, "did you mean 'replace'?"),
        ({"rounds": 0}, "rounds = 0"),
        ({"rounds": 10_001}, "rounds = 10001"),
        ({"start": 0}, "start = 0"),
        (stream(), "stream.generated: this key is required"),
        (stream(generated=[]), "stream.generated = []"),
        (stream(generated=[0.1, 2.0]), "stream.generated.1 = 2.0"),
        (stream(generated=[0.1] * 5), "stream.generated: 5 shares for 4 rounds"),
        (stream(generated=[0.1, 0.2], generated_to=1), "stream: generated_to goes with one value"),
        (stream(generated=1, samples=10**12, growth=50), "stream: with growth = 50 there would be more than"),
        ({"human": {"samples": 10**12, "growth": 50}}, "human: with growth = 50 there would be more than"),
        (sources(share=0.8), "sources: their shares add up to 0.8"),
        ({"sources": []}, "sources = []"),
        (sources(labelled_by="other"), "needs its delta"),
        (sources(drift=0.1), 'drift goes with labelled_by = "other"'),
        (sources(labelled_by="othr", delta=0), "did you mean 'other'?"),
        ({"detector": {"tpr": 0.5}}, "detector.fpr: this key is required"),
        ({"model": 5}, "model = 5: input should be a table"),
    ],
)  # fmt: skip
def test_mistakes_name_file_key_and_value(file, changes, words):
    with pytest.raises(InvalidInput) as refused:
        reading.read(file(**changes))
    message = str(refused.value)
    assert message.startswith(("mine.toml: ", "./mine.toml: "))
    assert words in message
    assert len(message.splitlines()) == 1


def test_every_mistake_is_told_and_whose_it_is(file):
    with pytest.raises(InvalidInput) as refused:
        reading.read(file(strat=1, rounds=0), ["human.pricee=3"])
    lines = str(refused.value).splitlines()
    assert len(lines) == 3
    assert sum(line.startswith("--set: human.pricee") for line in lines) == 1


def test_an_unknown_name_has_the_nearest_and_all(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput, match="did you mean 'web-text'\\?") as refused:
        reading.read("web-txt")
    assert all(name in str(refused.value) for name in SHIPPED)
    with pytest.raises(InvalidInput, match="no scenario file nowhere.toml"):
        reading.read("nowhere.toml")


def test_own_scenarios_have_names_and_take_none_that_is_shipped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "presets" / "scenarios"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text(tomli_w.dumps(VALUES | {"summary": "mine"}))
    (folder / "web-text.toml").write_text(tomli_w.dumps(VALUES))
    (folder / "broken.toml").write_text("x =")
    listed = {known.name: known for known in reading.listing()}
    assert list(listed) == sorted([*SHIPPED, "mine", "broken"])
    assert listed["mine"].summary == "mine"
    assert "not valid TOML" in listed["broken"].summary
    assert reading.read("mine").rounds == 4
    assert reading.read("web-text").start == 10**12
