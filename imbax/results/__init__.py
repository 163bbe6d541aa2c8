"""Results as an object, and all that computes or reads them: evaluate, search, run, load."""
