"""Results as an object, and the functions that return it: evaluate, search, load."""
