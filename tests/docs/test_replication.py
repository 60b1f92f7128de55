"""`docs/replication.md` and `docs/reproducing.md`: whole, in the allowed words, and of presets that there are."""

import re
import runpy
from collections import Counter

import pytest
from support import pages, toy

from biasloop.config import presets
from biasloop.config.validation import arms_of

DOCS = toy.PROJECT / "docs"
LEDGER = (DOCS / "replication.md").read_text()
REPRODUCING = (DOCS / "reproducing.md").read_text()
VERDICTS = {"replicated", "contradicted", "cannot be told", "not tested"}
ROWS = {
    row[0]: row[1:]
    for row in (
        [cell.strip() for cell in line[1:-1].split("|")]
        for line in re.findall(r"^\| [TWHRC]\d+ \|.*\|$", LEDGER, re.MULTILINE)
    )
}
STUDIES = sorted((DOCS / "replication").glob("*.toml"))
FIGURES = sorted(path.stem for path in (toy.PROJECT / "presets" / "figures").glob("*.toml"))


def named(text):
    """Presets that commands of a page name."""
    return set(re.findall(r"--preset ([\w./-]*\w)", text)) - {"NAME"}


@pytest.mark.parametrize("letter", "TWHRC")
def test_rows_of_each_study_are_numbered_without_a_gap(letter):
    numbers = [int(name[1:]) for name in ROWS if name[0] == letter]
    assert len(numbers) >= 6
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("name", ROWS)
def test_a_row_has_a_claim_a_source_and_one_of_the_verdicts(name):
    claim, source, run, effect, seeds, verdict = ROWS[name]
    assert claim
    assert source
    assert run
    assert verdict in VERDICTS
    if verdict == "not tested":
        assert not effect
        assert not seeds
    else:
        assert re.match(r"\d+|exact", seeds)


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row[-1] in {"replicated", "contradicted"}])
def test_a_verdict_comes_with_an_interval_that_does_not_hold_zero(name):
    effect, seeds = ROWS[name][3], ROWS[name][4]
    if seeds == "exact":
        return
    (low, high) = map(float, re.search(r"\((-?[\d.]+) to (-?[\d.]+)\)", effect).groups())
    if name != "T18":  # the claim is that nothing is there, and stands beside an arm in which something is
        assert low * high > 0
    assert int(re.match(r"\d+", seeds)[0]) >= 3


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row[-1] == "cannot be told"])
def test_what_cannot_be_told_has_no_interval_beside_zero_alone(name):
    intervals = re.findall(r"\((-?[\d.]+) to (-?[\d.]+)\)", ROWS[name][3])
    assert not intervals or any(float(low) * float(high) <= 0 for low, high in intervals)


def test_the_sum_at_the_top_is_that_of_the_rows():
    (said,) = re.findall(r"^Of (\d+) claims (.*)\.$", LEDGER, re.MULTILINE)
    counts = Counter(row[-1] for row in ROWS.values())
    numbers = [int(number) for number in re.findall(r"\d+", said[1])]
    assert numbers == [counts[verdict] for verdict in ("replicated", "contradicted", "cannot be told", "not tested")]
    assert int(said[0]) == len(ROWS) == sum(numbers)


def test_what_was_not_tested_says_how_or_why():
    for name, (_, _, run, *_, verdict) in ROWS.items():
        if verdict == "not tested":
            assert run.startswith("nothing"), name


def test_every_figure_has_a_row():
    table = LEDGER.partition("\n## Figures\n")[2]
    shown = re.findall(r"`([\w-]+)`", " ".join(re.findall(r"^\| (`.*?) \| ", table, re.MULTILINE)))
    assert sorted(shown) == FIGURES
    assert set(re.findall(r"\b[TWHRC]\d+\b", table)) <= ROWS.keys()


def test_every_study_has_a_section():
    for study in ("Taori and Hashimoto", "Wyllie et al.", "Hall et al.", "Bankes et al.", "Chen et al."):
        for page in (LEDGER, REPRODUCING):
            assert re.search(rf"^## {re.escape(study)} \(20", page, re.MULTILINE), study


@pytest.mark.parametrize("name", sorted(named(LEDGER) | named(REPRODUCING)))
def test_presets_that_are_named_are_there(name):
    preset = presets.read(str(toy.PROJECT / name) if name.endswith(".toml") else name)
    assert arms_of(preset)


def test_every_published_experiment_is_in_the_guide():
    shown = set(re.findall(r"`([\w-]+)`", REPRODUCING)) | named(REPRODUCING)
    families = ("ffl-", "bias-amp-", "quickstart")  # whose presets have tables on pages of their own
    missing = {name for name in presets.files() if not name.startswith(families) and name not in shown}
    assert {name for name in missing if name.startswith(("fig", "reducr-", "clip-"))} == set()
    pages_of_families = "".join((DOCS / page).read_text() for page in ("generations.md", "bias-amplification.md"))
    assert all(f"`{family}" in pages_of_families for family in families[:2])


def test_every_figure_is_in_the_guide():
    groups = {figure for figure in FIGURES if not re.fullmatch(r"fig\d+", figure)}
    assert {figure for figure in groups if figure not in REPRODUCING} == set()
    numbers = {int(number) for figure in FIGURES for number in re.findall(r"^fig(\d+)$", figure)}
    text = REPRODUCING.partition("## Wyllie")[0]
    assert numbers == {3, 4, 5, 6, 7, 8, *range(9, 21)}
    assert {number for number in numbers if not re.search(rf"\b{number}\b", text)} == {16}  # of "15 to 17"


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_studies_of_the_page_are_used_and_have_arms(path):
    assert f"docs/replication/{path.name}" in LEDGER
    assert len(arms_of(presets.read(str(path)))) >= 2


def test_rows_name_arms_that_there_are():
    arms = {name for path in STUDIES for name in presets.read(str(path)).values["arms"]}
    for arm in re.findall(r"`(figure \d+(?:, \w+)?|sampled labels)`", LEDGER):
        assert arm in arms


def test_the_script_tells_of_each_arm(tiny_run, capsys):
    script = runpy.run_path(str(DOCS / "replication" / "last_round.py"))
    script["main"](tiny_run.parent)
    shown = capsys.readouterr().out
    assert re.search(r"above bound +[+-]\d\.\d{3}", shown)
    assert "n=1" in shown


def test_commands_of_the_pages_are_the_programs_own():
    for page in (LEDGER, REPRODUCING):
        assert [command for command in pages.commands(page) if pages.mistake(command)] == []
