from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from sklearn.datasets import load_digits

from knownot.data import NAMED, load_named
from knownot.data.named import known_name

# The writers of IDX files, JPEG packs and CIFAR batches stand beside the tests of their readers.
_spec = importlib.util.spec_from_file_location("written_formats", Path(__file__).with_name("test_formats.py"))
assert _spec is not None
assert _spec.loader is not None
formats = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(formats)

RNG = np.random.default_rng(0)


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("KNOWNOT_DATA", str(tmp_path))
    # Nothing here may reach for the network.
    monkeypatch.setitem(sys.modules, "datasets", None)
    return tmp_path


def pixels(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_load_named_digits_are_those_of_scikit_learn():
    train, test = load_named(), load_named("digits", "test")
    assert train.x.shape == (1347, 8, 8, 1)
    assert test.x.shape == (450, 8, 8, 1)
    assert train.x.dtype == np.uint8
    assert (train.x.min(), train.x.max()) == (0, 255)
    images, labels = load_digits(return_X_y=True)
    assert np.abs(np.bincount(test.y) / np.bincount(labels) - 450 / 1797).max() < 0.005
    # Every image is in one of the two, with its label; the scale is exact to half a grey value.
    both = np.concatenate([train.x, test.x]).reshape(1797, 64)
    original = np.rint(images * 255 / 16).astype(np.uint8)
    order, expected = np.lexsort(both.T), np.lexsort(original.T)
    assert (both[order] == original[expected]).all()
    assert (np.concatenate([train.y, test.y])[order] == labels[expected]).all()
    # The split itself, so that a change of it cannot pass unseen.
    assert test.y[:12].tolist() == [1, 4, 8, 6, 5, 9, 9, 1, 3, 5, 2, 2]


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")])
@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("below", ["raw", ""])
def test_load_named_reads_idx_layouts(root, name, folder, ending, below):
    place = made(root / folder / below)
    content = {}
    for split, stem in (("train", "train"), ("test", "t10k")):
        content[split] = pixels(5, 28, 28), pixels(5) % 10
        formats.write_idx(place / f"{stem}-images-idx3-ubyte{ending}", content[split][0])
        formats.write_idx(place / f"{stem}-labels-idx1-ubyte{ending}", content[split][1])
    for split, (x, y) in content.items():
        data = load_named(name, split)
        assert (data.x == x[..., None]).all()
        assert data.y.tolist() == y.tolist()
        assert data.y.dtype == np.int64
        assert data.note == ""
        assert data.class_names is not None
        assert len(data.class_names) == 10
    assert load_named(name, "test").name == f"{name} (test)"


def test_load_named_refuses_idx_files_that_do_not_belong_together(root):
    place = made(root / "MNIST" / "raw")
    formats.write_idx(place / "train-images-idx3-ubyte", pixels(5, 28, 28))
    formats.write_idx(place / "train-labels-idx1-ubyte", pixels(4))
    with pytest.raises(ValueError, match=r"\(5, 28, 28\) but .* has shape \(4,\): these files do not belong together"):
        load_named("mnist")


def test_load_named_cifar10_prefers_the_original_to_a_jpeg_copy(root):
    images, labels = pixels(4, 32, 32, 3), np.array([3, 0, 9, 9])
    for split in ("train", "test"):
        formats.write_jpeg_pack(made(root / "cifar10") / f"jpeg_{split}.npz", images, labels)
    copy = load_named("cifar10")
    assert copy.y.tolist() == [3, 0, 9, 9]
    assert "lossy JPEG copy" in copy.note
    assert (copy.x != images).any()
    for i in range(1, 6):
        formats.write_cifar(made(root / "cifar-10-batches-py") / f"data_batch_{i}", images[:2] + i, [i, i])
    exact = load_named("cifar10")
    assert exact.note == ""
    assert exact.y.tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert (exact.x[4:6] == images[:2] + 3).all()
    assert "lossy" in load_named("cifar10", "test").note


def test_load_named_cifar100(root):
    images = pixels(3, 32, 32, 3)
    for split in ("train", "test"):
        formats.write_cifar(made(root / "cifar-100-python") / split, images, [99, 0, 49], "fine_labels")
    data = load_named("cifar100", "test")
    assert (data.x == images).all()
    assert data.y.tolist() == [99, 0, 49]
    names = data.class_names
    assert names is not None
    assert len(set(names)) == 100
    assert list(names) == sorted(names)
    assert (names[0], names[49], names[99]) == ("apple", "mountain", "worm")


def test_load_named_svhn_counts_its_ten_as_zero(root):
    images = pixels(4, 32, 32, 3)
    place = made(root / "SVHN") / "train_32x32.mat"
    savemat(place, {"X": images.transpose(1, 2, 3, 0), "y": np.array([[10], [1], [9], [10]], np.uint8)})
    data = load_named("svhn")
    assert (data.x == images).all()
    assert data.x.flags.c_contiguous
    assert data.y.tolist() == [0, 1, 9, 0]
    place.write_bytes(b"no matlab")
    with pytest.raises(ValueError, match=r"train_32x32.mat is not the SVHN file of that name.*Fetch it again"):
        load_named("svhn")


def test_load_named_tiny_imagenet_packs(root):
    folder = made(root / "tinyimagenet")
    images, labels = pixels(4, 16, 16, 3), np.array([0, 7, 7, 199])
    formats.write_jpeg_pack(folder / "train_known.npz", images, labels)
    formats.write_jpeg_pack(folder / "val.npz", images[:2], labels[:2])
    (folder / "classes.json").write_text(json.dumps({"names": ["goldfish, Carassius", "salamander"]}))
    data = load_named("tiny-imagenet")
    assert data.y.tolist() == [0, 7, 7, 199]
    assert "3 of the 200 classes" in data.note
    assert data.class_names == ("goldfish", "salamander")
    assert len(load_named("tiny-imagenet", "test")) == 2


def test_load_named_tiny_imagenet_as_published(root):
    top = root / "tiny-imagenet-200"
    wnids = ["n01", "n03", "n02"]
    for k, wnid in enumerate(wnids):
        for i in range(2):
            path = made(top / "train" / wnid / "images") / f"{wnid}_{i}.JPEG"
            # One grey image, as there are some in the published set.
            Image.fromarray(np.full((64, 64, 3)[: 2 if i else 3], 80 * k, np.uint8)).save(path)
        Image.fromarray(np.full((64, 64, 3), 80 * k, np.uint8)).save(made(top / "val" / "images") / f"val_{k}.JPEG")
    train = load_named("tiny-imagenet")
    assert train.x.shape == (6, 64, 64, 3)
    assert train.y.tolist() == [0, 0, 1, 1, 2, 2]
    assert train.x[:, 0, 0, 0].tolist() == [0, 0, 160, 160, 80, 80]
    assert train.class_names == ("n01", "n02", "n03")
    with pytest.raises(ValueError, match=r"val_annotations.txt is missing"):
        load_named("tiny-imagenet", "test")
    rows = [f"val_{k}.JPEG\t{wnid}\t0\t0\t9\t9" for k, wnid in enumerate(wnids)]
    (top / "val" / "val_annotations.txt").write_text("\n".join(rows) + "\n")
    test = load_named("tiny-imagenet", "test")
    assert test.y.tolist() == [0, 2, 1]
    assert test.x[:, 0, 0, 0].tolist() == [0, 80, 160]


def test_load_named_omniglot_packed_and_as_drawn(root):
    drawings = RNG.random((3, 20, 105, 105)) < 0.9
    for part in ("images_background", "images_evaluation"):
        np.savez(made(root / "omniglot") / f"{part}.npz", images=drawings, labels=np.arange(3)[:, None].repeat(20, 1))
    packed = load_named("omniglot")
    assert packed.x.shape == (60, 105, 105, 1)
    assert set(np.unique(packed.x)) == {0, 255}
    assert packed.y.tolist() == np.arange(3).repeat(20).tolist()

    small = load_named("omniglot28", "test")
    assert small.x.shape == (60, 28, 28, 1)
    # Ink is bright, and averaging keeps its share.
    ink = 1 - drawings.reshape(60, -1).mean(1)
    np.testing.assert_allclose(small.x.reshape(60, -1).mean(1) / 255, ink, atol=0.01)

    (root / "omniglot").rename(root / "elsewhere")
    for k, place in enumerate(("Arcadian/character02", "Arcadian/character01", "Braille/character01")):
        for i in range(2):
            drawing = Image.fromarray(drawings[k, i].astype(np.uint8) * 255).convert("1")
            drawing.save(made(root / "omniglot-py" / "images_background" / place) / f"{i}.png")
    drawn = load_named("omniglot")
    assert drawn.y.tolist() == [0, 0, 1, 1, 2, 2]
    assert drawn.class_names == ("Arcadian/character01", "Arcadian/character02", "Braille/character01")
    assert (drawn.x[0, ..., 0] == drawings[1, 0] * 255).all()
    assert (drawn.x[2, ..., 0] == drawings[0, 0] * 255).all()


def test_load_named_frey_faces_are_split_by_time(root):
    frames = pixels(1000, 28, 20)
    savemat(root / "frey_rawface.mat", {"ff": frames.reshape(1000, -1).T})
    for _ in range(2):
        train, test = load_named("frey-faces"), load_named("frey-faces", "test")
        assert train.y is None
        assert (train.x[..., 0] == frames[:600]).all()
        assert (test.x[..., 0] == frames[600:]).all()
        np.savez(made(root / "freyfaces") / "freyfaces.npz", images=frames)
    np.savez(root / "freyfaces" / "freyfaces.npz", faces=frames)
    with pytest.raises(ValueError, match=r"freyfaces.npz does not hold the arrays images"):
        load_named("frey-faces")


@pytest.mark.parametrize("name", sorted(set(NAMED) - {"digits"}))
def test_load_named_says_where_to_put_a_missing_set(root, name, monkeypatch):
    with pytest.raises(ValueError, match=f"The data set '{name}' .train. is not in .*set KNOWNOT_DATA to it") as caught:
        load_named(name)
    assert NAMED[name].places in str(caught.value)
    assert ("pip install 'knownot[data]'" in str(caught.value)) == (NAMED[name].hub is not None)
    monkeypatch.delenv("KNOWNOT_DATA")
    with pytest.raises(ValueError, match="KNOWNOT_DATA is not set"):
        load_named(name)


def test_load_named_refuses_wrong_names_splits_and_folders(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"no data set named 'fasion-mnist'.*Did you mean 'fashion-mnist'\?"):
        load_named("fasion-mnist")
    with pytest.raises(ValueError, match="the names are digits, mnist, fashion-mnist"):
        load_named("???")
    with pytest.raises(ValueError, match="split is 'val'"):
        load_named("digits", "val")
    monkeypatch.setenv("KNOWNOT_DATA", str(tmp_path / "absent"))
    with pytest.raises(ValueError, match="absent, given by the environment variable KNOWNOT_DATA, is not a folder"):
        load_named("mnist")
    with pytest.raises(ValueError, match="nowhere, given by folder, is not a folder"):
        load_named("mnist", folder=tmp_path / "nowhere")


def test_known_name_reads_names_generously():
    assert known_name("Fashion_MNIST") == "fashion-mnist"
    assert known_name("CIFAR-10") == "cifar10"
    assert known_name("tinyimagenet") == "tiny-imagenet"
    assert known_name("cifar1000") is None


class HubTable(dict):
    features: dict


def hub(tables: dict, asked: list):
    def load_dataset(repository, configuration=None, *, split):
        asked.append((repository, configuration, split))
        if repository not in tables:
            raise ConnectionError("Couldn't reach the Hub\nsecond line")
        return tables[repository]

    return SimpleNamespace(load_dataset=load_dataset)


def test_load_named_asks_the_hub_for_what_is_not_in_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KNOWNOT_DATA", str(tmp_path))
    grey, colour = pixels(3, 28, 28), pixels(3, 32, 32, 3)
    tiny = HubTable(image=[Image.fromarray(colour[0]), Image.fromarray(colour[1, ..., 0])], label=[5, 6])
    tiny.features = {"label": SimpleNamespace(names=["n01", "n02"])}
    tables = {
        "ylecun/mnist": HubTable(image=[Image.fromarray(image) for image in grey], label=[1, 2, 3]),
        "uoft-cs/cifar100": HubTable(img=[Image.fromarray(image) for image in colour], fine_label=[1, 2, 3]),
        "ufldl-stanford/svhn": HubTable(image=[Image.fromarray(image) for image in colour], label=[0, 9, 3]),
        "zh-plus/tiny-imagenet": tiny,
    }
    asked: list = []
    monkeypatch.setitem(sys.modules, "datasets", hub(tables, asked))
    mnist = load_named("mnist", "test")
    assert (mnist.x[..., 0] == grey).all()
    assert mnist.y.tolist() == [1, 2, 3]
    assert mnist.y.dtype == np.int64
    assert mnist.note == "from the Hugging Face hub, ylecun/mnist"
    assert (load_named("cifar100").x == colour).all()
    assert load_named("svhn").y.tolist() == [0, 9, 3]
    data = load_named("tiny-imagenet", "test")
    assert data.class_names == ("n01", "n02")
    assert data.x.shape == (2, 32, 32, 3)
    assert asked == [
        ("ylecun/mnist", None, "test"),
        ("uoft-cs/cifar100", None, "train"),
        ("ufldl-stanford/svhn", "cropped_digits", "train"),
        ("zh-plus/tiny-imagenet", None, "valid"),
    ]
    with pytest.raises(ValueError, match=r"the Hugging Face hub \(uoft-cs/cifar10\) could not be asked either") as e:
        load_named("cifar10")
    assert str(e.value).endswith("Couldn't reach the Hub")


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "split", "shape", "counts", "mean"),
    [
        ("mnist", "train", (28, 28, 1), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949], 33.318),
        ("mnist", "test", (28, 28, 1), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009], 33.791),
        ("fashion-mnist", "train", (28, 28, 1), [6000] * 10, 72.940),
        ("fashion-mnist", "test", (28, 28, 1), [1000] * 10, 73.147),
        ("cifar10", "train", (32, 32, 3), [5000] * 10, None),
        ("cifar10", "test", (32, 32, 3), [1000] * 10, None),
        ("omniglot", "train", (105, 105, 1), [20] * 964, None),
        ("omniglot28", "test", (28, 28, 1), [20] * 659, None),
        ("tiny-imagenet", "test", (64, 64, 3), [50] * 200, None),
        ("frey-faces", "train", (28, 20, 1), None, None),
    ],
)
def test_load_named_of_the_real_data_sets(data_root, name, split, shape, counts, mean):
    data = load_named(name, split)
    assert data.x.dtype == np.uint8
    assert data.x.shape[1:] == shape
    if counts is None:
        assert data.y is None
        assert len(data) == 1565
    else:
        assert data.y.dtype == np.int64
        assert np.bincount(data.y).tolist() == counts
    if mean is not None:
        assert abs(data.x.mean() - mean) < 0.001


def test_load_named_reads_a_table_of_the_datasets_package(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    grey = pixels(3, 28, 28)
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=list("0123456789"))})
    columns = {"image": [Image.fromarray(image) for image in grey], "label": [3, 1, 2]}
    table = datasets.Dataset.from_dict(columns, features=features)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_args, **_options: table)
    data = load_named("mnist", folder=tmp_path)
    assert (data.x[..., 0] == grey).all()
    assert data.y.tolist() == [3, 1, 2]
