"""The report of a suite of images."""
