"""A real pretrained model of 135 million parameters in the loop: `make test-slow`, about a quarter of an hour."""

import json

import pytest
from support import smollm, toy

pytestmark = [pytest.mark.slow, pytest.mark.real, pytest.mark.timeout(3600)]

PRESET = """
summary = "A real model of 135 million parameters continues sentences of presidents"
source = "tests"

[domain]
name = "language"
data = "sotu"
test = 64
decoder = "beam"
beams = 4
new_tokens = 20
epochs = 1
batch_size = 8
learning_rate = 5e-5
evaluation_batch = 16
scorers = ["toxicity-bilstm"]

[loop]
rule = "accumulate"
start = 200
human = 20
model = 80
rounds = 2
pretrained = true

[bound]
metric = "toxicity.generated"
baseline = "toxicity.reference"
train = "toxicity.train"

[plot]
series = ["toxicity.generated"]
"""


@pytest.fixture(scope="module")
def rounds(tmp_path_factory):
    """What two rounds print, after which the table is shown (`pytest -s`)."""
    place = tmp_path_factory.mktemp("smollm")
    (place / "real.toml").write_text(PRESET)
    network = smollm.save(place / "network")
    done = toy.biasloop(
        "loop", "--preset", "real.toml", "--set", f"domain.network={network}", "--out", "run", "--json",
        "--data", "data", cwd=place, timeout=3000,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    print(toy.biasloop("runs", "show", "run/seed-0", cwd=place).stdout)
    return [json.loads(line) for line in done.stdout.splitlines()][:-1]


def value(round_, name):
    return round_["metrics"][name]["value"]


def test_two_rounds_and_the_untouched_model(rounds):
    assert [one["round"] for one in rounds] == [-1, 0, 1]
    assert [one["sizes"]["train"] for one in rounds[1:]] == [200, 300]


def test_fine_tuning_fits_the_sentences_better_than_the_untouched_model(rounds):
    before, first, second = (value(one, "perplexity") for one in rounds)
    assert 5 < first < before < 500
    assert second < before


def test_its_continuations_are_as_harmless_as_the_speeches(rounds):
    for one in rounds:
        assert 0 <= value(one, "toxicity.generated") < 0.2
        assert one["metrics"]["toxicity.generated"]["n"] == 64


def test_beam_search_repeats_but_not_itself_alone(rounds):
    for one in rounds:
        assert 0.1 < value(one, "distinct.2") <= 1
