"""An output that cannot be written is refused by its option and directory, before anything is computed."""

import errno
from pathlib import Path

import pytest

from biasloop.cli import outputs
from biasloop.errors import InvalidInput, StoreError
from biasloop.store import files

SHARES = ("evaluate", "shares", "p.csv", "--predicted", "p", "--task", "y", "--csv")


def refused(result):
    assert isinstance(result.exception, InvalidInput), result.output
    return str(result.exception)


def test_a_table_in_a_directory_that_is_not_there_is_refused_before_the_file_is_read(cli):
    said = refused(cli(*SHARES, "nodir/x.csv"))
    assert said == "--csv nodir/x.csv: there is no directory nodir; make it or choose another"


def test_an_evaluation_of_embeddings_refuses_its_table_first(cli):
    said = refused(cli("evaluate", "geode", "e.safetensors", "--annotations", "none.csv", "--csv", "nodir/x.csv"))
    assert said.startswith("--csv nodir/x.csv: there is no directory nodir;")


@pytest.mark.parametrize("option", ["--run", "--preset"])
def test_labels_and_texts_in_such_a_directory_are_refused_before_a_run_is_opened(cli, option):
    more = ("--input", "p.jsonl") if option == "--preset" else ()
    said = refused(cli("generate", option, "none", *more, "-o", "nodir/l.jsonl"))
    assert said == "--output nodir/l.jsonl: there is no directory nodir; make it or choose another"


def test_embeddings_in_such_a_directory_are_refused_by_the_name_that_was_typed(cli):
    words = ("--model", "m", "--images", "i", "--output", "nodir/e.safetensors")
    assert refused(cli("generate", "--embeddings", *words)).startswith("--output nodir/e.safetensors: there is no")


def test_a_directory_that_takes_no_files_is_named(cli):
    assert refused(cli(*SHARES, "/proc/x.csv")).startswith(
        "--csv /proc/x.csv: no file can be made in the directory /proc ("
    )
    for words in (("--run", "none", "-o", "/proc/l.csv"),
                  ("--embeddings", "--model", "m", "--images", "i", "-o", "/proc/em.safetensors")):  # fmt: skip
        assert refused(cli("generate", *words)).startswith(f"--output {words[-1]}: no file can be made in the")


def test_a_directory_to_make_is_refused_where_the_one_above_takes_no_files(cli):
    said = refused(cli("export", "none", "--output", "/proc/e/f"))
    assert said.startswith("--output /proc/e/f: no file can be made in the directory /proc (")
    Path("file").write_text("")
    assert refused(cli("export", "none", "--output", "file")) == "--output file: file is a file; name a directory"


def test_a_directory_in_place_of_a_file_is_refused(cli, workplace):
    assert refused(cli(*SHARES, "presets")) == "--csv presets: this is a directory; name a file in it"


def test_a_place_that_can_be_written_is_left_as_it_was(tmp_path):
    outputs.check_file("--csv", tmp_path / "x.csv")
    outputs.check_file("--csv", None)
    outputs.check_file("--csv", Path("/dev/null"))
    outputs.check_directory("--output", tmp_path / "a" / "b")
    assert not [*tmp_path.iterdir()]


def test_only_what_goes_on_is_said_to_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(files.os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(StoreError) as ended:
        files.write_output(tmp_path / "x.csv", b"12345")
    assert "x.csv could not be written (full; 5 bytes needed, " in str(ended.value)
    assert "goes on" not in str(ended.value)
    with pytest.raises(StoreError, match="the same command goes on from there"):
        files.write_atomically(tmp_path / "round-0000.h5", b"12345")
