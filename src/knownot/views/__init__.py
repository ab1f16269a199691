"""What is done to images and rows before a network sees them: views, mixing, attribution, corruptions.

All work on a batch at once, on the device it is on. Images are float32 tensors (N, C, H, W) in [0, 1], and results
are too. Random numbers come from torch's default generator of that device, so a seed repeats them; corruptions, which
test sets are made of, have a seed of their own.
"""

from knownot.views.attribution import aggregate, gradcam, layercam
from knownot.views.corruptions import CORRUPTIONS, corrupt
from knownot.views.gentle import GentleViews
from knownot.views.mixing import CutMix, GradMix, Mixed, Mixup
from knownot.views.shifts import FlipsAndShifts
from knownot.views.simclr import SimCLRViews
from knownot.views.tabular import TabularViews

__all__ = [
    "CORRUPTIONS",
    "CutMix",
    "FlipsAndShifts",
    "GentleViews",
    "GradMix",
    "Mixed",
    "Mixup",
    "SimCLRViews",
    "TabularViews",
    "aggregate",
    "corrupt",
    "gradcam",
    "layercam",
]
