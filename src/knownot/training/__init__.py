"""One loop for all modules: precision, devices, warm-up, early stopping, checkpoints, progress."""

from knownot.training.divergence import DivergenceError
from knownot.training.history import History, Record
from knownot.training.loop import train
from knownot.training.plan import TrainingPlan
from knownot.training.precision import choose_accelerator, choose_precision
from knownot.training.recipes import ADAM, FAST_SGD, Recipe
from knownot.training.settings import TrainingSettings

__all__ = [
    "ADAM",
    "FAST_SGD",
    "DivergenceError",
    "History",
    "Recipe",
    "Record",
    "TrainingPlan",
    "TrainingSettings",
    "choose_accelerator",
    "choose_precision",
    "train",
]
