"""The default engine: fake quantisation of the folded network, with calibrated ranges.

Nothing has to settle: batch norm is folded, the ranges stand from the first step and stay, and
kernels take their scales from their weights at every step. A step costs no more than a float
step with batch norm (benchmarks/qat_step.py).
"""

from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.data.pixels import Images
from mobiledeploy.network.network import Network
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.spec.config import QuantiseConfig
from mobiledeploy.training import fake_quant, folded, graph, loop, qat
from mobiledeploy.training.augment import Augmentation, augmentation
from mobiledeploy.training.checkpoint import Checkpoints
from mobiledeploy.training.folded import Pairs
from mobiledeploy.training.loss import objective
from mobiledeploy.training.model import Model


def train_quantised(
    network: Network,
    ranges: Ranges,
    images: Images,
    config: QuantiseConfig,
    *,
    augment: Augmentation,
    seed: int,
    checkpoints: Checkpoints | None = None,
    progress: Progress = silent,
) -> tuple[Network, Ranges]:
    """Return the network after training; the ranges stay. See `qat.Engine`."""
    variables = folded.variables_of(network)
    plan = qat.plan(config, seed)
    loop.train(
        model_of(network, variables, ranges),
        images.pixels,
        images.labels,
        plan,
        prepare=augmentation(augment, seed=seed, scaling=network.architecture.scaling),
        loss=objective(images.labels, network.architecture.classes),
        checkpoint=checkpoints.of("folded", network, ranges, images, plan, augment)
        if checkpoints
        else None,
        progress=progress,
    )
    return folded.network_of(network.architecture, variables), ranges


def model_of(network: Network, variables: Pairs, ranges: Ranges) -> Model:
    """Return the fake-quantised network as something to train."""
    apply = fake_quant.layers(variables)
    observe = fake_quant.activations(ranges)
    return Model(
        variables=tuple(variable for pair in variables.values() for variable in pair),
        logits=lambda inputs: graph.forward(network.architecture, inputs, apply, observe=observe),
    )
