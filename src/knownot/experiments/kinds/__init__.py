"""Kinds of measurements, one file or folder each: fields of the declaration, ``measure``, columns, figures.

A new kind is a new subclass of :class:`~knownot.experiments.declaration.Experiment` here; nothing else names it.
Declaring imports nothing heavy: torch, scikit-learn and matplotlib are imported where something is measured or drawn.
"""
