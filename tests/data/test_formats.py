from __future__ import annotations

import gzip
import io
import pickle  # noqa: TID251  to make the files that the reader must read, and those it must refuse
import sys

import numpy as np
import pytest
from PIL import Image

from knownot.data.cifar_batches import read_cifar_batch
from knownot.data.formats import read_idx, read_jpeg_pack


def write_idx(path, array: np.ndarray) -> None:
    content = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_jpeg_pack(path, images: np.ndarray, labels: np.ndarray, qualities=(75,), **changes) -> list[bytes]:
    """Split JPEG files behind their headers, as the packs do, and return the files."""
    files, headers, header_id, scans = [], [], [], []
    for i, image in enumerate(images):
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "JPEG", quality=qualities[i % len(qualities)])
        files.append(stream.getvalue())
        cut = files[-1].index(b"\xff\xda")
        if files[-1][:cut] not in headers:
            headers.append(files[-1][:cut])
        header_id.append(headers.index(files[-1][:cut]))
        scans.append(files[-1][cut:])
    fields = {
        "headers": np.frombuffer(b"".join(headers), np.uint8),
        "header_len": np.array([len(header) for header in headers]),
        "header_id": np.array(header_id, np.uint8),
        "scans": np.frombuffer(b"".join(scans), np.uint8),
        "offsets": np.concatenate([[0], np.cumsum([len(scan) for scan in scans])]).astype(np.int64),
        "labels": labels.astype(np.uint8),
        **changes,
    }
    np.savez(path, **{name: field for name, field in fields.items() if field is not None})
    return files


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("shape", [(3, 4, 5), (7,)])
def test_read_idx_reads_files_packed_or_not(tmp_path, ending, shape):
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    write_idx(tmp_path / f"file{ending}", array)
    read = read_idx(tmp_path / f"file{ending}")
    assert (read == array).all()
    assert read.flags.writeable


def test_read_idx_refuses_broken_files_by_name(tmp_path):
    good = tmp_path / "good.gz"
    write_idx(good, np.zeros((3, 4), np.uint8))
    content = gzip.decompress(good.read_bytes())
    for name, broken, message in (
        ("short", content[:-1], r"cut short or longer than it says: shape \(3, 4\) needs 12 bytes, 11 follow"),
        ("long", content + b"x", "13 follow"),
        ("foreign", b"PNG and more", "is not an IDX file of unsigned bytes"),
        ("floats", b"\0\0\x0d" + content[3:], "is not an IDX file of unsigned bytes"),
        ("empty", b"", "is not an IDX file"),
        ("plain.gz", content, "cannot be read: Not a gzipped file"),
        ("cut.gz", good.read_bytes()[:-9], "cannot be read"),
    ):
        (tmp_path / name).write_bytes(broken)
        with pytest.raises(ValueError, match=message) as caught:
            read_idx(tmp_path / name)
        assert name in str(caught.value)


def test_read_jpeg_pack_decodes_as_the_single_files(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (1203, 8, 8, 3), dtype=np.uint8)
    labels = rng.integers(0, 200, 1203)
    files = write_jpeg_pack(tmp_path / "pack.npz", images, labels, qualities=(75, 90))
    decoded, read_labels = read_jpeg_pack(tmp_path / "pack.npz")
    expected = np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in files])
    assert decoded.dtype == np.uint8
    assert (decoded == expected).all()
    assert (read_labels == labels).all()
    assert read_labels.dtype == np.int64


def test_read_jpeg_pack_turns_grey_files_into_colour(tmp_path):
    write_jpeg_pack(tmp_path / "pack.npz", np.full((2, 8, 8), 100, np.uint8), np.array([0, 1]))
    decoded, _ = read_jpeg_pack(tmp_path / "pack.npz")
    assert decoded.shape == (2, 8, 8, 3)


