"""Training: float, then quantisation-aware.

Takes an `Architecture`, weights and a `Dataset`; returns a `Network`. Only this
room, `models/` and the float exports import TensorFlow, and only when called.

* `tensorflow_setup`: imports TensorFlow without its messages, with deterministic kernels.
* `tensorflow_graph`: the forward pass of a network; one TensorFlow function per operator.
* `float_training`: training from random weights.
* `batch_norm`: batch normalisation in training, as one operation.
* `transfer`: training from given weights: the head first, then all layers.
* `imagenet_weights`: downloads the ImageNet weights of Keras applications.
* `qat`: the interface of quantisation-aware training.
* `qat_folded`: the default engine: fake quantisation of the folded network.
* `qat_tfmot`: the engine that uses tensorflow-model-optimization.
* `teacher`: distillation from the float network, alone or with labels.
* `fine_tune`: fine-tuning of an imported network, by its own float outputs or by labels.
* `loop`: the training loop that all of these use.
* `step`: one training step as a TensorFlow graph, Adam included.
* `loss`: cross entropy with smoothed labels.
* `augment`: random variations of training images.
* `early_stopping`: keeps the weights with the lowest loss on held-back examples.
* `checkpoint`: saves a run so that it can resume.
* `predict`: the float network's outputs for images.
"""
