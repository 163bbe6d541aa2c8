"""Everything that trains and returns a table of results."""
