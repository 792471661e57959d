"""MobileNet V1 and V2: the papers' tables as data, and Keras models from them.

Functions and constants only; the types live in `mobiledeploy.ops.architecture`. To add an
architecture: one file with `architecture()`, its name in `registry.py` and `config.ALPHAS`, its
golden rows.
"""
