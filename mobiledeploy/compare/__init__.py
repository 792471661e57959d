"""Two files compared by the numbers that stand in them, layer by layer.

In come two readings; out goes a report of what differs, whether it can change an output, and why
in words. Nothing is run: what no image at hand shows is found as well.

`align`: which layer of one file corresponds to which of another.
`judge`: how two files compare, layer by layer; the one list that all others read.
`layer_fields`: in which fields two layers differ.
`kernel_difference`: what was done to one kernel to get another.
`input_output`: how two files take an image and give an answer.
`reachable_codes`: which codes each channel can take at all.
`same_function`: whether two layers give the same codes for every input.
`same_network`: whether two files hold the same real weights.
`difference`: `Difference` and `StructureReport`, as plain data.
`diagnosis`: the report, with what is the matter in words.
"""
