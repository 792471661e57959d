"""Do two files give the same outputs for the same images, in every runtime.

`opened_file`: a file that is read into layers and can be run.
`model_input`: from pixels to a file's input.
`image_sets`: the images to compare on.
`answers`: what a file answers, in steps of one grid.
`parity`: how the answers of two participants differ.
`runners`: each file in each of its runtimes.
`stream`: images through several runtimes at once.
`totals`: what all answers add up to.
`int8_files`: compare two int8 files on images.
`float_files`: compare two files that compute in floats.
`accuracy`: how often files are right.
`golden`: golden vectors, images with the answers that a device has to give.
`why_runtimes_differ`: why a runtime does not compute what its file says.
"""
