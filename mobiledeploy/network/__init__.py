"""The float network: layers with batch norm folded and plain NumPy weights.

Takes an `Architecture` and a Keras model or a Keras weights file; returns a `Network` and its cost
(MACs, parameters, peak memory). Nothing here depends on quantisation or data sets.

* `network`: an architecture with its float weights, and its file.
* `float_graph`: a float network as an importer reads it.
* `importers`: read such a network from files of any source.
* `simplify`: turns such a graph into one of an architecture's operators.
* `fold`: folds batch normalisation into the convolution before it.
* `cost`: MACs, parameters, int8 bytes and peak memory of an architecture.
* `keras_file`: reads a Keras weights or model file without Keras.
* `hdf5`: reads HDF5 files from any source safely.
* `keras_h5`: the two layouts in which Keras stores weights in HDF5 files.
* `keras_weights`: the weights of a file without a model, by its own layer names.
* `keras_variables`: the variables of a whole Keras model, by layer.
* `keras_config`: a Keras model's configuration as a flat list of layers.
* `table_matching`: compares the graph of a whole model with one of our tables.
* `weights_alone`: matches weights without a model with the layers of an architecture.
* `weight_matching`: decides which weights of a Keras file belong to which layer.
* `keras_model`: transfers weights from a Keras model in memory, or into one.
"""
