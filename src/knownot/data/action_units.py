"""Faces with action units: DISFA and FERA2015 (BP4D), in the layouts in which their authors hand them out.

Both are licensed and come with nothing here: ask the authors for them. Their videos are to be cut into frames first,
with any program, one folder of images for each video; a frame's number is the last one in the name of its file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from knownot.data.folders import unlabelled_files
from knownot.data.named import data_folder

#: Action units that the Cauchy-Schwarz autoencoder paper learns.
DISFA_UNITS = (1, 2, 4, 6, 9, 12, 25, 26)
FERA2015_UNITS = (6, 10, 12, 14, 17)
_POSITIVE, _HIGHEST = 2, 5
#: Intensities by the number of a frame, by action unit.
Intensities = Mapping[int, Mapping[int, int]]


@dataclass(frozen=True, eq=False)
class ActionUnits:
    """Frames of faces with their action units.

    Attributes
    ----------
    paths : tuple of str
        File of each frame; :func:`knownot.data.read_images` reads them.
    labels : ndarray, shape (N, L), float32
        1 where an action unit has an intensity of 2 or more, else 0; NaN where it was not coded.
    label_names : tuple of str
        "AU1" and so on.
    subjects : ndarray of str, shape (N,)
        Who is seen.
    name : str
    note : str
        How many frames lack labels, or images; empty where none does.
    """

    paths: tuple[str, ...] = field(repr=False)
    labels: np.ndarray = field(repr=False)
    label_names: tuple[str, ...]
    subjects: np.ndarray = field(repr=False)
    name: str = ""
    note: str = ""

    def __len__(self) -> int:
        return len(self.paths)

    def select(self, index: Sequence[int] | np.ndarray) -> ActionUnits:
        """Take the frames at ``index`` (positions, or a mask of N booleans), in that order."""
        rows = np.arange(len(self))[np.asarray(index)]
        paths = tuple(self.paths[i] for i in rows)
        return replace(self, paths=paths, labels=self.labels[rows], subjects=self.subjects[rows])


class _Video(NamedTuple):
    subject: str
    frames: Path
    intensities: Intensities


def read_disfa(path: str | os.PathLike[str], units: Sequence[int] = DISFA_UNITS) -> ActionUnits:
    """Read DISFA: ``ActionUnit_Labels/SN001/SN001_au1.txt`` with lines "frame,intensity"; ``Frames/SN001/00001.png``.

    Parameters
    ----------
    path : str or path
        The folder that holds both.
    units : sequence of int
        Numbers of action units. DISFA has 1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25 and 26.

    Returns
    -------
    ActionUnits
        Frames in the order of subjects and numbers.

    Raises
    ------
    ValueError
        If folders or files are missing, or a line is not one of these.

    References
    ----------
    Mavadati et al., "DISFA: a spontaneous facial action intensity database", 2013.
    """
    root = Path(path)
    folders = sorted(p for p in _folder(root / "ActionUnit_Labels").iterdir() if p.is_dir())
    videos = []
    for folder in folders:
        files = {unit: folder / f"{folder.name}_au{unit}.txt" for unit in units}
        found = {unit: dict(_read_lines(file)) for unit, file in files.items() if file.is_file()}
        videos.append(_Video(folder.name, root / "Frames" / folder.name, found))
    return _gather("DISFA", root, videos, units)


def read_fera2015(path: str | os.PathLike[str], units: Sequence[int] = FERA2015_UNITS) -> ActionUnits:
    """Read FERA2015, its BP4D part: ``AUCoding/F001_T1.csv``; ``Frames/F001_T1/0001.jpg``.

    The first row of a table names its columns: the frame, then action units by their numbers ("6", "AU6" or "AU06");
    the others hold intensities from 0 to 5, or 9 where a frame was not coded.

    Parameters
    ----------
    path : str or path
        The folder that holds both.
    units : sequence of int
        Numbers of action units.

    Returns
    -------
    ActionUnits
        Frames in the order of sequences and numbers; the subject is what stands before the "_".

    Raises
    ------
    ValueError
        If folders or columns are missing, or a row is not one of these.

    References
    ----------
    Valstar et al., "FERA 2015: second facial expression recognition and analysis challenge", 2015. Zhang et al.,
    "BP4D-Spontaneous", 2014.
    """
    root = Path(path)
    videos = [
        _Video(file.stem.partition("_")[0], root / "Frames" / file.stem, _read_csv(file, units))
        for file in sorted(_folder(root / "AUCoding").glob("*.csv"))
    ]
    return _gather("FERA2015", root, videos, units)


class ActionUnitSet(NamedTuple):
    """A set that :func:`load_action_units` reads: its reader, and the folder of its labels."""

    read: Callable[[Path], ActionUnits]
    labels: str


#: Sets by name; their folders have the same names in capitals.
ACTION_UNIT_SETS = {
    "disfa": ActionUnitSet(read_disfa, "ActionUnit_Labels"),
    "fera2015": ActionUnitSet(read_fera2015, "AUCoding"),
}


def load_action_units(name: str, *, folder: str | os.PathLike[str] | None = None) -> ActionUnits:
    """Load DISFA or FERA2015 from the folder of data sets.

    Parameters
    ----------
    name : {"disfa", "fera2015"}
        Looked for in the sub-folder ``DISFA`` or ``FERA2015``.
    folder : str or path, optional
        Looked in instead of KNOWNOT_DATA.

    Raises
    ------
    ValueError
        If there is no such set, or it is not at hand.
    """
    if name not in ACTION_UNIT_SETS:
        raise ValueError(f"there are no action units named {name!r}: use one of {', '.join(ACTION_UNIT_SETS)}.")
    known, own, root = ACTION_UNIT_SETS[name], name.upper(), data_folder(folder)
    if root is None or not (root / own).is_dir():
        looked = f"is not in {root}" if root else "needs files, and the environment variable KNOWNOT_DATA is not set"
        raise ValueError(
            f"The data set {name!r} {looked}: its authors license it, so ask them, put {own}/{known.labels} and "
            f"{own}/Frames into a folder, and set KNOWNOT_DATA to that."
        )
    return known.read(root / own)


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise ValueError(f"{path} is not there: give the folder that holds {path.name} and Frames.")
    return path


def _cells(file: Path) -> list[list[str]]:
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    return [[cell.strip() for cell in line.split(",")] for line in lines if line.strip()]


def _read_lines(file: Path) -> list[tuple[int, int]]:
    """Frames and intensities."""
    found = []
    for number, cells in enumerate(_cells(file), 1):
        frame, intensity = cells if len(cells) == 2 else ("", "")
        if not (frame.isdigit() and intensity.isdigit()):
            raise ValueError(
                f'{file} holds {",".join(cells)!r} in line {number}: its lines should be "frame,intensity".'
            )
        found.append((int(frame), int(intensity)))
    return found


def _read_csv(file: Path, units: Sequence[int]) -> Intensities:
    header, *rows = _cells(file) or [[]]
    # The first column is the frame, whatever it is called.
    places = {int(name.upper().removeprefix("AU")): i for i, name in enumerate(header) if i and _is_unit(name)}
    if lacking := [unit for unit in units if unit not in places]:
        raise ValueError(f"{file} has no column for action unit {lacking[0]}: its first row is {','.join(header)!r}.")
    for number, row in enumerate(rows, 2):
        if len(row) != len(header) or not all(cell.isdigit() for cell in row):
            raise ValueError(f"{file} holds {','.join(row)!r} in row {number}: give {len(header)} whole numbers.")
    return {unit: {int(row[0]): int(row[places[unit]]) for row in rows} for unit in units}


def _is_unit(name: str) -> bool:
    return name.upper().removeprefix("AU").isdigit()


def _gather(name: str, root: Path, videos: Sequence[_Video], units: Sequence[int]) -> ActionUnits:
    """All frames that have an image, with their labels."""
    paths: list[str] = []
    labels: list[list[float]] = []
    subjects: list[str] = []
    unseen = 0
    for video in videos:
        images = _numbered(video.frames)
        unseen += len({frame for unit in units for frame in video.intensities.get(unit, {})} - images.keys())
        for frame in sorted(images):
            paths.append(str(images[frame]))
            labels.append([_label(video.intensities.get(unit, {}).get(frame)) for unit in units])
            subjects.append(video.subject)
    if not paths:
        raise ValueError(
            f"{root} holds no frame of {len(videos)} videos: put the images of each into its folder, such as "
            f"{videos[0].frames if videos else root / 'Frames'}."
        )
    found = np.array(labels, np.float32).reshape(len(paths), len(units))
    missing = np.isnan(found)
    notes = []
    if missing.any():
        notes.append(f"{missing.any(1).sum()} of {len(paths)} frames lack a label, {missing.all(1).sum()} all of them")
    if unseen:
        notes.append(f"{unseen} labelled frames have no image")
    return ActionUnits(
        tuple(paths), found, tuple(f"AU{unit}" for unit in units), np.array(subjects), name, "; ".join(notes)
    )


def _numbered(folder: Path) -> dict[int, Path]:
    """Images of a folder by the last number in their names; none where it is not there."""
    found: dict[int, Path] = {}
    for file in unlabelled_files(folder)[0] if folder.is_dir() and any(folder.iterdir()) else []:
        numbers = re.findall(r"\d+", file.stem)
        if not numbers or int(numbers[-1]) in found:
            what = "has no number" if not numbers else f"has the number of {found[int(numbers[-1])].name}"
            raise ValueError(f"{file} {what}: name each frame by its number, such as 00001.png.")
        found[int(numbers[-1])] = file
    return found


def _label(intensity: int | None) -> float:
    return float("nan") if intensity is None or intensity > _HIGHEST else float(intensity >= _POSITIVE)
