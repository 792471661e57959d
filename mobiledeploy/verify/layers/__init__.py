"""Where do the layers of two files differ.

`layer_outputs`: what each layer of a file gives for an image, as codes.
`single_layer`: a layer cut out of its file, run on its own.
`recompute`: whether a runtime computes what its file's integers say.
`extremes`: every layer on codes that no image may bring about.
`divergence`: the first layer that diverges.
"""
