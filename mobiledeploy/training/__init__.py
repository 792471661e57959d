"""Training: float, then quantisation-aware.

In come an `Architecture`, weights and a `Dataset`; out go a `Network` and `Ranges`. With
`models/` and the float exports this is the only room that imports TensorFlow, and only when
called.
"""
