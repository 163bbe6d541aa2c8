"""Training of neural methods in a cell: ensembles and their members, and the epoch that is kept."""
