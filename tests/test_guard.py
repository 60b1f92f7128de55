"""The guard of `tests/support/guard` gives the same twice, and notices what changes a stored number."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
from support import toy
from support.guard.digest import digest_of_array, lines_of, total_of
from support.guard.experiments import EXPERIMENTS
from support.guard.mutants import MUTANTS, planted


@pytest.fixture
def stored(tmp_path):
    """A file with an array, and a way to write it otherwise; gives lines."""

    def write(values=(1.0, 2.0), dtype="<f8", name="loss", role=b"score"):
        with h5py.File(tmp_path / "round-0000.h5", "w") as file:
            item = file.create_group("table").create_dataset(name, data=np.array(values, dtype))
            item.attrs["role"] = np.bytes_(role)
        (tmp_path / "manifest.json").write_text(str(np.random.default_rng().random()))
        return lines_of(tmp_path)

    return write


def test_the_same_arrays_have_the_same_lines_whatever_the_manifest_says(stored):
    lines = stored()
    assert lines == stored()
    assert [line.split(" ", 1)[1] for line in lines] == [
        "<f8 2 round-0000.h5/table/loss",
        "|S5 () round-0000.h5/table/loss@role",
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"values": (1.0, np.nextafter(2.0, 3.0))},
        {"values": (-0.0, 2.0)},
        {"values": ((1.0, 2.0),)},
        {"dtype": "<f4"},
        {"dtype": ">f8"},
        {"name": "losses"},
        {"role": b"target"},
    ],
)
def test_another_bit_dtype_shape_name_or_attribute_is_another_digest(stored, change):
    assert total_of(stored()) != total_of(stored(**change))


def test_arrays_of_the_same_bytes_differ_by_what_they_are_bytes_of():
    zeros = [np.zeros(8, "<i4"), np.zeros(4, "<i8"), np.zeros((4, 2), "<i4"), np.zeros(4, "<f8")]
    assert len({digest_of_array("x", values) for values in zeros}) == len(zeros)


def test_names_of_experiments_and_mutants_are_different_and_known():
    experiments = [experiment.name for experiment in EXPERIMENTS]
    assert len(set(experiments)) == len(experiments)
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 10
    assert {name for mutant in MUTANTS for name in mutant.noticed_by} <= set(experiments)


def test_every_mutant_is_in_its_file_exactly_once():
    counts = {mutant.name: (toy.PROJECT / mutant.file).read_text().count(mutant.old) for mutant in MUTANTS}
    assert counts == dict.fromkeys(counts, 1)


def test_a_mutant_whose_text_is_gone_is_refused(tmp_path):
    for part in ("biasloop", "plugins", "tests/toy_plugin"):
        (tmp_path / "tree" / part).mkdir(parents=True)
    with pytest.raises(ValueError, match="is 0 times in"):
        planted(MUTANTS[0], tmp_path / "tree", tmp_path / "copy")


def guard(*words, module="support.guard"):
    command = [sys.executable, "-m", module, *words]
    return subprocess.run(command, cwd=toy.TESTS, capture_output=True, text=True, timeout=280, check=False)


def test_two_runs_of_an_experiment_have_the_same_lines_and_another_experiment_has_others(cli, workplace):
    def lines(name, *words):
        assert cli("loop", "-p", "toy", "--keep-models", "--out", name, *words).exit_code == 0
        return lines_of(workplace / name / "seed-0")

    first = lines("first", "--set", "domain.labels=bits")
    assert len(first) > 100
    assert first == lines("second", "--set", "domain.labels=bits")
    assert first != lines("third", "--set", "domain.labels=bits", "--set", "domain.delta=0.06")


def test_the_guard_writes_a_line_for_each_experiment_and_for_each_array():
    said = guard("--only", "toy-shares", "--arrays")
    assert said.returncode == 0, said.stderr
    total, *arrays = [line.removeprefix("toy-shares ") for line in said.stdout.splitlines()]
    assert total == total_of(arrays)
    assert any(line.endswith("seed-0/model-0002.h5/models/model/share") for line in arrays)


def test_a_tree_that_fails_is_told_and_is_no_success(tmp_path):
    said = guard("--only", "toy-shares", "--source", str(tmp_path))
    assert said.returncode != 0
    assert "toy-shares failed" in said.stderr


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_fault_in_a_fit_is_noticed(mutant):
    said = guard("--only", mutant.name, module="support.guard.mutants")
    assert said.returncode == 0, said.stderr
