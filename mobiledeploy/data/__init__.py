"""Images and labels, and the one definition of how an image becomes a tensor.

Takes a built-in data set or a folder of photos; returns a `Dataset` (names, labels, splits) and
8-bit pixels of the network's size. Nothing here depends on a network or a framework.

* `class_names`: names of classes: from files of labels, and which mean the same.
* `dataset`: images with names, labels and a fixed split.
* `sources`: opens a data set by its name.
* `digits`: the built-in handwritten digits.
* `folder`: opens a folder of photos.
* `image_formats`: which image formats are read.
* `image_files`: finds the image files under a folder.
* `split`: splits a data set into training, validation and test images.
* `preprocess`: the definition of decode, crop and resize.
* `resize`: the integer resize.
* `pixels`: decodes the images of a data set to arrays.
* `pixel_store`: the decoded images of a build on disk.
* `evaluation`: the held-back images that a build folder carries.
* `test_card`: a photo made by a formula, by which an app checks its preprocessing.
"""
