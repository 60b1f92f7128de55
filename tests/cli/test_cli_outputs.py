"""An output that cannot be written is refused by its option and directory, before anything is computed."""

import errno
import re
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
    outputs.check_file("--csv", tmp_path / "x.csv", force=False)
    outputs.check_file("--csv", None, force=False)
    outputs.check_file("--csv", Path("/dev/null"), force=False)
    outputs.check_figure("--output", tmp_path / "deep" / "x.png", force=False)
    outputs.check_directory("--output", tmp_path / "a" / "b")
    assert not [*tmp_path.iterdir()]


TABLE = "y,p\na,a\nb,b\nb,a\n"
REPLACING = {
    "labels.csv": ("generate", "--run", "runs/toy/seed-0", "--output", "labels.csv"),
    "drawn.png": ("plot", "runs/toy", "--output", "drawn.png"),
    "runs/toy.png": ("plot", "runs/toy"),
    "t.csv": ("evaluate", "shares", "p.csv", "--predicted", "p", "--task", "y", "--csv", "t.csv"),
    "t.png": ("evaluate", "shares", "p.csv", "--predicted", "p", "--task", "y", "--plot", "t.png"),
}


@pytest.mark.parametrize("name", REPLACING)
def test_a_file_that_is_there_is_replaced_with_force_only(cli, name):
    cli("loop", "-p", "toy", "--set", "loop.rounds=1", "-o", "runs/toy")
    Path("p.csv").write_text(TABLE)
    Path(name).write_text("before")
    option = next((word for word in REPLACING[name] if word in ("--csv", "--plot")), "--output")
    said = refused(cli(*REPLACING[name]))
    assert said == f"{option} {name}: this file is there already; --force replaces it, or choose another"
    assert Path(name).read_text() == "before"
    result = cli(*REPLACING[name], "--force")
    assert result.exit_code == 0, result.exception
    assert Path(name).read_bytes() != b"before"


@pytest.mark.parametrize(
    "words",
    [("page", "-p", "toy", "-o", "x.png"), ("evaluate", "geode", "e", "--annotations", "a", "-o", "x.png"),
     ("generate", "--preset", "toy", "--input", "i.jsonl", "-o", "x.png.jsonl"),
     ("generate", "--embeddings", "--model", "m", "--images", "i", "-o", "x.png.safetensors")],
)  # fmt: skip
def test_such_a_file_is_refused_before_anything_is_read(cli, words):
    Path(words[-1]).write_text("before")
    assert refused(cli(*words)).endswith(f"{words[-1]}: this file is there already; --force replaces it, or choose "
                                         "another")  # fmt: skip


def test_the_former_name_of_output_is_taken_and_in_no_help(cli):
    for words in (("--out", "a"), ("--out=b",), ("-o", "c"), ("--output=d",)):
        assert cli("loop", "-p", "toy", "--set", "loop.rounds=1", *words).exit_code == 0
    assert sorted(path.name for path in Path().iterdir()) == ["a", "b", "c", "d", "presets"]
    for command in ("loop", "plot", "page", "export", "generate"):
        assert not re.search(r"--out\b", cli(command, "--help").stdout)
    unknown = cli("runs", "list", "--out", "x")
    assert unknown.exit_code == 2
    assert "--out" in unknown.stderr


def test_what_follows_the_end_of_options_is_no_option(cli):
    assert "there is no run at --out" in refused(cli("plot", "-o", "x.png", "--", "--out"))


def test_only_what_goes_on_is_said_to_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(files.os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(StoreError) as ended:
        files.write_output(tmp_path / "x.csv", b"12345")
    assert "x.csv could not be written (full; 5 bytes needed, " in str(ended.value)
    assert "goes on" not in str(ended.value)
    with pytest.raises(StoreError, match="the same command goes on from there"):
        files.write_atomically(tmp_path / "round-0000.h5", b"12345")
