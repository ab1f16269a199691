"""Every table and figure of the papers as a declared experiment that anyone can run again."""

from knownot.experiments.catalogue import EXPERIMENTS, PAPERS, find_experiments
from knownot.experiments.context import Clock, Context, Measured, OutOfTime
from knownot.experiments.declaration import Column, Drawing, Experiment, Headline, Paper
from knownot.experiments.presets import Model, Preset
from knownot.experiments.queue import Item, queue
from knownot.experiments.records import Record
from knownot.experiments.results import Results
from knownot.experiments.running import Runner

__all__ = [
    "EXPERIMENTS",
    "PAPERS",
    "Clock",
    "Column",
    "Context",
    "Drawing",
    "Experiment",
    "Headline",
    "Item",
    "Measured",
    "Model",
    "OutOfTime",
    "Paper",
    "Preset",
    "Record",
    "Results",
    "Runner",
    "find_experiments",
    "queue",
]
