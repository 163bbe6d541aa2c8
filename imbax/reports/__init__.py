"""Reports: they read stored runs and say what these show."""
