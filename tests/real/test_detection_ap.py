"""Average precision on real COCO boxes, found by a detector that is drawn: ours is that of pycocotools."""

import numpy as np
import pytest

from mbhelpers.data import coco
from mbhelpers.data.predictions import Predictions
from mbhelpers.evaluation.detection import COCO, evaluate
from mbhelpers.evaluation.detection_coco import coco_evaluate

pytestmark = pytest.mark.real


def perturbed(found, seed: int) -> Predictions:
    """Most true boxes, moved by some of their size and one in three twice, and boxes anywhere."""
    rng = np.random.default_rng(seed)
    images = []
    for image in range(len(found)):
        part = found.of(image)
        number = rng.choice(3, part.stop - part.start, p=(0.25, 0.42, 0.33))
        boxes, labels = np.repeat(found.boxes[part], number, axis=0), np.repeat(found.labels[part], number)
        boxes = boxes + rng.normal(0, 0.08, boxes.shape) * np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        wild = rng.poisson(3)
        boxes = np.concatenate([boxes, rng.random((wild, 4))])
        boxes = np.sort(boxes.reshape(-1, 2, 2), axis=1).reshape(-1, 4)
        labels = np.concatenate([labels, rng.choice(found.labels, wild)])
        images.append((boxes, rng.random(len(boxes)).round(3), labels))
    return Predictions.from_images(images)


def test_ours_equals_pycocotools(real):
    found = coco.read_folder(real / "coco")
    assert found.crowd.any()
    predicted = perturbed(found, 1)
    ours, theirs = evaluate(found, predicted, COCO), coco_evaluate(found, predicted)
    wanted = [theirs[name] for name in ("ap", "ap50", "ap75", "small", "medium", "large")]
    got = [ours["ap"], *(ours["by_threshold"][iou] for iou in ("0.5", "0.75")), *ours["by_size"].values()]
    assert got == pytest.approx(wanted, abs=1e-12)
    assert all(0.05 < ap < 0.95 for ap in got)
    for mine, other in zip(ours["per_class"], theirs["per_class"], strict=True):
        assert mine["ap"] == (other["ap"] if other["ap"] is None else pytest.approx(other["ap"], abs=1e-12))
