"""Who labelled: counts beside those of loops over stored rows, round by round and class by class."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from support.reports import Page

from biasloop.contract.data import Column, Frame
from biasloop.records.ledger import HUMAN, Ledger
from biasloop.records.record import Record, vocabulary_frames
from biasloop.report.arms import Arm, Measured, arms
from biasloop.report.html.content import Asked, gather
from biasloop.report.html.labels import Entered, Labels
from biasloop.report.html.page import page
from biasloop.report.html.provenance import Cell, _summed, provenance
from biasloop.report.html.stored import ReadOnce, collect
from biasloop.running.engine import Options
from biasloop.store.files import sha256
from biasloop.store.manifest import Manifest
from biasloop.store.reader import Run

pytestmark = pytest.mark.usefixtures("undrawn")

NAMES = ["cat", "dog", "owl"]


def classes(values: list[int]) -> Frame:
    return Frame({"target": Column(np.array(values, np.int64), role="target", vocabulary="classes")})


def setup(values: list[int]) -> Record:
    ids = np.arange(len(values))
    frames = vocabulary_frames({"classes": Column.text(NAMES)})
    return Record(Ledger.entry(ids, HUMAN, 0, classes(values)), {}, frames)


def fed(number: int, human: list[int], given: list[int], true: list[int | None]) -> Record:
    """A round whose rows humans, and the model of the round before, labelled; None where nobody knows the truth."""
    parts = [Ledger.entry(np.arange(len(human)) + 100, HUMAN, number, classes(human))] if human else []
    parts += [Ledger.entry(np.arange(len(given)) + 200, number - 1, number, classes(given))] if given else []
    known = np.array([each is not None for each in true], np.bool_)
    errors = [math.nan if t is None else float(t != g) for t, g in zip(true, given, strict=True)]
    truth = {"known": Column(known), "error": Column(np.array(errors))}
    if known.all():
        truth |= classes([t for t in true if t is not None]).columns
    return Record(Ledger.join(parts), {}, {"truth": Frame(truth)} if given else {})


def counted(*records: Record) -> Labels:
    labels = Labels()
    for number, record in enumerate(records, -1):
        labels.add(number, record)
    return labels


def test_rows_of_a_round_are_counted_by_who_labelled_them():
    labels = counted(setup([0, 0, 1]), Record(), fed(1, [2, 2], [0, 1, 1], [0, 1, 2]))
    assert [(e.human, e.model, e.checked, e.wrong) for e in labels.rounds.values()] == [(3, 0, 0, 0), (2, 3, 3, 1)]
    by_class = labels.rounds[1].by_class
    assert {kind: counts.tolist() for kind, counts in by_class.items()} == {
        "human": [0, 0, 2], "given": [1, 2, 0], "given_checked": [1, 2, 0], "given_wrong": [0, 1, 0],
        "true": [1, 1, 1], "missed": [0, 0, 1],
    }  # fmt: skip
    assert labels.rounds[0].by_class["human"].tolist() == [2, 1, 0]


def test_labels_whose_truth_nobody_knows_are_no_mistakes():
    entered = counted(setup([0]), Record(), fed(1, [], [0, 1, 1], [None, 1, 0])).rounds[1]
    assert (entered.model, entered.checked, entered.wrong) == (3, 2, 1)
    assert entered.by_class["given_wrong"].tolist() == [0, 1, 0]
    assert "missed" not in entered.by_class


def test_shares_are_of_the_labels_that_could_be_checked():
    summed = _summed([Entered(4, 3, 2, 1.0), Entered(0, 1, 0, 0.0), Entered(0, 2, 2, 0.5)])
    assert (summed.human, summed.model, summed.checked, summed.wrong) == (4, 6, 4, 1.5)
    assert (summed.error, summed.model_share) == (0.375, 0.6)
    assert math.isnan(_summed([Entered(4, 3, 0, 0.0)]).error)


def of_classes(folder: Path, *records: Record) -> list[Cell]:
    """What a report says of the classes of one run with those steps, in the order of `NAMES`."""
    (folder / "experiment.toml").write_text("loop = {}\n")
    run = ReadOnce(folder, Manifest(sha256(b"loop = {}\n")))
    run.labels = counted(*records)
    measured = Measured(run, [{}] * len(run.labels.rounds), [], [])
    (told,) = provenance([Arm("", [measured])])
    return [next(each.models for each in told.classes if each.name == name) for name in NAMES]


def test_labels_are_wrong_as_a_share_of_those_whose_truth_is_known(tmp_path):
    cat, dog, owl = of_classes(tmp_path, setup([0, 1, 2]), Record(), fed(1, [], [0, 0, 0, 1], [0, None, 2, None]))
    assert (cat.given, cat.given_checked, cat.said_error) == (3, 2, 0.5)
    assert (dog.given, dog.given_checked) == (1, 0)
    assert math.isnan(dog.said_error)
    assert math.isnan(owl.said_error)
    assert (cat.true, cat.missed) == (None, None)


def test_the_truth_of_rounds_in_which_all_is_known_is_told(tmp_path):
    cat, _, owl = of_classes(tmp_path, setup([0, 1, 2]), Record(), fed(1, [], [0, 0], [0, 2]), fed(2, [], [0], [None]))
    assert (cat.given, cat.given_checked, cat.true, cat.missed) == (3, 2, 1, 0)
    assert (owl.true, owl.missed_share) == (1, 1.0)


def test_labels_that_are_wrong_in_part_count_in_part():
    record = fed(1, [], [0, 1], [0, 1])
    truth = record.frames["truth"]
    partly = Frame({**truth.columns, "error": Column(np.array([0.25, 0.5]))})
    entered = counted(setup([0]), Record(), Record(record.added, {}, {"truth": partly})).rounds[1]
    assert (entered.checked, entered.wrong) == (2, 0.75)


def test_inputs_that_generators_made_are_no_new_rows():
    made = Frame({"generation": Column(np.array([0, -1, 0], np.int64))})
    corpus = setup([0, 1, 2])
    mixed = Ledger.entry(np.arange(3), HUMAN, 0, classes([0, 1, 2]), inputs=made)
    labels = counted(corpus, Record(mixed))
    assert (labels.rounds[0].human, labels.rounds[0].inputs) == (3, 2)


def test_labels_that_are_no_classes_have_none():
    numbers = Frame({"target": Column(np.array([0.5, 0.7]), role="target", vocabulary="classes")})
    frames = vocabulary_frames({"classes": Column.text(NAMES)})
    labels = counted(Record(Ledger.entry(np.arange(2), HUMAN, 0, numbers), {}, frames))
    assert (labels.classes, labels.rounds[0].human, labels.rounds[0].by_class) == ((), 2, {})


def naive(run: Run) -> dict[int, Counter]:
    """Of every round, pairs (class said, class in truth) of what a model labelled; human labels under (class, None)."""
    tables: dict[int, Counter] = {}
    for number, step in enumerate(run.manifest.steps(), -1):
        record = run.read(step)
        pairs = tables.setdefault(max(number, 0), Counter())
        if record.added is None:
            continue
        truth = iter(record.frames["truth"]["target"].tolist() if "truth" in record.frames else [])
        for origin, said in zip(record.added.origin.tolist(), record.added.payload["target"].tolist(), strict=True):
            pairs[said, None if origin == HUMAN else next(truth)] += 1
    return tables


@pytest.fixture(scope="module")
def stored(before) -> Path:
    return before / "images" / "unbroken" / "seed-0"


def test_a_stored_run_has_the_counts_that_a_loop_over_its_rows_gives(stored):
    (told,) = provenance(arms(collect([stored]).runs))
    tables = naive(Run.open(stored))
    for number, pairs in tables.items():
        entered = told.rounds[number]
        assert entered.human == sum(n for (_, true), n in pairs.items() if true is None)
        assert entered.model == sum(n for (_, true), n in pairs.items() if true is not None)
        assert entered.wrong == sum(n for (said, true), n in pairs.items() if true not in {None, said})
        so_far = [each for round_number, each in told.rounds.items() if round_number <= number]
        assert told.totals[number].model == sum(each.model for each in so_far)
    assert any(entered.wrong for entered in told.rounds.values())
    names = Run.open(stored).read("setup").vocabularies()["classes"]
    assert [each.name for each in told.classes] == sorted(
        names, key=lambda name: -sum(n for t in tables.values() for (said, _), n in t.items() if names[said] == name)
    )
    for each in told.classes:
        number = names.index(each.name)
        every = sum(tables.values(), Counter())
        missed = sum(n for (said, true), n in every.items() if true == number != said)
        assert each.models.missed == missed
        assert each.models.given == sum(n for (said, true), n in every.items() if said == number and true is not None)
        assert sum(cell.given_wrong for cell in each.by_round.values()) == each.models.given_wrong


def test_the_page_shows_them(stored):
    made = gather([stored], Asked(Options(Path("data")), samples=0))
    parsed = Page(page(made).decode())
    told = made.studies[0].provenance[0]
    table = parsed.table("before round", "by humans", "of these wrong")
    assert table.column("by humans") == [str(entered.human) for entered in told.rounds.values()]
    last = table.rows[-1]
    assert last[table.head.index("of these wrong")] == f"{100 * told.rounds[2].wrong / 12:.1f} %"
    bars = [(bar["title"], bar["class"], bar["style"]) for bar in parsed.named("span") if "title" in bar]
    assert bars[-2:] == [("humans", "bar", "width:36.0%"), ("the model", "bar model", "width:54.0%")]  # 8 and 12 labels
    few = told.classes[:12]
    by_model = parsed.table("model of round")
    assert by_model.column("model of round") == ["0", "1"]  # which labelled for rounds 1 and 2
    assert [cell.rpartition("of ")[2] for cell in by_model.rows[1][1:]] == [str(each.by_round[2].given) for each in few]
    rows = [row for row in parsed.file("labels.csv") if row["class"] == "" and row["round"] == "2"]
    assert [(row["human"], row["model"]) for row in rows] == [("8", "12")]


def test_texts_are_neither_right_nor_wrong(before):
    made = gather([before / "language" / "unbroken"], Asked(Options(Path("data")), samples=0))
    (told,) = made.studies[0].provenance
    assert not told.judged
    assert told.rounds[2].model == 4
    assert "Labels are texts, neither right nor wrong." in page(made).decode()


def test_of_chains_of_generators_shares_of_strata_are_told(before):
    folder = before / "generators" / "unbroken" / "seed-0"
    made = gather([folder], Asked(Options(Path("data")), samples=0))
    (study,) = made.studies
    assert study.provenance == []
    (told,) = study.populations
    first, last = (next(Run.open(folder).summaries([number]))[1] for number in (0, 2))
    counts = [name for name in first if name.startswith("population.count.")]
    for name in counts:
        shares = tuple(m[name].value / sum(m[other].value for other in counts) for m in (first, last))
        assert told.strata[name.removeprefix("population.count.")] == pytest.approx(shares)
    setup = Run.open(folder).read("setup").evaluations["annotator"].metrics
    assert told.annotator == setup["accuracy"].value
    assert "so that there is no ledger of rows" in page(made).decode()
