"""The command `knownot`: it parses, calls the layers below and prints.

Nothing heavy is imported before a command has been understood, so that `knownot --help` is fast.
"""

from knownot.cli.app import app, main

__all__ = ["app", "main"]
