"""Running a program: placeholders, exit codes, what it says, time limits, and that nothing is left running."""

import signal
import time
from pathlib import Path

import pytest
from pydantic import ValidationError
from support.commands import alive, domain, settings, table

from biasloop.contract.context import Work
from biasloop.contract.domains import Demands
from biasloop.contract.randomness import Streams
from biasloop.errors import Interrupted, InvalidInput
from biasloop.feedback.work import RoundWork, Session
from biasloop_command import CommandDomain, programs
from biasloop_command.programs import Program, ProgramFailed, filled, run

WORK = Work(Streams((0,)))


def shell(text, seconds=None):
    return Program("train", ["sh", "-c", text, "sh", "{train}"], seconds)


def failed(program, work=WORK, train="rows") -> str:
    with pytest.raises(ProgramFailed) as error:
        run(program, {"train": train}, work)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- arguments


def test_placeholders_are_replaced_within_arguments_and_other_braces_stay():
    argv = ["awk", "--in={train}", "{{train}}", "{ print $1 }", "${HOME}x", "{}", "a{train}b{train}", "{{ x }}"]
    values = {"train": "/a b", "HOME": "kept out"}
    assert filled(argv[:4] + argv[5:], values) == [
        "awk", "--in=/a b", "{train}", "{ print $1 }", "{}", "a/a bb/a b", "{{ x }}",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train": ["sh", "{train}", "{model}", "{tset}"]}, "{tset} stands for nothing here"),
        ({"train": ["sh", "{train}", "{model}", "{output}"]}, "{output} stands for nothing here"),
        ({"train": ["sh", "{train}"]}, "no argument has {model}"),
        ({"predict": ["sh", "{model}", "{input}"]}, "no argument has {output}"),
        ({"predict": ["sh", "{{model}}", "{input}", "{output}"]}, "no argument has {model}"),
        ({"train": []}, "at least 1 item"),
        ({"train": "sh {train} {model}"}, "valid list"),
        ({"train": ["{model}/x", "{train}", "{model}"]}, "names the program"),
        ({"train": ["", "{train}", "{model}"]}, "names the program"),
        ({"train": ["sh", "\0", "{train}", "{model}"]}, "zero byte"),
        ({"test": None}, "`test` or `split` is needed"),
        ({"split": "part"}, "`split` says what each row is for"),
        ({"group": ["sex", "sex"]}, "'sex' is named twice"),
        ({"group": "class"}, "'class' is named twice"),
        ({"group": "a/b"}, "cannot have a '/'"),
        ({"classes": ["a", "b", "a"]}, "names a class twice"),
        ({"train_seconds": 0}, "greater than 0"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path, changes, words):
    with pytest.raises(ValidationError) as error:
        CommandDomain.Config.model_validate({**settings(tmp_path), **changes})
    assert words in str(error.value)


@pytest.mark.parametrize("key", ["train", "predict"])
@pytest.mark.parametrize(
    ("name", "words"),
    [("no-such-program-here", "no program 'no-such-program-here' on the PATH"), ("./gone", "./gone is not there"),
     ("./plain", "./plain cannot be executed (chmod +x)")],
)  # fmt: skip
def test_a_program_that_is_not_there_is_refused_before_anything_runs(tmp_path, monkeypatch, key, name, words):
    monkeypatch.chdir(tmp_path)
    table(tmp_path)
    Path("plain").write_text("x")
    known = settings(tmp_path)
    with pytest.raises(InvalidInput) as error:
        domain({**known, key: [name, *known[key][1:]]}).check(Demands())
    assert f"domain.{key}" in str(error.value)
    assert words in str(error.value)


def test_nothing_is_read_by_a_shell(tmp_path):
    target = tmp_path / "made"
    run(Program("train", ["printf", "%s", "$(touch {train}); `touch {train}` > {train}"]), {"train": str(target)}, WORK)
    assert not target.exists()


def test_it_runs_here_with_this_environment_and_no_input(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLOUR", "green")
    run(shell('pwd > here; echo "$COLOUR" >> here; cat >> here'), {"train": "x"}, WORK)
    assert Path("here").read_text().splitlines() == [str(tmp_path), "green"]


# --- how it ends


def test_an_exit_code_is_told_with_the_command_and_the_last_that_it_said():
    text = failed(shell("echo one >&2; echo; echo 'two\t\033[31m' >&2; echo three >&2; exit 7"))
    assert text.startswith("domain.train (sh -c ")
    assert "{train}) ended with exit code 7; it said last: one / two[31m / three" in text


def test_stdout_is_told_where_stderr_is_empty_and_silence_is_told():
    assert failed(shell("echo only this; exit 1")).endswith("exit code 1; it said last: only this")
    assert failed(shell("exit 1")).endswith("exit code 1; it said nothing")
    assert "signal 9 (SIGKILL)" in failed(shell("kill -9 $$"))


def test_much_that_is_said_neither_blocks_nor_fills_memory():
    text = failed(shell("i=0; while [ $i -lt 3000 ]; do echo $i-" + "x" * 200 + " >&2; i=$((i+1)); done; exit 2"))
    assert len(text) < 1000
    assert text.endswith("x" * 200)
    run(shell("head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2"), {"train": "x"}, WORK)


def test_what_is_no_text_is_told_as_far_as_it_is():
    assert "a\ufffdb" in failed(shell("printf 'a\\377b' >&2; exit 1"))


def test_a_file_that_is_no_program_cannot_be_started(tmp_path):
    (tmp_path / "odd").write_bytes(b"\x7fELFx")
    (tmp_path / "odd").chmod(0o755)
    assert "cannot be started" in failed(Program("train", [str(tmp_path / "odd"), "{train}"]))


# --- nothing is left running

FAMILY = "sleep 60 & echo $! > $1; echo $$ >> $1; sleep 60"


def ended(place) -> bool:
    numbers = [int(line) for line in place.read_text().split()]
    until = time.monotonic() + 3
    while any(alive(number) for number in numbers) and time.monotonic() < until:
        time.sleep(0.01)
    return len(numbers) == 2 and not any(alive(number) for number in numbers)


def test_a_time_limit_ends_it_and_what_it_started(tmp_path):
    begun = time.monotonic()
    text = failed(shell(f"echo slow >&2; {FAMILY}", seconds=0.3), train=str(tmp_path / "pids"))
    assert time.monotonic() - begun < 3
    assert "was ended after 0.3 seconds; domain.train_seconds is its limit; it said last: slow" in text
    assert ended(tmp_path / "pids")


def test_one_that_does_not_listen_is_forced(tmp_path, monkeypatch):
    monkeypatch.setattr(programs, "_GRACE", 0.2)
    failed(shell(f"trap '' TERM; {FAMILY}; sleep 60", seconds=0.2), train=str(tmp_path / "pids"))
    assert ended(tmp_path / "pids")


def test_a_request_to_stop_ends_it(tmp_path):
    begun = time.monotonic()
    steps = []
    session = Session(
        stopping=lambda: time.monotonic() - begun > 0.3, on_step=lambda *step: steps.append(step), interval=1e9
    )
    with pytest.raises(Interrupted):
        run(shell(FAMILY), {"train": str(tmp_path / "pids")}, RoundWork(Streams((0,)), session, "fit"))
    assert time.monotonic() - begun < 3
    assert ended(tmp_path / "pids")
    assert set(steps) == {("fit", 0, 1)}


def test_any_other_end_ends_it_too(tmp_path):
    class Breaks(Work):
        def tick(self, done, total, state=None):
            if (tmp_path / "pids").exists() and len((tmp_path / "pids").read_text().split()) == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(shell(FAMILY), {"train": str(tmp_path / "pids")}, Breaks(Streams((0,))))
    assert ended(tmp_path / "pids")


def test_what_it_leaves_behind_is_ended(tmp_path):
    """The program ends well while something that it started still holds its stdout."""
    begun = time.monotonic()
    run(shell("sleep 60 & echo $! > $1; echo $$ >> $1"), {"train": str(tmp_path / "pids")}, WORK)
    assert time.monotonic() - begun < 3
    assert ended(tmp_path / "pids")


def test_what_went_into_a_session_of_its_own_is_ended_too(tmp_path):
    """By a double fork, as daemons do."""
    program = shell(
        "(setsid sh -c 'echo $$ > $1; sleep 60' sh $1 &); until [ -s $1 ]; do sleep 0.01; done; echo $$ >> $1"
    )
    run(program, {"train": str(tmp_path / "pids")}, WORK)
    assert ended(tmp_path / "pids")


def test_a_check_that_fails_ends_it(tmp_path):
    def check():
        if (tmp_path / "pids").exists() and len((tmp_path / "pids").read_text().split()) == 2:
            raise ProgramFailed("too much")

    with pytest.raises(ProgramFailed, match="too much"):
        run(shell(FAMILY), {"train": str(tmp_path / "pids")}, WORK, check=check)
    assert ended(tmp_path / "pids")


def test_an_error_of_whoever_watches_is_not_the_programs(tmp_path):
    class Full(Work):
        def tick(self, done, total, state=None):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        run(shell("sleep 60"), {"train": "x"}, Full(Streams((0,))))


def test_its_signals_and_descriptors_are_those_of_any_program(tmp_path):
    run(shell("grep SigIgn /proc/self/status > $1; ls /proc/self/fd >> $1"), {"train": str(tmp_path / "x")}, WORK)
    _, ignored, *descriptors = (tmp_path / "x").read_text().split()
    assert not int(ignored, 16) & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1)
    assert descriptors == ["0", "1", "2", "3"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    assert "no temporary folder could be made for it in" in failed(shell("true"))


def test_one_for_which_there_was_not_enough_memory_is_told_as_a_possibility():
    for text in ("kill -9 $$", "exit 137"):
        assert "as the system does to a program for which there is not enough memory" in failed(shell(text))


def test_arguments_that_a_terminal_would_obey_are_escaped():
    text = failed(Program("train", ["sh", "-c", "exit 1", "\x1b[2J\u202e", "{train}"]))
    assert text.isprintable()
    assert r"\x1b[2J\u202e" in text


def test_one_that_closes_its_ends_at_once_is_still_waited_for(tmp_path):
    run(shell("exec >&- 2>&-; sleep 0.3; echo done > $1"), {"train": str(tmp_path / "late")}, WORK)
    assert (tmp_path / "late").read_text() == "done\n"
