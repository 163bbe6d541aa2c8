"""Statistical tests and intervals for tables of scores, without JAX."""
