"""MobileNet V1 and V2: the papers' tables as data, and Keras models from them.

Functions and constants only; the types are in `mobiledeploy.ops.architecture`. To add an
architecture: one module with `architecture()`, its name in `registry` and in `config.ALPHAS`, its
golden rows.

* `registry`: the architectures by name.
* `mobilenet_v1`: the table of MobileNet V1.
* `mobilenet_v2`: the table of MobileNet V2.
* `blocks`: the building blocks of both.
* `keras_builder`: builds a Keras model from an architecture.
"""
