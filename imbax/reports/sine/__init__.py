"""Report on the suite `sine`."""
