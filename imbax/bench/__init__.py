"""How long the main kernels take on this machine, and how near that is to what it can do.

`kernels` has what is timed, `operations` what it cannot do without, `timing` the clock and the
machine's own rates, `measure` the loop that keeps each figure as it comes, `report` the table and
the figure, `peers_torch` the same steps in PyTorch.
"""
