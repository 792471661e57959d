"""The fast forward pass computes the same as the Keras model."""

import numpy as np
import pytest

from mobiledeploy.data.pixels import Images
from mobiledeploy.models import keras_builder
from mobiledeploy.ops.architecture import Architecture
from mobiledeploy.training import batch_norm, tensorflow_setup
from mobiledeploy.training.augment import SIGNED
from mobiledeploy.training.tensorflow_graph import to_input

pytestmark = pytest.mark.tensorflow


def test_a_training_pass_equals_keras(architecture: Architecture, images: Images) -> None:
    tf = tensorflow_setup.tensorflow()
    inputs = to_input(images.pixels, SIGNED)
    ours, keras = (keras_builder.build(architecture) for _ in range(2))
    keras.set_weights(ours.get_weights())
    model = batch_norm.model_of(architecture, ours)

    scores = tf.nn.softmax(model.logits(inputs))

    np.testing.assert_allclose(scores, keras(inputs, training=True), atol=1e-6)
    for moved, expected in zip(ours.get_weights(), keras.get_weights(), strict=True):
        np.testing.assert_allclose(moved, expected, rtol=1e-5, atol=1e-6)


def test_moving_averages_are_updated_as_in_keras(
    architecture: Architecture, images: Images
) -> None:
    model = batch_norm.model_of(architecture, keras_builder.build(architecture))
    before = [variable.numpy() for variable in model.statistics]
    model.logits(to_input(images.pixels, SIGNED))
    assert len(before) == 6
    assert all(
        (variable.numpy() != old).any()
        for variable, old in zip(model.statistics, before, strict=True)
    )


def test_every_variable_is_trained_or_a_moving_average(architecture: Architecture) -> None:
    keras = keras_builder.build(architecture)
    model = batch_norm.model_of(architecture, keras)
    assert len(model.variables) == len(keras.trainable_variables)
    assert len(model.statistics) == len(keras.non_trainable_variables)
    assert len({id(variable) for variable in model.all_variables}) == len(keras.variables)
