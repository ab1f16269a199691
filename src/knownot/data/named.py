"""Published data sets by name: bundled, from the folder KNOWNOT_DATA, or from the Hugging Face hub."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from knownot.data.arrays import Dataset
from knownot.data.named_files import (
    Parts,
    find_cifar10,
    find_cifar100,
    find_frey_faces,
    find_idx,
    find_omniglot,
    find_omniglot28,
    find_svhn,
    find_tiny_imagenet,
)

SPLITS = ("train", "test")
FASHION = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot"
CIFAR10 = "airplane,automobile,bird,cat,deer,dog,frog,horse,ship,truck"
CIFAR100 = (
    "apple,aquarium_fish,baby,bear,beaver,bed,bee,beetle,bicycle,bottle,bowl,boy,bridge,bus,butterfly,camel,can,"
    "castle,caterpillar,cattle,chair,chimpanzee,clock,cloud,cockroach,couch,crab,crocodile,cup,dinosaur,dolphin,"
    "elephant,flatfish,forest,fox,girl,hamster,house,kangaroo,keyboard,lamp,lawn_mower,leopard,lion,lizard,lobster,"
    "man,maple_tree,motorcycle,mountain,mouse,mushroom,oak_tree,orange,orchid,otter,palm_tree,pear,pickup_truck,"
    "pine_tree,plain,plate,poppy,porcupine,possum,rabbit,raccoon,ray,road,rocket,rose,sea,seal,shark,shrew,skunk,"
    "skyscraper,snail,snake,spider,squirrel,streetcar,sunflower,sweet_pepper,table,tank,telephone,television,tiger,"
    "tractor,train,trout,tulip,turtle,wardrobe,whale,willow_tree,wolf,woman,worm"
)
DIGITS = "0,1,2,3,4,5,6,7,8,9"


class Hub(NamedTuple):
    """Where a data set lies on the Hugging Face hub."""

    repository: str
    image: str = "image"
    label: str = "label"
    configuration: str | None = None
    test: str = "test"


@dataclass(frozen=True)
class NamedSet:
    """A data set that `load_named` reads.

    Attributes
    ----------
    title : str
        Its name and what it holds, for lists.
    find : callable of (folder, split), returning parts or None
        Reads it from a folder, where it is there.
    places : str
        Where in the folder it is looked for, for messages.
    class_names : tuple of str, optional
    hub : Hub, optional
    """

    title: str
    find: Callable[[Path, str], Parts | None]
    places: str
    class_names: tuple[str, ...] | None = None
    hub: Hub | None = None


def _split_names(names: str) -> tuple[str, ...]:
    return tuple(names.split(","))


def _bundled_digits(_folder: Path, split: str) -> Parts:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    train, test = train_test_split(np.arange(len(labels)), test_size=450, stratify=labels, random_state=0)
    rows = np.sort(train if split == "train" else test)
    grey = np.rint(images[rows] * (255.0 / 16.0)).astype(np.uint8)
    return Parts(grey.reshape(-1, 8, 8, 1), labels[rows].astype(np.int64))


#: Data sets by name.
NAMED: dict[str, NamedSet] = {
    "digits": NamedSet("Handwritten digits of scikit-learn, 8x8 grey", _bundled_digits, "", _split_names(DIGITS)),
    "mnist": NamedSet(
        "MNIST digits, 28x28 grey",
        find_idx("MNIST"),
        "MNIST/raw/train-images-idx3-ubyte[.gz] and companion files",
        _split_names(DIGITS),
        Hub("ylecun/mnist"),
    ),
    "fashion-mnist": NamedSet(
        "Fashion-MNIST clothes, 28x28 grey",
        find_idx("FashionMNIST"),
        "FashionMNIST/raw/train-images-idx3-ubyte[.gz] and companion files",
        _split_names(FASHION),
        Hub("zalando-datasets/fashion_mnist"),
    ),
    "cifar10": NamedSet(
        "CIFAR-10 objects, 32x32 colour",
        find_cifar10,
        "cifar-10-batches-py/data_batch_1 and companion files, or cifar10/jpeg_train.npz",
        _split_names(CIFAR10),
        Hub("uoft-cs/cifar10", image="img"),
    ),
    "cifar100": NamedSet(
        "CIFAR-100 objects, 32x32 colour",
        find_cifar100,
        "cifar-100-python/train",
        _split_names(CIFAR100),
        Hub("uoft-cs/cifar100", image="img", label="fine_label"),
    ),
    "svhn": NamedSet(
        "Street view house numbers, 32x32 colour",
        find_svhn,
        "SVHN/train_32x32.mat",
        _split_names(DIGITS),
        Hub("ufldl-stanford/svhn", configuration="cropped_digits"),
    ),
    "tiny-imagenet": NamedSet(
        "Tiny ImageNet, 200 classes, 64x64 colour; test: its validation images",
        find_tiny_imagenet,
        "tiny-imagenet-200/train, or tinyimagenet/train_known.npz",
        None,
        Hub("zh-plus/tiny-imagenet", test="valid"),
    ),
    "omniglot": NamedSet(
        "Omniglot characters, 105x105 grey; train: background set, test: evaluation set, other characters",
        find_omniglot,
        "omniglot-py/images_background, or omniglot/images_background.npz",
    ),
    "omniglot28": NamedSet(
        "Omniglot shrunk to 28x28, ink bright",
        find_omniglot28,
        "omniglot-py/images_background, or omniglot/images_background.npz",
    ),
    "frey-faces": NamedSet(
        "Frey faces, 28x20 grey, unlabelled; test: the last 400 frames",
        find_frey_faces,
        "freyfaces/freyfaces.npz, or frey_rawface.mat",
    ),
}


def load_named(name: str = "digits", split: str = "train", *, folder: str | os.PathLike[str] | None = None) -> Dataset:
    """Load a published data set.

    ``digits`` comes with scikit-learn: 1,347 training and 450 test images, split once and for all
    by a stratified draw with seed 0. The others are looked for in the folder that the environment
    variable KNOWNOT_DATA names, in the layouts of torchvision and in compact ones, and then asked
    of the Hugging Face hub, where the package ``datasets`` is installed.

    Frey faces are frames of one video, so that neighbours are near copies: the split is by time.

    Parameters
    ----------
    name : str
        One of `NAMED`; case, hyphens and underscores do not matter.
    split : {"train", "test"}
        What each set calls so is in its title, ``NAMED[name].title``.
    folder : str or path, optional
        Looked in instead of KNOWNOT_DATA.

    Returns
    -------
    Dataset
        ``x`` (N, H, W, C) uint8; ``y`` int64 or None; ``class_names`` where known; ``note`` says
        where the data are not the original pixels or not whole.

    Raises
    ------
    ValueError
        If there is no such set or split, or it cannot be found.

    Examples
    --------
    >>> load_named("digits")
    Dataset('digits', 1347 samples of shape (8, 8, 1), 10 classes)
    """
    key = known_name(name)
    if key is None:
        near = difflib.get_close_matches(str(name).lower(), list(NAMED), n=1)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"There is no data set named {name!r}; the names are {', '.join(NAMED)}.{guess}")
    if split not in SPLITS:
        raise ValueError(f'split is {split!r}: choose "train" or "test".')
    named = NAMED[key]
    root = data_folder(folder)
    parts = named.find(root or Path(), split) if root is not None or not named.places else None
    if parts is None:
        parts = _load_from_hub(key, split, root)
    return Dataset(
        x=parts.x,
        y=parts.y,
        name=key if split == "train" else f"{key} ({split})",
        class_names=parts.class_names or named.class_names,
        note=parts.note,
    )


def known_name(name: str) -> str | None:
    """Return the name in `NAMED` that is meant, None if there is none.

    Examples
    --------
    >>> known_name("FashionMNIST")
    'fashion-mnist'
    """
    plain = {key.replace("-", ""): key for key in NAMED}
    return plain.get(str(name).lower().replace("-", "").replace("_", "").replace(" ", ""))


def data_folder(folder: str | os.PathLike[str] | None = None) -> Path | None:
    """Folder of the data sets: the one given, else that of KNOWNOT_DATA, else None."""
    given = os.environ.get("KNOWNOT_DATA") if folder is None else folder
    if not given:
        return None
    root = Path(given).expanduser()
    if not root.is_dir():
        source = "the environment variable KNOWNOT_DATA" if folder is None else "folder"
        raise ValueError(f"{root}, given by {source}, is not a folder: give the folder that holds the data sets.")
    return root


def _load_from_hub(key: str, split: str, root: Path | None) -> Parts:
    named = NAMED[key]
    looked = f"is not in {root}" if root else "needs files, and the environment variable KNOWNOT_DATA is not set"
    missing = f"The data set {key!r} ({split}) {looked}: put {named.places} into a folder and set KNOWNOT_DATA to it"
    hub = named.hub
    if hub is None:
        raise ValueError(f"{missing}.")
    try:
        import datasets
    except ImportError as error:
        raise ValueError(
            f"{missing}, or install the package that fetches it from the Hugging Face hub: pip install 'knownot[data]'."
        ) from error
    try:
        table: Any = datasets.load_dataset(
            hub.repository, hub.configuration, split="train" if split == "train" else hub.test
        )
    except Exception as error:  # whatever stands between here and the hub
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{missing}; the Hugging Face hub ({hub.repository}) could not be asked either: {reason}"
        ) from error
    mode = "L" if key in ("mnist", "fashion-mnist") else "RGB"
    images = np.stack([np.asarray(image.convert(mode)) for image in table[hub.image]])
    return Parts(
        images if images.ndim == 4 else images[..., None],
        np.asarray(table[hub.label], dtype=np.int64),
        f"from the Hugging Face hub, {hub.repository}",
        tuple(getattr(table.features[hub.label], "names", ())) if key == "tiny-imagenet" else None,
    )
