"""Experiments on the sine wave."""
