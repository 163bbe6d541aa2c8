"""Report on a suite of images."""
