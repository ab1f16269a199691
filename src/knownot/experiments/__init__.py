"""Every table and figure of the papers as a declared experiment that anyone can run again."""

from knownot.experiments.catalogue import EXPERIMENTS, find_experiments
from knownot.experiments.declaration import Experiment, Headline, Method, Model, Preset
from knownot.experiments.queue import Item, queue
from knownot.experiments.results import Record, Results
from knownot.experiments.running import Clock, OutOfTime, Runner

__all__ = [
    "EXPERIMENTS",
    "Clock",
    "Experiment",
    "Headline",
    "Item",
    "Method",
    "Model",
    "OutOfTime",
    "Preset",
    "Record",
    "Results",
    "Runner",
    "find_experiments",
    "queue",
]
