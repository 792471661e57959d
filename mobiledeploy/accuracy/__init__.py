"""Make the int8 network answer as the float one: techniques after calibration, one a module.

`observe`: computes tensors of a float graph for images, in LiteRT.
`bias_correction`: biases that make up for the mean error of rounded weights.
`range_by_error`: ranges with the least squared error, instead of the extremes.
`equalisation`: channels of neighbouring layers rescaled, so that their weights are of one size.
`weight_rounding`: weights rounded so that a layer's outputs, not its weights, are nearest.
`one_layer`: what each layer costs, by quantising it alone.
`agreement`: how closely the int8 network's logits follow the float network's.
"""
