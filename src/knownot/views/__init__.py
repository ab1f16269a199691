"""What is done to images and rows before a network sees them: views, mixing, attribution.

All work on a batch at once, on the device it is on. Images are float32 tensors (N, C, H, W) in [0, 1], and results
are too. Random numbers come from torch's default generator of that device, so a seed repeats them.
"""

from knownot.views.attribution import aggregate, gradcam, layercam
from knownot.views.mixing import CutMix, GradMix, Mixed, Mixup
from knownot.views.simclr import SimCLRViews

__all__ = [
    "CutMix",
    "GradMix",
    "Mixed",
    "Mixup",
    "SimCLRViews",
    "aggregate",
    "gradcam",
    "layercam",
]
