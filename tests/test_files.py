"""Files that appear whole or not at all."""

import errno
import os
import stat

import pytest

from knownot.files import whole_file


def _write_half(file, error):
    file.write("half")
    raise error


def test_whole_file_leaves_the_old_one_whatever_is_raised(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    for error in (ValueError("no"), KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")):
        with pytest.raises(type(error)), whole_file(path, "w") as file:
            _write_half(file, error)
        assert path.read_text() == "old"
        assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_whole_file_names_the_file_in_errors(tmp_path):
    with pytest.raises(OSError, match=r"a\.txt") as found, whole_file(tmp_path / "a.txt", "w"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert found.value.errno == errno.ENOSPC
    with pytest.raises(FileNotFoundError, match=r"nowhere/a\.txt"), whole_file(tmp_path / "nowhere" / "a.txt"):
        pass


def test_whole_file_writes_through_links_and_keeps_permissions(tmp_path):
    path, link = tmp_path / "a.txt", tmp_path / "link.txt"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)
    with whole_file(link, "w") as file:
        file.write("new")
    assert link.is_symlink()
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_whole_file_gives_new_files_the_usual_permissions(tmp_path):
    umask = os.umask(0o027)
    try:
        with whole_file(tmp_path / "a.txt", "w"):
            pass
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_whole_file_writes_into_pipes_directly(tmp_path):
    read, write = os.pipe()
    with whole_file(f"/dev/fd/{write}", "wb") as file:
        file.write(b"through")
    os.close(write)
    assert os.read(read, 100) == b"through"
    os.close(read)


def test_whole_file_is_not_seen_before_it_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    with whole_file(path, "w", encoding="utf-8") as file:
        file.write("é")
        assert not path.exists()
    assert path.read_text(encoding="utf-8") == "é"
