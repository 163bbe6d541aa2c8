"""The report of the suite `sine`."""
