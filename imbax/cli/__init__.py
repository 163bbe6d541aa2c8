"""Command-line interface."""

from imbax.cli.main import main

__all__ = ["main"]
