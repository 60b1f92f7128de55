"""`biasloop bound --scenario`, and the ways to write numbers of every option of `bound`."""

import json
from pathlib import Path

import pytest

from biasloop.errors import BiasloopError, InvalidInput

MINE = """
summary = "a small stream"
baseline = "30 %"
rounds = 12
start = "1k"
[model]
delta = "5 %"
[stream]
samples = 400
generated = "100 %"
[human]
samples = 100
price = 0.5
currency = "EUR"
"""


@pytest.fixture
def mine(workplace) -> str:
    (workplace / "mine.toml").write_text(MINE)
    return "mine.toml"


def _split(arguments: str) -> list[str]:
    return arguments.split()


def answer(result) -> dict:
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)


def test_json_has_rounds_shares_and_simulations(cli, mine):
    found = answer(cli("bound", "--scenario", mine, "--simulations", "200", "--json"))
    theorem = answer(cli("bound", *_split("--n0 1000 --human 100 --model 400 --delta .05 --rounds 12 --json")))
    assert [row["bias"] for row in found["rounds"]] == pytest.approx(theorem["bound"], rel=1e-12)
    assert found["limit"] == pytest.approx(theorem["limit"])
    assert found["amplification"] == pytest.approx(theorem["amplification"])
    assert (found["human"], found["labels"], found["cost"], found["currency"]) == (100, 1_200, 600.0, "EUR")
    assert found["simulations"] == 200
    assert all(row["simulated"]["low"] < row["bias"] < row["simulated"]["high"] for row in found["rounds"])
    assert found["settings"]["start"] == 1_000
    assert len(found["shares"]) == 10
    again = answer(cli("bound", "--scenario", mine, "--simulations", "200", "--json"))
    assert again == found
    other = answer(cli("bound", "--scenario", mine, "--simulations", "200", "--seed", "1", "--json"))
    assert other["rounds"][3]["simulated"] != found["rounds"][3]["simulated"]


def test_the_level_is_kept_to_and_one_label_fewer_does_not(cli, mine):
    given = ["bound", "--scenario", mine, "--simulations", "0", "--json"]
    found = answer(cli(*given, "--keep-under", "8%"))
    assert found["keep_under"] == 0.08
    assert max(row["bound"] for row in found["rounds"]) <= 0.08
    fewer = answer(cli(*given, "--set", f"human.samples={found['human'] - 1}"))
    assert max(row["bound"] for row in fewer["rounds"]) > 0.08
    assert found["cost"] == 12 * found["human"] * 0.5
    assert found["simulated_under"] is None
    assert "simulated" not in found["rounds"][0]


def test_text_says_how_many_labels_and_what_they_cost(cli, mine):
    result = cli("bound", "--scenario", mine, "--keep-under", "8%", "--simulations", "300")
    human = answer(cli("bound", "--scenario", mine, "--keep-under", "8%", "--json"))["human"]
    assert f"{human} human labels a round" in result.stdout
    assert f"{12 * human:,} labels in all, which cost {6 * human:,}" in result.stdout
    assert "of 300 simulations" in result.stdout
    assert "if all went on as in the last round, the bias would tend to" in result.stdout
    assert "mine: a small stream" in result.stdout
    rounds = [line.split() for line in result.stdout.splitlines() if " to " in line]
    first, last = (row for row in rounds if row[0] in ("0", "12"))
    assert first[:2] == ["0", "1,000"]
    assert last[2] == str(human)


def test_large_counts_have_letters_in_tables_and_all_their_digits_in_sentences(cli):
    said = cli("bound", "--scenario", "web-text", "--set", "human.samples=1234567890", "--simulations", "0").stdout
    rows = [line.split() for line in said.splitlines() if line.split()[:1] in (["0"], ["1"])]
    assert rows[0][1:4] == ["1.00", "T", "0"]
    assert rows[1][1:5] == ["1.19", "T", "1.23", "B"]  # 10^12 + .99 of 190 B people's + half of 10 B + 1.23 B
    (tenth,) = [line.split() for line in said.splitlines() if line.startswith(" 10.00 %")]
    assert tenth[2:4] == ["22.22", "B"]
    solved = cli("bound", "--scenario", "web-text", "--keep-under", "1.5%", "--simulations", "0").stdout
    assert "541,308,196,418 human labels a round" in solved


