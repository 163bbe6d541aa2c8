"""Readers of files and of known collections; splits, preprocessing and scaling in NumPy."""
