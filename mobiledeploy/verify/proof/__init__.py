"""What holds for two files whatever the input.

`layer_proofs`: the proof of each layer.
`certificate`: what is proven of two files, what sampled, and what not.
"""
