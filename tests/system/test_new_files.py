import os

import pytest

from biasloop.system.new_files import beside, discard_strange, open_own


def test_names_beside_a_path_are_never_the_same(tmp_path):
    names = {beside(tmp_path / "x.png", ".tmp-").name for _ in range(100)}
    assert len(names) == 100
    assert all(name.startswith(".tmp-x.png.") for name in names)


def test_what_a_link_or_a_second_name_leads_to_stays_and_the_name_is_free(tmp_path):
    target = tmp_path / "mine.txt"
    target.write_text("mine")
    (tmp_path / "link").symlink_to(target)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    os.link(target, tmp_path / "second")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    for name in ("link", "dangling", "second", "pipe", "folder", "nothing"):
        discard_strange(tmp_path / name)
        assert not os.path.lexists(tmp_path / name)
    assert target.read_text() == "mine"


def test_what_is_ours_stays(tmp_path):
    (tmp_path / "part").write_text("half")
    (tmp_path / "folder").mkdir()
    discard_strange(tmp_path / "part")
    discard_strange(tmp_path / "folder", directory=True)
    assert (tmp_path / "part").read_text() == "half"
    assert (tmp_path / "folder").is_dir()


def test_a_link_is_not_opened_and_a_new_file_has_to_be_new(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "mine.txt")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("link", "dangling"):
        with pytest.raises(OSError, match="symbolic link"):
            open_own(tmp_path / name)
        with pytest.raises(FileExistsError):
            open_own(tmp_path / name, new=True)
    with pytest.raises(FileExistsError):
        open_own(tmp_path / "mine.txt", new=True)
    os.close(open_own(tmp_path / "new.txt", new=True))
    assert not (tmp_path / "nowhere").exists()
