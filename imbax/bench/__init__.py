"""Benchmarks of the main kernels on this machine, compared with a roofline.

`kernels` lists what is timed, `operations` counts the necessary operations, `timing` has the clock
and the machine's rates, `measure` runs and stores the measurements, `report` makes the table and
the figure, and `peers_torch` implements the same steps in PyTorch.
"""
