"""Run a build: from a configuration to a build folder.

`build`: runs the stages in order.
`prepare`: reads a model file and simplifies its network.
`known_inputs`: how photos or values become an input, and which class each output is.
`input_range`: how pixels become the input of an imported network.
`value_inputs`: values of a file, or random ones, as the input of an imported network.
`tasks`: what the outputs of an imported network are.
`class_order`: which class each output of an imported network is.
`preflight`: checks before the first photo is read.
`resume`: runs a stage, or reuses its result of an earlier run.
`quantize`: quantises a float model from a file.
`qat`: fine-tunes an imported network, and chooses the better of two candidates.
`quantise_images`: the images of a quantisation, photos or synthetic ones.
`inspect_float`: what a float file holds, and what `quantize` does with it.
`in_memory`: quantises a model that Python holds.
`convert`: converts a finished int8 file to the other format.
`carried_metadata`: what a converted `.tflite` says about itself.
`integer_graph`: makes an integer graph that computes what a finished file computes.
`float_logits`: a float network's logits.
`int8_logits`: an int8 network's logits.
`float_agreement`: how often int8 files answer as the float network does.
`stage_clock`: seconds of each stage.
`ladder`: quantises by one technique after the other, keeping those that help.
`distillation`: trains a quantised network by its float outputs.
`explain`: what int8 costs a build's accuracy, and where.
`calibrate`: ranges of tensors, measured on a representative dataset.
`other_network`: builds from a whole model that is none of our networks.
`stages`: the stages: train, quantise, export, verify.
`publish`: writes a build's files to the top of its folder.
"""
