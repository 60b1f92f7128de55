"""`export --format parquet`: the documented columns, the numbers of the CSV export and of the store, and what
`evaluate` makes of the files."""

import json
import math
import re
from pathlib import Path

import polars as pl
import pytest
from support import toy
from support.studies import Recorder, planned_toys

from biasloop.contract.data import Column, Frame
from biasloop.contract.names import MAIN
from biasloop.errors import InvalidInput
from biasloop.predictions.stored import of_run
from biasloop.records.ledger import HUMAN, PREPARED, Ledger
from biasloop.report.tables.parquet import _ledger_part, _tables, export_parquet, file_names
from biasloop.running.engine import Options
from biasloop.running.executors import InProcess
from biasloop.store.manifest import SETUP, round_name
from biasloop.store.reader import Run

PAGE = (toy.PROJECT / "docs" / "export.md").read_text()
ABOUT = ["run", "preset", "arm", "seed"]
TYPES = {"string": pl.String, "int64": pl.Int64, "float64": pl.Float64}


@pytest.fixture(scope="module")
def study(tmp_path_factory, toy_metadata) -> Path:
    """Two arms of two seeds of the toy."""
    place = tmp_path_factory.mktemp("study")
    (place / "presets").mkdir()
    (place / "presets" / "toy.toml").write_text(toy.PRESET)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.syspath_prepend(toy_metadata)
        options = Options(place / "data", interval=1e9)
        InProcess().run(planned_toys([0, 1], place / "toy", options, loop__human=[5, 25]), options, Recorder())
    return place / "toy"


def documented(title: str) -> dict[str, object]:
    """Columns and types of a table of the page."""
    section = PAGE[PAGE.index(title) :].split("\n\n")[1]
    cells = (line.strip("| ").split(" | ") for line in section.splitlines()[2:])
    return {name: TYPES.get(kind) for names, kind, *_ in cells for name in re.findall(r"`([\w.]+)`", names)}


def exported(cli, *typed: str) -> Path:
    result = cli("export", *typed, "--format", "parquet", "-o", "tables")
    assert result.exit_code == 0, result.exception
    return Path("tables")


def test_columns_and_types_are_those_of_the_page(cli, study):
    tables = exported(cli, str(study))
    begin = documented("Every table begins with")
    for file, title in (("metrics.parquet", "`metrics.parquet`, a"), ("runs.parquet", "`runs.parquet`, a")):
        assert dict(pl.read_parquet(tables / file).schema) == begin | documented(title), file
    for folder, title in (("ledger", "`ledger/RUN"), ("samples/test", "`samples/TABLE/RUN")):
        files = sorted((tables / folder).iterdir())
        assert len(files) == 4
        for file in files:
            schema = dict(pl.read_parquet(file).schema)
            told = {name: kind for name, kind in (begin | documented(title)).items() if kind is not None}
            told = {name: kind for name, kind in told.items() if not name.startswith("input.")}
            assert {name: schema[name] for name in told} == told, folder
            assert list(schema)[: len(begin)] == ABOUT
    assert set(schema) > {*told, "prediction"}
    assert len(pl.read_parquet(tables / "ledger" / "*.parquet")["run"].unique()) == 4


def test_metrics_are_those_of_the_csv_export(cli, study):
    tables = exported(cli, str(study))
    assert cli("export", str(study), "-o", "tables").exit_code == 0
    columns = ["run", "seed", "round", "metric", "value", "n", "se"]
    csv, parquet = pl.read_csv(tables / "metrics.csv"), pl.read_parquet(tables / "metrics.parquet")
    assert csv.select(columns).equals(parquet.select(columns))
    assert len(csv) == len(parquet) > 20
    assert parquet["arm"].unique().sort().to_list() == ["20 % human", "55.56 % human"]


def test_settings_are_the_runs(cli, study):
    rows = pl.read_parquet(exported(cli, str(study)) / "runs.parquet").to_dicts()
    assert [(row["seed"], json.loads(row["settings"])["loop.human"], row["rounds"]) for row in rows] == [
        (0, 5, 4), (1, 5, 4), (0, 25, 4), (1, 25, 4),
    ]  # fmt: skip
    assert {(row["domain"], row["rule"], row["preset"]) for row in rows} == {("toy", "accumulate", "toy")}


def test_a_ledger_is_all_that_rounds_added(cli, study):
    directory = study / "loop.human=5" / "seed-1"
    frame = pl.read_parquet(next((exported(cli, str(directory)) / "ledger").iterdir()))
    run = Run.open(directory)
    added = [run.read(step).added for step in run.manifest.steps()]
    ledger = Ledger.join([part for part in added if part is not None])
    assert frame["id"].to_list() == ledger.ids.tolist()
    assert frame["round"].to_list() == ledger.since.tolist()
    origin = [row["model_round"] if row["labelled_by"] == "model" else HUMAN for row in frame.to_dicts()]
    assert origin == ledger.origin.tolist()
    assert len(set(origin)) > 2


