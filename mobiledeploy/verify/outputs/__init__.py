"""Whether two files give the same outputs for the same images, in every runtime.

`opened_file`: a file that is read into layers and can be run.
`model_input`: from pixels to a file's input.
`input_choice`: chooses how pixels become an input, by the answers.
`float_input`: how pixels become the input of a file that has no grid there.
`image_sets`: the images to compare on.
`answers`: a file's outputs, in steps of one grid.
`parity`: how the outputs of two participants (a file in a runtime) differ.
`runners`: each file in each of its runtimes.
`stream`: images through several runtimes at once.
`totals`: the differences of all participants, added up over all images.
`int8_files`: compare two int8 files on images.
`float_files`: compare two files that compute in floats.
`accuracy`: how often a file finds the true class.
`golden`: golden vectors, images with the outputs that a device has to reproduce.
`why_runtimes_differ`: why a runtime does not compute what its file says.
"""
