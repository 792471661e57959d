"""Images and labels, and THE definition of how an image becomes a tensor.

In come a built-in data set or a folder of photos; out go a `Dataset` (names, labels, splits) and
8-bit pixels of the network's size. This room knows no network and no framework.
"""
