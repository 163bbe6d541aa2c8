"""The report of a suite of tables."""
