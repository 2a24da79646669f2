"""Our suppression against TensorFlow's."""

import numpy as np
import pytest

from mbhelpers.detection.boxes import swap_xy
from mbhelpers.detection.nms import nms


@pytest.mark.parametrize("iou_threshold", [0.3, 0.5, 0.75])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("limit", [20, 2000])
def test_the_same_boxes_as_tensorflow(iou_threshold, ties, limit):
    import tensorflow as tf

    rng = np.random.default_rng(2026)
    corner, size = rng.random((2, 2000, 2))
    boxes = np.concatenate([corner, corner + 0.4 * size], axis=1).astype(np.float32)
    boxes[:20, 2] = boxes[:20, 0]  # without width
    scores = rng.random((2000, 1)).astype(np.float32)
    if ties:  # as those of an int8 file
        scores = (scores * 32).round() / 32
    kept, _ = nms(boxes, scores, score_threshold=0.1, iou_threshold=iou_threshold, limit=limit)
    theirs = tf.image.non_max_suppression(
        swap_xy(boxes), scores[:, 0], limit, iou_threshold=iou_threshold, score_threshold=0.1
    )
    np.testing.assert_array_equal(kept, theirs.numpy())
    assert len(kept) == limit or 20 < len(kept) < 2000
