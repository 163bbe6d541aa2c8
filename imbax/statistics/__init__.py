"""Tests and intervals over any table of scores; no jax."""
