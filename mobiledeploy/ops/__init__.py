"""Operators and how they are joined: no weights, no framework.

`architecture` holds the layers of a network and their shapes.
"""
