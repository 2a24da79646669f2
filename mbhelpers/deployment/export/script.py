"""What `infer.py` of a deployed folder does on the command line, whatever the model's task."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers.deployment.export.network import End, Network
from mbhelpers.deployment.export.replay import content, replay
from mbhelpers.inference.raw import as_input, as_values
from mbhelpers.preprocessing import Preprocessing


class Deployed:
    """The folder's model, ready for pictures.

    Attributes:
        labels: a name for each class.
        preprocessing: how pictures are prepared for it.
    """

    def __init__(self, model: dict[str, Any], folder: Path):
        """Open `model.tflite` of a folder; `model` holds sha256, preprocessing, labels, input and outputs."""
        content(folder / "model.tflite", model["sha256"])
        self.labels: tuple[str, ...] = tuple(model["labels"])
        self.preprocessing = Preprocessing.from_json(model["preprocessing"])
        self._input, self._outputs = End(**model["input"]), [End(**output) for output in model["outputs"]]
        self._network = Network(folder / "model.tflite")

    def __call__(self, path: Path | str) -> tuple[list[tuple[str, np.ndarray]], tuple[int, int]]:
        """Name and values of each output for a picture file, and the upright picture's width and height."""
        pixels, size = self.preprocessing.load_with_size(path)
        raw = self._network(as_input(pixels, np.dtype(self._input.type), self.preprocessing)[None])
        values = [as_values(found, end.scale, end.zero_point) for found, end in zip(raw, self._outputs, strict=True)]
        return [(end.name, found) for end, found in zip(self._outputs, values, strict=True)], size


def run(
    model: dict[str, Any],
    folder: Path,
    parser: argparse.ArgumentParser,
    answer: Callable[[Deployed, str, argparse.Namespace], dict[str, Any]],
    tell: Callable[[dict[str, Any]], list[str]],
) -> int:
    """Answer the command line.

    Args:
        model: what `Deployed` takes.
        folder: where model.tflite and vectors/ lie.
        parser: with the options of the task; the common ones are added here.
        answer: what the model says of a picture file, as plain data.
        tell: the same in lines.

    Returns:
        The exit status: 0; 1 where a test vector differs; 2 after an error, which is told in one line.
    """
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="JPEG, PNG, BMP or WebP files")
    parser.add_argument("--check", action="store_true", help="replay the test vectors, instead of reading images")
    parser.add_argument("--json", action="store_true", help="print JSON for a program to read")
    options = parser.parse_args()
    if bool(options.images) == options.check:
        parser.error("pass images, or --check alone")
    try:
        if options.check:
            told = replay(folder, tuple(End(**output) for output in model["outputs"]))
            print(json.dumps(told, indent=1, ensure_ascii=False) if options.json else "\n".join(report(told)))
            return int(bool(told["differences"]))
        deployed = Deployed(model, folder)
        results = [answer(deployed, image, options) for image in options.images]
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    lines = [line for result in results for line in tell(result)]
    print(json.dumps(results, indent=1, ensure_ascii=False) if options.json else "\n".join(lines))
    return 0


def report(told: dict[str, Any]) -> list[str]:
    """What `replay` found, in lines."""
    lines = [f"{told['vectors']} vectors made with {told['made_with']}, replayed with {told['runtime']}"]
    for kernels in told["kernels"]:
        apart = [one for one in told["differences"] if one["kernels"] == kernels]
        lines.append(f"{kernels} kernels: {'DIFFERENT' if apart else 'bit-exact'}")
        for one in apart:
            far = f"{one['largest']:.3g} step(s)" if one["unit"] == "steps" else f"{one['largest']:.3g}"
            lines.append(f"  {one['vector']}, {one['output']}: {one['values']} values differ, by {far} at most")
    return lines + [f"{kernels} kernels: not compared, {reason}" for kernels, reason in told["missing"].items()]
