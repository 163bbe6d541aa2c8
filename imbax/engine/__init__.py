"""Runs as an axis: vectorised programs, compiled pieces, devices, precision."""
