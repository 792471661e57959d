"""The float network: layers with batch norm folded and plain NumPy weights.

In come an `Architecture` and a Keras model or a Keras weights file; out go a `Network` and what
it costs (MACs, parameters, peak memory). This room knows neither quantisation nor datasets.
"""
