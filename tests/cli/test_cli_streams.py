"""Closed and full streams, a working directory with hostile modules, and options that are given twice."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support import toy

from biasloop.cli.main import main
from biasloop.errors import InvalidInput
from biasloop.store.repair import verify

SOURCES = [toy.PROJECT, toy.PROJECT / "plugins"]  # of these very files, whatever is installed


@pytest.fixture
def shell(workplace, toy_metadata):
    """Run the program in a shell, with redirections."""

    def run(arguments: str, redirected: str = "") -> "subprocess.CompletedProcess[str]":
        line = f"{shlex.join(toy.command())} {arguments} {redirected}"
        environment = toy.environment([toy_metadata, *SOURCES])
        return subprocess.run(["sh", "-c", line], cwd=workplace, env=environment, capture_output=True, text=True,
                              timeout=120, check=False)  # fmt: skip

    return run


@pytest.mark.parametrize("redirected", [">&-", "2>&- <&-"])
def test_with_closed_streams_the_program_does_its_work(shell, redirected):
    ran = shell("presets show toy --json", redirected)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    if ">&-" not in redirected.split():
        assert json.loads(ran.stdout)["loop"]["human"] == 5


def test_a_run_with_closed_streams_is_whole(shell, workplace):
    ran = shell("loop -p toy --out out --json", ">&- 2>&- <&-")
    assert ran.returncode == 0
    assert sorted(path.name for path in Path("out/seed-0").glob("round-*")) == [f"round-000{n}.h5" for n in range(4)]
    assert verify(Path("out/seed-0")) == []


def test_a_refusal_with_closed_streams_ends_with_its_own_code(shell):
    assert shell("loop", ">&- 2>&-").returncode == 2


@pytest.mark.parametrize("arguments", ["--help", "bound --n0 9 --human 1 --model 4 --json"])
def test_a_full_disk_behind_stdout_is_a_sentence(shell, arguments):
    ran = shell(arguments, "> /dev/full")
    assert ran.returncode == 1
    assert ran.stderr.splitlines() == ["biasloop: standard output cannot be written: No space left on device"]


def test_a_full_disk_behind_stderr_changes_no_exit_code(shell):
    assert shell("loop -p tay", "2> /dev/full").returncode == 2


def test_modules_in_the_working_directory_are_not_imported(workplace, toy_metadata):
    hostile = "from pathlib import Path\nPath('imported').write_text(__name__)\nraise SystemExit(7)\n"
    for name in ("torch", "numpy", "typer", "json", "tomli", "pydantic", "h5py", "biasloop_toy", "rich", "tokenize"):
        (workplace / f"{name}.py").write_text(hostile)
    ran = toy.biasloop("loop", "-p", "toy", "--out", "out", cwd=workplace, paths=[toy_metadata, *SOURCES])
    assert not Path("imported").exists(), Path("imported").read_text()
    assert ran.returncode == 0, ran.stderr


def test_a_source_tree_as_working_directory_still_runs(tmp_path):
    environment = {**toy.environment(), "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(toy.command("--version"), cwd=toy.PROJECT, env=environment, capture_output=True, text=True,
                         timeout=60, check=False)  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("biasloop ")


# --- options that are given twice


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        ("loop -p toy --out a --output b", "--output"),
        ("loop -p toy --preset toy", "--preset"),
        ("loop -p toy --seeds 0 --seeds=1", "--seeds"),
        ("loop -p toy --device cpu --device cpu", "--device"),
        ("evaluate fairness f.csv --task y --task z --predicted p --attribute a --positive 1", "--task"),
        ("evaluate calibration f.csv --task y --predicted p --predicted q --confidence c", "--predicted"),
        ("evaluate shares f.csv --predicted p --json --predicted q", "--predicted"),
        ("bound --n0 9 --human 1 --human 2 --model 4", "--human"),
        ("plot a -o x.png --out y.png", "--output"),
        ("page -p toy --seed 1 --seed 2", "--seed"),
        ("export a --output x --output y", "--output"),
        ("generate --run a --run b -o x.csv", "--run"),
        ("fetch --data a --data b", "--data"),
        ("doctor --data a --data b", "--data"),
    ],
)
def test_an_option_that_is_given_twice_is_refused(cli, arguments, option):
    result = cli(*shlex.split(arguments))
    assert isinstance(result.exception, InvalidInput), result.output
    assert str(result.exception) == f"{option} is given 2 times; give it once"


def test_lists_and_flags_may_be_repeated(cli):
    result = cli("loop", "-p", "toy", "--set", "loop.human=6", "--set", "loop.model=9", "--grid", "domain.delta=0,0.1",
                 "--grid", "loop.start=50,60", "--dry-run", "--dry-run", "--json", "--json")  # fmt: skip
    assert result.exit_code == 0, result.exception
    assert len(json.loads(result.stdout)) == 4


def test_help_is_shown_whatever_else_is_given(cli):
    assert cli("loop", "--out", "a", "--out", "b", "--help").exit_code == 0


def test_a_file_name_that_is_no_utf8_is_printed_and_not_stumbled_over(workplace, monkeypatch, capfd):
    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["biasloop", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capfd.readouterr().err

    preset, out, missing = (os.fsdecode(name) for name in (b"pr\xff.toml", b"out\xff", b"no\xff.toml"))
    Path(preset).write_text(toy.PRESET)
    for arguments in (("presets", "show", preset), ("loop", "-p", preset, "--out", out), ("runs", "list", out),
                      ("runs", "show", f"{out}/seed-0"), ("loop", "-p", preset, "--out", out, "--json"),
                      ("runs", "list", out, "--json"), ("loop", "-p", preset, "--dry-run", "--json")):  # fmt: skip
        assert run(*arguments) == (0, ""), arguments
    code, err = run("loop", "-p", missing)
    assert code == 2
    assert "there is no preset file no" in err
    code, err = run("loop", "-p", preset, "--set", "domain.labels=\udcff")
    assert code == 2
    assert "not UTF-8" in err