def test_no_line_of_a_table_is_wider_than_a_terminal(cli):
    for name in ("web-text", "support-tickets", "image-labels"):
        said = cli("bound", "--scenario", name, "--keep-under", "8%").stdout
        rows = [line.rstrip() for line in said.splitlines() if " %" in line and line.startswith(" ")]
        assert len(rows) > 15
        assert max(map(len, rows)) <= 80


def test_errors_of_both_signs_have_a_bound_of_their_own(cli, mine):
    sources = '[{name="a",labelled_by="other",share=0.5,delta=0.1},{name="b",labelled_by="other",share=0.5,delta=-0.1}]'
    plain = cli("bound", "--scenario", mine).stdout
    both = cli("bound", "--scenario", mine, "--set", f"sources={sources}").stdout
    assert "bound" in both
    assert "bound" not in plain


def test_what_is_beyond_a_share_is_said(cli, mine):
    result = cli(
        "bound", "--scenario", mine, "--set", "model.delta=20%", "--set", "human.samples=0", "--set", "rounds=60"
    )
    assert "which no share is" in result.stdout
    assert "the bias would grow until the share is 0 or 1" in result.stdout
    cut = cli("bound", "--scenario", mine, "--set", "model.delta=-20%", "--set", "human.samples=10")
    assert "30 % of samples would become none of them" in cut.stdout


def test_a_part_of_the_simulations_keeps_to_the_level(cli, mine):
    given = ["bound", "--scenario", mine, "--keep-under", "9%", "--simulations", "300", "--json"]
    expected, sure = answer(cli(*given)), answer(cli(*given, "--confidence", "95%"))
    assert sure["human"] > expected["human"]
    assert sure["simulated_under"] >= 0.95 > expected["simulated_under"]


def test_no_picture_is_replaced_unasked(cli, mine):
    Path("there.png").write_text("mine")
    given = ["bound", "--scenario", mine, "--simulations", "0", "--plot", "there.png"]
    refused = cli(*given)
    assert "--force replaces it" in str(refused.exception)
    assert Path("there.png").read_text() == "mine"
    assert cli(*given, "--force").exit_code == 0
    assert Path("there.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", ["out.png", "out.svg"])
def test_it_is_drawn(cli, mine, name):
    result = cli("bound", "--scenario", mine, "--keep-under", "8%", "--plot", name, "--simulations", "50", "--json")
    assert f"wrote {name}" in result.stderr
    assert json.loads(result.stdout)["human"] > 0
    if name.endswith("svg"):
        drawn = Path(name).read_text()
        for words in (
            "95 % of simulations",
            "expected bias",
            "level to keep to",
            "error of one model",
            "this scenario",
        ):
            assert words in drawn
        assert ">bound<" not in drawn  # it is the expected bias here
    else:
        assert Path(name).stat().st_size > 10_000


