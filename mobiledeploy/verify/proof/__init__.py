"""What holds for two files for every input.

`layer_proofs`: the proof of each layer.
`certificate`: what is proven of two files, what is only sampled, and what is neither.
"""
