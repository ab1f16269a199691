"""Readers, splits and protocols, synthetic shapes, in-memory batches.

Importing this subpackage loads numpy, torch and Pillow; pandas, scikit-learn, scipy and the Hugging Face
``datasets`` are loaded by the readers that need them.
"""

from knownot.data.action_units import (
    ACTION_UNIT_SETS,
    ActionUnits,
    load_action_units,
    read_disfa,
    read_fera2015,
)
from knownot.data.arrays import Dataset, check_finite, check_label_matrix, check_labels, image_tensor, label_codes
from knownot.data.balanced import BalancedBatches
from knownot.data.batches import Batch, InMemoryBatches
from knownot.data.binarising import binarise, draw_pixels
from knownot.data.complexity import compressed_bits
from knownot.data.folders import read_folder, read_images
from knownot.data.hidden_classes import LeaveClassesOut, hidden_groups, hold_back
from knownot.data.named import NAMED, NamedSet, load_named
from knownot.data.named_tables import NAMED_TABLES, load_named_table
from knownot.data.protocols import PROTOCOLS, Protocol
from knownot.data.sources import read_npz, read_source
from knownot.data.splits import OpenSetPartition, OpenSetSplit, open_set_partition, open_set_split
from knownot.data.synthetic import arcs, blobs, pinwheel, rings
from knownot.data.tables import read_table

__all__ = [
    "ACTION_UNIT_SETS",
    "NAMED",
    "NAMED_TABLES",
    "PROTOCOLS",
    "ActionUnits",
    "BalancedBatches",
    "Batch",
    "Dataset",
    "InMemoryBatches",
    "LeaveClassesOut",
    "NamedSet",
    "OpenSetPartition",
    "OpenSetSplit",
    "Protocol",
    "arcs",
    "binarise",
    "blobs",
    "check_finite",
    "check_label_matrix",
    "check_labels",
    "compressed_bits",
    "draw_pixels",
    "hidden_groups",
    "hold_back",
    "image_tensor",
    "label_codes",
    "load_action_units",
    "load_named",
    "load_named_table",
    "open_set_partition",
    "open_set_split",
    "pinwheel",
    "read_disfa",
    "read_fera2015",
    "read_folder",
    "read_images",
    "read_npz",
    "read_source",
    "read_table",
    "rings",
]
