"""Draw ``docs/images/views.png`` and ``docs/images/corruptions.png`` from CIFAR-10 and MNIST.

    KNOWNOT_DATA=FOLDER python benchmarks/draw_views.py

GradMix is drawn without a network: the strength of edges stands for the attribution.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from knownot.data import load_named
from knownot.views import (
    CORRUPTIONS,
    CutMix,
    FlipsAndShifts,
    GentleViews,
    GradMix,
    Mixup,
    SimCLRViews,
    corrupt,
)

IMAGES = Path(__file__).parents[1] / "docs" / "images"
FRAME, LABEL, COLUMNS = 2, 150, 8


def photos(name: str, n: int) -> Tensor:
    """One test image of each of the first n classes, (n, 3, 32, 32)."""
    found = load_named(name, "test")
    x, y = torch.as_tensor(found.x), torch.as_tensor(found.y)
    first = [int((y == label).nonzero()[2]) for label in y.unique()[:n]]
    images = x[first].float() / 255
    images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2)
    images = images.expand(-1, 3, -1, -1)
    return F.pad(images, [(32 - images.shape[3]) // 2] * 4)


def sheet(rows: dict[str, Tensor], times: int) -> Image.Image:
    """Rows of images with their names, each image magnified."""
    side = 32 * times + FRAME
    columns = max(map(len, rows.values()))
    page = Image.new("RGB", (LABEL + columns * side, len(rows) * side + FRAME), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(14)
    for i, (name, images) in enumerate(rows.items()):
        draw.text((6, i * side + side // 2), name, "black", font, anchor="lm")
        for j, image in enumerate(images):
            pixels = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
            large = Image.fromarray(pixels).resize((32 * times,) * 2, Image.Resampling.NEAREST)
            page.paste(large, (LABEL + j * side, i * side + FRAME))
    return page.quantize(256, dither=Image.Dither.NONE)


def edges(x: Tensor) -> Tensor:
    """Strength of edges, (N, 8, 8)."""
    grey = x.mean(1, keepdim=True)
    strength = (grey - F.avg_pool2d(grey, 5, 1, 2)).abs()
    return F.avg_pool2d(strength, 8, 4, 2)[:, 0]


def main() -> None:
    torch.manual_seed(0)
    colour, digits = photos("cifar10", COLUMNS), photos("mnist", COLUMNS)
    many = colour[5:6].expand(COLUMNS - 1, -1, -1, -1).contiguous()
    digit = digits[4:5].expand(COLUMNS - 1, -1, -1, -1).contiguous()
    attribution = edges(colour)
    rows = {
        "SimCLRViews": torch.cat([colour[5:6], SimCLRViews()(many)]),
        "FlipsAndShifts": torch.cat([colour[5:6], FlipsAndShifts(pixels=4, cutout=8)(many)]),
        "GentleViews": torch.cat([digits[4:5], GentleViews(elastic=1)(digit)]),
        "clean": colour,
        "Mixup": Mixup(alpha=20)(colour).x,
        "CutMix": CutMix(alpha=2)(colour).x,
        "GradMix": GradMix(ratio=(0.4, 0.4))(colour, attribution).x,
    }
    sheet(rows, 3).save(IMAGES / "views.png", optimize=True)
    pair = colour[[5, 6]]
    corrupted = {}
    for name in CORRUPTIONS:
        levels = [pair, *(corrupt(pair, name, severity) for severity in range(1, 6))]
        corrupted[name] = torch.cat([torch.stack(list(images)) for images in zip(*levels, strict=True)])
    sheet(corrupted, 2).save(IMAGES / "corruptions.png", optimize=True)


if __name__ == "__main__":
    main()
