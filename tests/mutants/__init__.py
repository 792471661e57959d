"""Faults made on purpose, one a small function, in either of two files that are the same model."""
