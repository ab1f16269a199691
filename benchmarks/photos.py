"""Photos as a phone takes them: reading, learning and predicting a folder of them, in seconds and peak memory.

    python benchmarks/photos.py [--photos 60] [--epochs 2] [--json]

Sixty JPEGs of 12 megapixels in three classes, quality 90, some held upright and so turned by their EXIF
orientation, are made in a temporary folder, and as many of 640 x 480 pixels. Each step then runs in a
process of its own, whose peak resident memory the system tells when it ends: the imports alone,
`read_folder`, `knownot fit`, `knownot predict`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZES = {"12 megapixels": (4032, 3024), "640 x 480": (640, 480)}
CLASSES = ("plain", "stripes", "discs")
ORIENTATIONS = (1, 6, 1, 3, 8)
IMPORT = "import knownot.data"
READ = "import sys; from knownot.data import read_folder; print(*read_folder(sys.argv[1]).x.shape)"


def photo(kind: str, width: int, height: int, rng: np.random.Generator) -> Image.Image:
    """Smooth random colours, a structure that tells the class, and the grain of a sensor."""
    few = Image.fromarray(rng.integers(40, 216, (6, 8, 3), dtype=np.uint8))
    smooth = np.asarray(few.resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    pitch, shift = width // rng.integers(8, 13), rng.integers(width)
    columns, rows = np.arange(width), np.arange(height)[:, None]
    structure: NDArray[np.bool_] = {
        "plain": np.zeros((1, 1), bool),
        "stripes": (columns[None] + shift) % pitch < pitch // 2,
        "discs": ((columns + shift) % pitch - pitch / 2) ** 2 + (rows % pitch - pitch / 2) ** 2 < (pitch / 3) ** 2,
    }[kind]
    smooth += (40 * structure).astype(np.int16)[..., None]
    tile = rng.normal(0, 6, (256, 256, 3)).round().astype(np.int16)
    smooth += np.tile(tile, (height // 256 + 1, width // 256 + 1, 1))[:height, :width]
    return Image.fromarray(smooth.clip(0, 255).astype(np.uint8))


def make_photos(folder: Path, n: int, width: int, height: int) -> None:
    """Write n photos into one folder for each class."""
    rng = np.random.default_rng(0)
    for i in range(n):
        kind = CLASSES[i % len(CLASSES)]
        exif = Image.Exif()
        exif[0x0112] = ORIENTATIONS[i % len(ORIENTATIONS)]
        (folder / kind).mkdir(parents=True, exist_ok=True)
        photo(kind, width, height, rng).save(folder / kind / f"{i:03}.jpg", quality=90, exif=exif)


def measure(arguments: list[str]) -> dict[str, float | str]:
    """Seconds, peak resident memory in MiB and the output of one run of this interpreter."""
    start = time.perf_counter()
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}.")
    kibibyte = 1 if sys.platform != "darwin" else 1024
    return {
        "seconds": round(time.perf_counter() - start, 2),
        "peak_mib": round(usage.ru_maxrss / kibibyte / 1024, 1),
        "output": output.strip(),
    }


def steps(folder: Path, epochs: int) -> dict[str, dict[str, float | str]]:
    """Measure each step on the photos of a folder."""
    photos, model = str(folder / "photos"), str(folder / "model.safetensors")
    command = ["-m", "knownot"]
    measure(["-c", IMPORT])  # byte code and the page cache, once
    found = {
        "import": measure(["-c", IMPORT]),
        "read_folder": measure(["-c", READ, photos]),
        "fit": measure([*command, "fit", photos, "--model", model, "--epochs", str(epochs), "--quiet", "--json"]),
        "predict": measure([*command, "predict", model, photos, "--out", str(folder / "out.csv"), "--quiet"]),
    }
    return {
        name: {key: value for key, value in run.items() if key != "output" or name == "read_folder"}
        for name, run in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=60, help="how many of each size (default 60)")
    parser.add_argument("--epochs", type=int, default=2, help="of the training (default 2)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    result = {}
    for name, (width, height) in SIZES.items():
        with tempfile.TemporaryDirectory() as folder:
            photos = Path(folder, "photos")
            # In a process of its own: a child's peak begins at that of the process that starts it.
            maker = get_context("spawn").Process(target=make_photos, args=(photos, options.photos, width, height))
            maker.start()
            maker.join()
            result[name] = steps(Path(folder), options.epochs)
    if options.json:
        print(json.dumps({"photos": options.photos, "epochs": options.epochs, "sizes": result}))
        return
    for name, found in result.items():
        print(f"{options.photos} photos of {name}, read as {found['read_folder']['output']}")
        for step, run in found.items():
            print(f"  {step:12}{run['seconds']:8.2f} s{run['peak_mib']:10.1f} MiB")


if __name__ == "__main__":
    main()
