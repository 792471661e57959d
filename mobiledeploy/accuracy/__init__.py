"""Make the int8 network answer as the float one: techniques after calibration, one a module.

- `observe`: computes tensors of a float graph for images, in LiteRT.
- `bias_correction`: biases that make up for the mean error of rounded weights.
- `range_by_error`: ranges with the least squared error, instead of the extremes.
- `agreement`: how closely the int8 network's logits follow the float network's.
"""
