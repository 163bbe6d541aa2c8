"""The command line."""

from imbax.cli.main import main

__all__ = ["main"]
