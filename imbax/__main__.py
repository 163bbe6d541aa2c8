"""Command line as a module: ``python -m imbax``."""

import sys

from imbax.cli import main

if __name__ == "__main__":
    sys.exit(main())
