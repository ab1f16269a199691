"""Readers, splits and protocols, synthetic shapes, in-memory batches."""

from knownot.data.arrays import Dataset, check_finite, check_labels, image_tensor
from knownot.data.batches import Batch, InMemoryBatches

__all__ = ["Batch", "Dataset", "InMemoryBatches", "check_finite", "check_labels", "image_tensor"]
