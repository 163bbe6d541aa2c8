"""Reports, figures and tables made from stored runs."""