def test_scenarios_are_listed(cli):
    listed = answer(cli("bound", "--scenario", "list", "--json"))
    assert "web-text" in [known["name"] for known in listed]
    text = cli("bound", "--scenario", "list")
    assert all(known["summary"] in text.stdout for known in listed)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scenario", "web-txt"], "did you mean 'web-text'"),
        (["--scenario", "mine.toml", "--n0", "5"], "has its sizes in its file"),
        (["--scenario", "mine.toml", "--from", "runs"], "has its sizes in its file"),
        (["--scenario", "mine.toml", "--set", "strat=5"], "did you mean 'start'?"),
        (["--scenario", "mine.toml", "--keep-under", "0"], "above 0"),
        (["--scenario", "mine.toml", "--keep-under", "5k"], "--keep-under 5k"),
        (["--scenario", "mine.toml", "--simulations", "1e9"], "1,000,000,000 simulations"),
        (["--scenario", "mine.toml", "--confidence", "90%"], "give --keep-under"),
        (
            ["--scenario", "mine.toml", "--keep-under", "9%", "--confidence", "90%", "--simulations", "0"],
            "no 0 of them",
        ),
        (["--scenario", "mine.toml", "--keep-under", "9%", "--confidence", "2"], "between 0 and 1"),
        (["--confidence", "90%"], "need --scenario NAME"),
        (["--scenario", "mine.toml", "--plot", "x.gif"], ".png"),
        (["--keep-under", "5%"], "need --scenario NAME"),
        (["--n0", "5", "--human", "1", "--model", "2", "--simulations", "10"], "need --scenario NAME"),
        (["--n0", "5", "--set", "human.samples=1"], "need --scenario NAME"),
    ],
)
def test_wrong_usage_is_refused_in_a_sentence(cli, mine, arguments, words):
    result = cli("bound", *arguments)
    assert isinstance(result.exception, InvalidInput), result.exception
    assert words in str(result.exception)
    assert result.stdout == ""


def test_a_level_that_nothing_reaches_is_no_wrong_usage(cli, mine):
    result = cli("bound", "--scenario", mine, "--keep-under", "4%")
    assert isinstance(result.exception, BiasloopError)
    assert result.exception.exit_code == 1
    assert "only a better model" in str(result.exception)


# --- numbers as people write them


@pytest.mark.parametrize(
    "given",
    [
        "--n0 5e4 --human 1k --model 4_000 --delta 5% --rounds 89",
        "--n0 50k --human 20% --model 4k --delta 5e-2 --rounds 89",
        "--n0 0.05M --human 20% --per-round 5k --delta .05 --rounds 89",
    ],
)
def test_the_planner_reads_numbers_in_many_ways(cli, given):
    plain = answer(cli("bound", *_split("--n0 50000 --human 1000 --model 4000 --delta 0.05 --rounds 89 --json")))
    assert answer(cli("bound", *given.split(), "--json")) == plain


def test_a_largest_amplification_may_be_in_percent(cli):
    one, other = (
        answer(cli("bound", "--n0", "50k", "--per-round", "5e3", "--max-amplification", most, "--json"))
        for most in ("1.5", "150%")
    )
    assert one == other


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--n0 50,000 --human 1 --model 4", "--n0 50,000: expected a number of samples"),
        ("--n0 20% --human 1 --model 4", "--n0 20%: expected a number of samples, not a share"),
        ("--n0 5 --human 1 --model 4 --delta x", "--delta x: expected a number, such as 0.2, 20%"),
        ("--n0 5 --human 120% --model 4", "--human 120%: expected a share from 0% to 100%"),
        ("--n0 5 --human 100% --model 4", "leaves no room"),
        ("--n0 5 --human 1 --per-round 1.5", "--per-round 1.5: expected a whole number"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_can(cli, arguments, words):
    result = cli("bound", *arguments.split())
    assert isinstance(result.exception, InvalidInput), result.exception
    assert words in str(result.exception)


@pytest.mark.parametrize(("delta", "sign"), [("5%", "+"), ("-5%", "-")])
def test_the_bound_is_a_magnitude_and_what_the_bias_tends_to_has_its_sign(cli, mine, delta, sign):
    words = ("bound", "--scenario", mine, "--set", f"model.delta={delta}", "--simulations", "0")
    heading, _, *rows = cli(*words).stdout.partition("Other shares")[2].splitlines()[2:]
    names = [name.strip() for name in heading.split("   ") if name.strip()]
    cells = [dict(zip(names, (cell.strip() for cell in row.split("   ") if cell.strip()), strict=True))
             for row in rows if "%" in row]  # fmt: skip
    shares = answer(cli(*words, "--json"))["shares"]
    assert len(cells) == len(shares) == 10
    assert not [row for row in cells if row["at most"][0] in "+-"]
    assert [row["tends to"] for row in cells[-3:]] == [
        f"{sign}{abs(100 * share['limit']):.2f} %" for share in shares[-3:]
    ]
