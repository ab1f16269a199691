"""Published data sets in a folder: the layouts of torchvision, of the publishers, and compact ones.

Each ``find_…`` reads one split where its files are there, and returns None where they are not.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from knownot.data.cifar_batches import read_cifar_batch
from knownot.data.folders import class_folders, read_images
from knownot.data.formats import read_idx, read_jpeg_pack

FREY_TEST_FRAMES = 400
OMNIGLOT_PART = {"train": "images_background", "test": "images_evaluation"}


class Parts(NamedTuple):
    """Images (N, H, W, C) uint8, labels (N,) int64 or None, a note, and names of the classes."""

    x: np.ndarray
    y: np.ndarray | None
    note: str = ""
    class_names: tuple[str, ...] | None = None


def find_idx(folder_name: str) -> Callable[[Path, str], Parts | None]:
    """Return a finder of MNIST's four files, packed or not, below ``folder_name/raw``."""

    def find(root: Path, split: str) -> Parts | None:
        stem = "train" if split == "train" else "t10k"
        for folder in (root / folder_name / "raw", root / folder_name):
            images = _first_existing(folder / f"{stem}-images-idx3-ubyte", folder / f"{stem}-images-idx3-ubyte.gz")
            labels = _first_existing(folder / f"{stem}-labels-idx1-ubyte", folder / f"{stem}-labels-idx1-ubyte.gz")
            if images and labels:
                x, y = read_idx(images), read_idx(labels).astype(np.int64)
                if x.ndim != 3 or y.shape != (len(x),):
                    raise ValueError(
                        f"{images} has shape {x.shape} but {labels} has shape {y.shape}: "
                        "these files do not belong together; fetch them again."
                    )
                return Parts(x[..., None], y)
        return None

    return find


def find_cifar10(root: Path, split: str) -> Parts | None:
    """Find CIFAR-10: the original batches, else a pack of JPEG copies."""
    names = [f"data_batch_{i}" for i in range(1, 6)] if split == "train" else ["test_batch"]
    for folder in (root / "cifar-10-batches-py", root / "cifar10" / "cifar-10-batches-py"):
        if all((folder / name).is_file() for name in names):
            batches = [read_cifar_batch(folder / name) for name in names]
            return Parts(np.concatenate([x for x, _ in batches]), np.concatenate([y for _, y in batches]))
    pack = root / "cifar10" / f"jpeg_{split}.npz"
    if not pack.is_file():
        return None
    return Parts(*read_jpeg_pack(pack), "lossy JPEG copy, not the original pixels: compare only with its like")


def find_cifar100(root: Path, split: str) -> Parts | None:
    """Find CIFAR-100's original batches."""
    file = _first_existing(root / "cifar-100-python" / split, root / "cifar100" / "cifar-100-python" / split)
    return Parts(*read_cifar_batch(file)) if file else None


def find_svhn(root: Path, split: str) -> Parts | None:
    """Find the cropped digits of SVHN; its label 10 is the digit 0."""
    name = f"{split}_32x32.mat"
    file = _first_existing(root / "SVHN" / name, root / "svhn" / name, root / name)
    if file is None:
        return None
    from scipy.io import loadmat

    try:
        content = loadmat(file, variable_names=["X", "y"])
        x = np.ascontiguousarray(content["X"].transpose(3, 0, 1, 2))
        y = content["y"].reshape(-1).astype(np.int64)
    except Exception as error:  # scipy raises many kinds for a damaged file
        raise ValueError(f"{file} is not the SVHN file of that name: {error}. Fetch it again.") from error
    return Parts(x, np.where(y == 10, 0, y))


def find_tiny_imagenet(root: Path, split: str) -> Parts | None:
    """Find Tiny ImageNet: the published folders, else packs; the test images are its validation set."""
    published = root / "tiny-imagenet-200"
    if (published / "train").is_dir():
        return _tiny_imagenet_folders(published, split)
    folder = root / "tinyimagenet"
    pack = _first_existing(
        *(folder / f"{name}.npz" for name in (("train", "train_known") if split == "train" else ("val",)))
    )
    if pack is None:
        return None
    x, y = read_jpeg_pack(pack)
    n_classes, note = len(np.unique(y)), ""
    if n_classes < 200:
        note = f"{n_classes} of the 200 classes, those known in one of the standard open-set splits"
    classes = folder / "classes.json"
    names = None
    if classes.is_file():
        content = json.loads(classes.read_text(encoding="utf-8"))
        names = tuple(name.split(",")[0] for name in content["names"])
    return Parts(x, y, note, names)


