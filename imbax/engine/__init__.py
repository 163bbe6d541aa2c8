"""Execution of runs as an axis: vectorised programs, compiled pieces, devices, precision."""