def test_read_jpeg_pack_refuses_broken_packs(tmp_path):
    image = np.zeros((1, 8, 8, 3), np.uint8)
    write_jpeg_pack(tmp_path / "lacking.npz", image, np.array([0]), scans=None)
    write_jpeg_pack(tmp_path / "objects.npz", image, np.array([0]), scans=np.array([{}], object))
    (tmp_path / "foreign.npz").write_bytes(b"not a zip")
    for name in ("lacking", "objects", "foreign", "absent"):
        with pytest.raises(ValueError, match=rf"{name}.npz is not a pack of JPEG files with headers, header_len"):
            read_jpeg_pack(tmp_path / f"{name}.npz")
    write_jpeg_pack(tmp_path / "empty.npz", image[:0], np.array([]))
    with pytest.raises(ValueError, match="a pack without images"):
        read_jpeg_pack(tmp_path / "empty.npz")


def write_cifar(path, images: np.ndarray, labels: list[int], key: str = "labels", protocol: int = 2) -> None:
    flat = np.ascontiguousarray(images.transpose(0, 3, 1, 2).reshape(len(images), -1))
    content = {b"data": flat, key.encode(): labels, b"batch_label": b"batch", b"filenames": [b"a.png"] * len(labels)}
    path.write_bytes(pickle.dumps(content, protocol=protocol))


@pytest.mark.parametrize("key", ["labels", "fine_labels"])
def test_read_cifar_batch_reads_images_and_labels(tmp_path, key):
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    write_cifar(tmp_path / "batch", images, [3, 1, 4, 1, 5], key)
    read, labels = read_cifar_batch(tmp_path / "batch")
    assert (read == images).all()
    assert read.flags.c_contiguous
    assert labels.tolist() == [3, 1, 4, 1, 5]
    assert labels.dtype == np.int64


def test_read_cifar_batch_reads_the_bytes_of_python_2(tmp_path):
    """The published files: written by Python 2, whose strings are bytes, and by an old numpy."""
    data = bytes(range(256)) * 12
    # Opcodes in the order Python 2's cPickle wrote them, protocol 2.
    body = (
        b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b"
    )
    body += b"\x87Rq\x05(K\x01K\x01M\x00\x0c\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNNJ"
    body += b"\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" + len(data).to_bytes(4, "little") + data
    body += b"tbU\x06labelsq\x08]q\x09K\x07au."
    (tmp_path / "batch").write_bytes(body)
    images, labels = read_cifar_batch(tmp_path / "batch")
    assert labels.tolist() == [7]
    assert images.shape == (1, 32, 32, 3)
    flat = np.frombuffer(data, np.uint8)
    assert images[0, 2, 3].tolist() == [flat[c * 1024 + 2 * 32 + 3] for c in range(3)]


class Evil:
    def __reduce__(self):
        return (print, ("a pickle ran",))


class EvilNumpy:
    def __reduce__(self):
        return (np.fromfile, ("/etc/hostname",))


@pytest.mark.parametrize("evil", [Evil(), EvilNumpy(), sys.exit, print])
def test_read_cifar_batch_refuses_pickles_that_would_run_code(tmp_path, evil, capsys):
    (tmp_path / "batch").write_bytes(pickle.dumps({b"data": evil, b"labels": [0]}, protocol=2))
    with pytest.raises(ValueError, match="batch is not a CIFAR batch: it asks to run"):
        read_cifar_batch(tmp_path / "batch")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a pickle",
        pickle.dumps([1, 2]),
        pickle.dumps({b"data": np.zeros((2, 5), np.uint8), b"labels": [0, 1]}, protocol=2),
        pickle.dumps({b"data": np.zeros((2, 3072)), b"labels": [0, 1]}, protocol=2),
    ],
)
def test_read_cifar_batch_refuses_what_is_no_batch(tmp_path, content):
    (tmp_path / "batch").write_bytes(content)
    with pytest.raises(ValueError, match=r"batch is not a CIFAR batch: .* Take the files of cifar-10-python.tar.gz"):
        read_cifar_batch(tmp_path / "batch")