def _tiny_imagenet_folders(root: Path, split: str) -> Parts:
    wnids = [folder.name for folder in class_folders(root / "train")]
    code = {wnid: i for i, wnid in enumerate(wnids)}
    if split == "train":
        pairs = [(file, wnid) for wnid in wnids for file in sorted((root / "train" / wnid / "images").iterdir())]
    else:
        listed = root / "val" / "val_annotations.txt"
        if not listed.is_file():
            raise ValueError(f"{listed} is missing: it says the class of each validation image; unpack the set again.")
        rows = [line.split("\t") for line in listed.read_text(encoding="utf-8").splitlines() if line.strip()]
        pairs = [(root / "val" / "images" / row[0], row[1]) for row in rows]
    data = read_images([file for file, _ in pairs], image_size=64, channels=3)
    return Parts(data.x, np.array([code[wnid] for _, wnid in pairs], dtype=np.int64), "", tuple(wnids))


def find_omniglot(root: Path, split: str) -> Parts | None:
    """Find Omniglot's drawings, 255 = paper; a label is a character's place in its set."""
    pack = root / "omniglot" / f"{OMNIGLOT_PART[split]}.npz"
    if pack.is_file():
        images, labels = _read_arrays(pack, "images", "labels")
        x = images.reshape(-1, *images.shape[2:]).astype(np.uint8) * 255
        return Parts(x[..., None], labels.reshape(-1).astype(np.int64))
    folder = next(
        (f for f in (root / name / OMNIGLOT_PART[split] for name in ("omniglot-py", "omniglot")) if f.is_dir()), None
    )
    if folder is None:
        return None
    characters = [character for alphabet in class_folders(folder) for character in class_folders(alphabet)]
    pairs = [(file, i) for i, character in enumerate(characters) for file in sorted(character.glob("*.png"))]
    data = read_images([file for file, _ in pairs], image_size=105, channels=1)
    names = tuple(f"{character.parent.name}/{character.name}" for character in characters)
    return Parts(data.x, np.array([i for _, i in pairs], dtype=np.int64), "", names)


def find_omniglot28(root: Path, split: str) -> Parts | None:
    """Find Omniglot and shrink it to 28x28."""
    parts = find_omniglot(root, split)
    if parts is None:
        return None
    note = "shrunk from 105x105 by averaging: not the 28x28 file of the density papers"
    return Parts(shrink_omniglot(parts.x), parts.y, note, parts.class_names)


def shrink_omniglot(images: np.ndarray, side: int = 28) -> np.ndarray:
    """Average drawings (N, H, W, 1) with bright paper down to (N, side, side, 1) with bright ink."""
    small = np.empty((len(images), side, side, 1), dtype=np.uint8)
    for i, image in enumerate(images[..., 0]):
        small[i, ..., 0] = np.asarray(Image.fromarray(255 - image).resize((side, side), Image.Resampling.BOX))
    return small


def find_frey_faces(root: Path, split: str) -> Parts | None:
    """Find the Frey faces; the test set is the last 400 frames."""
    pack = root / "freyfaces" / "freyfaces.npz"
    matlab = _first_existing(root / "frey_rawface.mat", root / "freyfaces" / "frey_rawface.mat")
    if pack.is_file():
        (images,) = _read_arrays(pack, "images")
    elif matlab:
        from scipy.io import loadmat

        try:
            images = loadmat(matlab)["ff"].T.reshape(-1, 28, 20)
        except Exception as error:  # scipy raises many kinds for a damaged file
            raise ValueError(f"{matlab} is not the file of Frey faces: {error}. Fetch it again.") from error
    else:
        return None
    images = np.ascontiguousarray(images[..., None])
    return Parts(images[:-FREY_TEST_FRAMES] if split == "train" else images[-FREY_TEST_FRAMES:], None)


def _first_existing(*files: Path) -> Path | None:
    return next((file for file in files if file.is_file()), None)


def _read_arrays(file: Path, *names: str) -> list[np.ndarray]:
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
            return [content[name] for name in names]
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{file} does not hold the arrays {', '.join(names)}: {error}. Fetch it again.") from error