def test_who_labelled_and_what_is_known_of_it():
    import numpy as np

    ids, origin = np.array([3, 1, 2]), np.array([HUMAN, PREPARED, 4], np.int32)
    payload = Frame({"label": Column(np.array([1, 0, 1]), vocabulary="classes")})
    inputs = Frame({"shard": Column(np.array([-1, 0, 7]))})
    ledger = Ledger(ids, origin, np.array([0, 0, 5], np.int32), payload, np.array([1.0, 0.5, 0.0]),
                    np.array([0.25, math.nan, 1.0]), inputs)  # fmt: skip
    assert _ledger_part(ledger, {"classes": ["no", "yes"]}).to_dicts() == [
        {"id": 3, "round": 0, "labelled_by": "human", "model_round": None, "weight": 1.0, "propensity": 0.25,
         "input.shard": -1, "label.label": "yes"},
        {"id": 1, "round": 0, "labelled_by": "prepared", "model_round": None, "weight": 0.5, "propensity": None,
         "input.shard": 0, "label.label": "no"},
        {"id": 2, "round": 5, "labelled_by": "model", "model_round": 4, "weight": 0.0, "propensity": 1.0,
         "input.shard": 7, "label.label": "yes"},
    ]  # fmt: skip
    plain = _ledger_part(Ledger(ids, origin, ids.astype(np.int32), payload), {})
    assert plain["weight"].to_list() == [1.0] * 3
    assert plain["propensity"].null_count() == 3


def test_samples_are_what_evaluate_reads_of_the_store(cli, tiny_run):
    tables = exported(cli, str(tiny_run))
    frame = pl.read_parquet(next((tables / "samples" / "test").iterdir()))
    run = Run.open(tiny_run)
    untouched = run.read(SETUP).evaluations.get("pretrained")
    assert frame["round"].unique().sort().to_list() == [*([-1] if untouched else []), *run.rounds]
    for number in run.rounds:
        own = frame.filter(pl.col("round") == number).drop([*ABOUT, "round"])
        assert own.equals(of_run(tiny_run, number, "").select(own.columns))


def test_a_file_of_one_round_is_evaluated_as_the_run_is(cli, tiny_run):
    tables = exported(cli, str(tiny_run), "--round", "1")
    (file,) = (tables / "samples" / "test").iterdir()
    columns = ["--task", "target", "--predicted", "prediction", "--confidence", "confidence", "--json"]
    by_file = cli("evaluate", "calibration", str(file), *columns)
    by_run = cli("evaluate", "calibration", str(tiny_run), "--round", "1", *columns)
    assert by_file.exit_code == 0, by_file.exception
    told, stored = json.loads(by_file.stdout), json.loads(by_run.stdout)
    assert told.keys() == stored.keys()
    assert told == stored


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["--round", "9"], "none of these runs has a round 9"),
        (["-o", "here.parquet"], "names one file, and this format has several"),
    ],
)
def test_what_cannot_be_written_is_refused(cli, study, typed, words):
    result = cli("export", str(study), "--format", "parquet", *typed)
    assert isinstance(result.exception, InvalidInput)
    assert words in str(result.exception)


@pytest.mark.parametrize(
    ("directories", "names"),
    [
        (["runs/toy/seed-3"], ["seed-3"]),
        (["toy/a=1/seed-0", "toy/a=2/seed-0"], ["a=1_seed-0", "a=2_seed-0"]),
        (["toy/seed-0", "toy/seed-1", "other/seed-0"], ["toy_seed-0", "toy_seed-1", "other_seed-0"]),
        (["x/a_b/c", "x/a/b_c", "x/a/b/c"], ["a_b_c", "a_b_c-2", "a_b_c-3"]),
    ],
)
def test_a_file_is_called_as_its_run_is(directories, names):
    assert file_names([Path(directory) for directory in directories]) == names


def test_nothing_is_replaced_unless_it_is_said(cli, study):
    exported(cli, str(study))
    again = cli("export", str(study), "--format", "parquet", "-o", "tables")
    assert isinstance(again.exception, InvalidInput)
    assert "tables/metrics.parquet is there already; give --force" in str(again.exception)
    before = Path("tables/metrics.parquet").read_bytes()
    again = cli("export", str(study), "--format", "parquet", "-o", "tables", "--force")
    assert (again.exit_code, "earlier export" in again.stderr) == (0, False)
    other = Path("tables/ledger/other_seed-9.parquet")
    other.write_bytes(b"")
    again = cli("export", str(study), "--format", "parquet", "-o", "tables", "--force")
    assert f"1 file beside them, such as {other}, are of an earlier export" in again.stderr
    assert other.exists()
    assert Path("tables/metrics.parquet").read_bytes() == before


@pytest.mark.parametrize("name", ["metrics.parquet", "runs.parquet", "ledger", "samples"])
def test_any_part_of_an_earlier_export_is_in_the_way(workplace, study, name):
    Path("tables", name).mkdir(parents=True)
    with pytest.raises(InvalidInput, match=f"tables/{name} is there already; give --force"):
        export_parquet([Run.open(study / "loop.human=5" / "seed-0")], Path("tables"), force=False)


@pytest.mark.parametrize(("number", "steps"), [(None, [-1, 0, 1]), (-1, [-1]), (1, [1])])
def test_the_untouched_model_has_rows_unless_another_round_is_meant(study, number, steps):
    run = Run.open(study / "loop.human=5" / "seed-0")
    untouched = run.read(round_name(0)).evaluations[MAIN]
    assert [step for step, _ in _tables(run, untouched, number) if step < 2] == steps
    assert not [step for step, _ in _tables(run, None, number) if step < 0]
