"""Two files compared by the numbers they hold, layer by layer.

Takes two readings; returns a report of what differs, whether it can change an output, and why.
Nothing is run, so differences are found that no image at hand shows.

`align`: which layer of one file corresponds to which of another.
`judge`: how two files compare, layer by layer; all reports are made from its list.
`layer_fields`: in which fields two layers differ.
`kernel_difference`: how one kernel was made from another, such as by swapped channels.
`input_output`: how two files' inputs and outputs differ.
`reachable_codes`: which codes each channel can take for any image.
`same_function`: whether two layers give the same codes for every input.
`numbered_codes`: a number for each tensor, equal for tensors that always hold equal codes.
`other_forms`: which differences are of layers in another form that give the same codes.
`same_network`: whether two files hold the same real weights.
`difference`: `Difference` and `StructureReport`, as plain data.
`diagnosis`: the report, with the cause of the differences in words.
"""
