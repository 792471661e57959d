"""Simplify an imported graph until every node is an operator of an `Architecture`.

Each pass is a function from a `FloatGraph` to another one that computes the same within float
rounding; its docstring says what holds afterwards.

* `channel_order`: the input's channels in another order, before all other passes.
* `unused`: removes nodes on which the output does not depend.
* `constant_operands`: arithmetic with constants.
* `clips`: consecutive clips.
* `hard_activations`: hard sigmoid and hard swish.
* `other_activations`: clips, hard sigmoids and ELUs that no operator has.
* `global_pools`: pools over the whole image.
* `affine`: batch normalisation.
* `pads`: padding.
* `reshapes`: reshapes of single pixels.
* `activations`: ReLUs behind other operators.
* `passes`: the passes in their order.
* `to_network`: makes a network of a simplified graph.
* `from_network`: makes such a graph of a network.
* `input_scaling`: how pixels become input values.
"""
