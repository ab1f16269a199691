"""Action units of faces: files as the authors of DISFA and FERA2015 lay them out, written here."""

import numpy as np
import pytest
from PIL import Image

from knownot.data import load_action_units, read_disfa, read_fera2015, read_images


def frame(path, grey=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), grey).save(path)


@pytest.fixture
def disfa(tmp_path):
    """Two subjects of three frames; the last of the second has no label, and AU2 of the first is not coded."""
    root = tmp_path / "DISFA"
    for subject, units in (("SN002", {1: (0, 2, 5)}), ("SN001", {1: (1, 3, 0), 2: (0, 1, 2)})):
        labels = root / "ActionUnit_Labels" / subject
        labels.mkdir(parents=True)
        for unit, values in units.items():
            lines = [f"{i},{value}" for i, value in enumerate(values, 1)]
            (labels / f"{subject}_au{unit}.txt").write_text("\r\n".join(lines) + "\r\n")
        for number in (1, 2, 10) if subject == "SN002" else (3, 1, 2):
            frame(root / "Frames" / subject / f"left-{number}.png", number)
    return root


@pytest.fixture
def fera(tmp_path):
    root = tmp_path / "FERA2015"
    (root / "AUCoding").mkdir(parents=True)
    (root / "AUCoding" / "F001_T1.csv").write_text("Frame,1,AU06,12\n7,0,2,9\n8,0,1,5\n9,0,4,0\n")
    (root / "AUCoding" / "M003_T8.csv").write_text("0,1,6,12\n1,0,0,0\n")
    for name in ("F001_T1/0007.jpg", "F001_T1/0008.jpg", "M003_T8/1.jpg"):
        frame(root / "Frames" / name)
    return root


def test_disfa_is_read_by_subject_and_number(disfa):
    found = read_disfa(disfa, (1, 2))
    assert found.subjects.tolist() == ["SN001"] * 3 + ["SN002"] * 3
    nan = np.nan
    expected = [[0, 0], [1, 0], [0, 1], [0, nan], [1, nan], [nan, nan]]
    np.testing.assert_array_equal(found.labels, np.array(expected, np.float32))
    assert found.label_names == ("AU1", "AU2")
    assert read_images(found.paths).x[:, 0, 0, 0].tolist() == [1, 2, 3, 1, 2, 10]
    assert found.note == "3 of 6 frames lack a label, 1 all of them; 1 labelled frames have no image"
    part = found.select(found.subjects == "SN002")
    assert (len(part), part.paths, part.labels.shape) == (3, found.paths[3:], (3, 2))


def test_fera2015_is_read_by_sequence_and_number(fera):
    found = read_fera2015(fera, (6, 12))
    assert found.subjects.tolist() == ["F001", "F001", "M003"]
    np.testing.assert_array_equal(found.labels, np.array([[1, np.nan], [0, 1], [0, 0]], np.float32))
    assert found.note == "1 of 3 frames lack a label, 0 all of them; 1 labelled frames have no image"


def test_sets_are_looked_for_in_the_folder_of_data_sets(disfa, monkeypatch):
    assert load_action_units("disfa", folder=disfa.parent).label_names[-1] == "AU26"
    with pytest.raises(
        ValueError, match=r"'fera2015' is not in .*: its authors license it, so ask them, put FERA2015/AU"
    ):
        load_action_units("fera2015", folder=disfa.parent)
    monkeypatch.delenv("KNOWNOT_DATA", raising=False)
    with pytest.raises(ValueError, match="the environment variable KNOWNOT_DATA is not set"):
        load_action_units("disfa")
    with pytest.raises(ValueError, match="no action units named 'bp4d': use one of disfa, fera2015"):
        load_action_units("bp4d")


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("ActionUnit_Labels/SN001/SN001_au1.txt", "1,0\n2;0\n", "holds '2;0' in line 2: its lines should be"),
        ("Frames/SN001/a.png", None, r"a\.png has no number"),
        ("Frames/SN001/001.png", None, r"left-1\.png has the number of 001\.png"),
    ],
)
def test_disfa_that_cannot_be_read_is_refused(disfa, path, content, message):
    if content is None:
        frame(disfa / path)
    else:
        (disfa / path).write_text(content)
    with pytest.raises(ValueError, match=message):
        read_disfa(disfa)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("0,1,6\n1,0,0\n", "has no column for action unit 12: its first row is '0,1,6'"),
        ("0,6,12\n1,0\n", "holds '1,0' in row 2: give 3 whole numbers"),
        ("0,6,12\n1,0,x\n", "holds '1,0,x' in row 2"),
        ("", "has no column for action unit 6"),
    ],
)
def test_fera2015_that_cannot_be_read_is_refused(fera, content, message):
    (fera / "AUCoding" / "M003_T8.csv").write_text(content)
    with pytest.raises(ValueError, match=message):
        read_fera2015(fera, (6, 12))


def test_folders_that_are_missing_or_empty_are_refused(disfa, tmp_path):
    with pytest.raises(ValueError, match="AUCoding is not there: give the folder that holds AUCoding and Frames"):
        read_fera2015(disfa)
    (tmp_path / "other" / "ActionUnit_Labels" / "SN001").mkdir(parents=True)
    with pytest.raises(ValueError, match="holds no frame of 1 videos: put the images of each into its folder"):
        read_disfa(tmp_path / "other")
