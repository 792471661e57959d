"""Where the layers of two files differ.

`layer_outputs`: the outputs of each layer of a file for an image, as codes.
`single_layer`: a layer cut out of its file, run on its own.
`recompute`: whether a runtime computes what its file's integers say.
`extremes`: every layer on codes that images might never produce.
`divergence`: the first layer that diverges.
"""
