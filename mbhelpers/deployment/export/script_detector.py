"""`infer.py` of a detector: the objects in pictures."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers.deployment.export.script import Deployed, run
from mbhelpers.detection.boxes import area, clip
from mbhelpers.detection.outputs import detect


def find(
    deployed: Deployed, image: Path | str, *, threshold: float = 0.5, iou: float = 0.5, limit: int = 100
) -> dict[str, Any]:
    """The objects in a picture file: class, score, and box (left, top, right, bottom in pixels), the likeliest first.

    Args:
        deployed: the model.
        image: any file that Pillow can read.
        threshold: the score that must be passed, 0 to 1.
        iou: of two boxes of a class that overlap by more, the less sure one is dropped; a file that suppresses
            overlaps itself has its own.
        limit: objects, at most.
    """
    outputs, size = deployed(image)
    found = detect(outputs, classes=len(deployed.labels), score_threshold=threshold, iou_threshold=iou, limit=limit)
    boxes = clip(deployed.preprocessing.boxes_to_picture(found.boxes, *size))
    objects = [
        {
            "class": deployed.labels[found.labels[k]],
            "score": float(found.scores[k]),
            "box": [round(float(end), 1) for end in boxes[k] * np.tile(size, 2)],
        }
        for k in np.flatnonzero(area(boxes) > 0)
    ]
    return {"image": str(image), "found": objects}


def tell(result: dict[str, Any]) -> list[str]:
    """An answer in lines."""
    lines = [f"\n{result['image']}: {len(result['found'])} found"]
    for one in result["found"]:
        left, top, right, bottom = one["box"]
        lines.append(f"{100 * one['score']:6.1f} %  {one['class']}  {left:.0f}, {top:.0f}, {right:.0f}, {bottom:.0f}")
    return lines


def main(model: dict[str, Any], folder: Path) -> int:
    """The command line; see `run`."""
    parser = argparse.ArgumentParser(description="Find objects in pictures: class, score, and box in pixels.")
    parser.add_argument("--threshold", type=float, default=0.5, help="the score that must be passed (default 0.5)")
    parser.add_argument("--iou", type=float, default=0.5, help="how far boxes of a class may overlap (default 0.5)")
    parser.add_argument("--limit", type=int, default=100, help="objects of a picture, at most (default 100)")

    def answer(deployed: Deployed, image: str, options: argparse.Namespace) -> dict[str, Any]:
        for name in ("threshold", "iou"):
            if not 0 <= getattr(options, name) <= 1:
                raise ValueError(f"--{name} is from 0 to 1, not {getattr(options, name)}")
        if options.limit < 1:
            raise ValueError(f"--limit is one or more, not {options.limit}")
        return find(deployed, image, threshold=options.threshold, iou=options.iou, limit=options.limit)

    return run(model, folder, parser, answer, tell)
