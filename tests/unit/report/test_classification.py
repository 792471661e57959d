"""Confusions add up, and confidence is the softmax of the logits."""

import numpy as np

from mobiledeploy.report import classification
from mobiledeploy.report.document import Report
from mobiledeploy.verify.outputs.parity import Answers


def test_confusions_add_up_and_mistakes_are_sorted_by_confidence(labelled: Report) -> None:
    classified = labelled.classification
    assert classified is not None
    assert sum(cell.images for cell in classified.confusion) == classified.images
    right = sum(cell.images for cell in classified.confusion if cell.label == cell.predicted)
    assert right == classified.correct == labelled.verify.scores[0].labels.correct
    sure = [image.confidence for image in labelled.shown if image.why == "mistake"]
    assert sure == sorted(sure, reverse=True)
    wrong = {image.label != image.predicted for image in labelled.shown if image.why == "mistake"}
    assert wrong == {True}


def test_the_confidence_is_the_softmax_of_real_logits() -> None:
    logits = np.array([[10, -20, 30], [5, 5, 5]], np.int16)
    confidences = classification.confidences(Answers(logits=logits, scores=None), 0.1)
    np.testing.assert_allclose(confidences, [np.exp(3) / np.exp([1, -2, 3]).sum(), 1 / 3])
