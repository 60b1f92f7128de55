"""What programs of the domain "command" may leave: how much, and nothing but files."""

import time

import numpy as np
import pytest
from support.commands import PREDICT, TRAIN, domain, settings, table

from biasloop.contract.context import Work
from biasloop.contract.data import Samples
from biasloop.contract.randomness import Streams
from biasloop_command.programs import ProgramFailed

WORK = Work(Streams((0, 0, "fit")))


def refused(place, *, train=TRAIN, predict=PREDICT, **changes) -> str:
    """What is said of programs that leave what they should not."""
    table(place)
    made = domain(settings(place, train=train, predict=predict, **changes))
    ids = made.splits().pool[:4]
    with pytest.raises(ProgramFailed) as error:
        made.predict(made.fit(Samples(ids, np.zeros(4, np.bool_), made.human_labels(ids)), WORK), WORK)
    assert str(error.value).isprintable()
    return str(error.value)


@pytest.mark.parametrize(
    ("predict", "words"),
    [
        ('ln -s /etc/passwd "$3"\n', "left a link as {output} (output.csv)"),
        ('ln -s nowhere "$3"\n', "left a link as {output}"),
        ('mkfifo "$3"\n', "left a pipe as {output}"),
        ('mkdir "$3"\n', "left a directory as {output}"),
        ("python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(\"output.csv\")'\n".replace(
            "python3", 'cd "$(dirname "$3")" && python3'), "left a socket as {output}"),
        ('head -c 1000001 /dev/zero > "$3"\n', "wrote 1.0 MB to {output} (output.csv), and domain.output_megabytes"),
    ],
)  # fmt: skip
def test_an_output_that_is_no_file_or_too_large_is_refused(tmp_path, predict, words):
    assert words in refused(tmp_path, predict=predict, output_megabytes=1)


ENDLESSLY = "while :; do head -c 300000 /dev/zero >> {}; sleep 0.05; done\n"


def test_one_that_writes_far_too_much_is_ended_while_it_does(tmp_path):
    begun = time.monotonic()
    text = refused(tmp_path, predict=ENDLESSLY.format('"$3"'), output_megabytes=1)
    assert "domain.output_megabytes allows 1" in text
    text = refused(tmp_path, train=ENDLESSLY.format('"$2/model"'), model_megabytes=1)
    assert "domain.model_megabytes allows 1" in text
    assert time.monotonic() - begun < 20


def test_a_model_folder_that_became_a_link_is_refused(tmp_path):
    assert "or a link in its stead" in refused(tmp_path, train='rmdir "$2"; ln -s /etc "$2"\n')


def test_names_that_a_terminal_would_obey_are_escaped(tmp_path):
    text = refused(tmp_path, train='ln -s x "$2/$(printf "\\033[2Jx")"\n')
    assert r"left \x1b[2Jx in {model}, which is a link" in text


def test_a_folder_that_cannot_be_listed_is_removed_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    refused(tmp_path, train='mkdir -p "$2/a/b"; : > "$2/a/b/c"; chmod 0 "$2/a/b" "$2/a"; exit 3\n')
    assert not list((tmp_path / "temporary").iterdir())


def test_a_folder_that_became_a_link_is_removed_and_what_it_leads_to_is_untouched(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    for name in ("temporary", "precious", "precious/inside"):
        (tmp_path / name).mkdir()
    (tmp_path / "precious" / "inside").chmod(0o500)
    refused(tmp_path, train=f'f=$(dirname "$2"); rm -r "$f"; ln -s {tmp_path}/precious "$f"; exit 3\n')
    assert not list((tmp_path / "temporary").iterdir())
    assert (tmp_path / "precious" / "inside").stat().st_mode & 0o777 == 0o500
