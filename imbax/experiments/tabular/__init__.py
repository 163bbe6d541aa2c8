"""Experiments on tables."""
