"""What int8 costs an ImageNet classifier that was read back from another's quantized .tflite file.

    .venv/bin/python benchmarks/int8_imagenet.py [MODEL.tflite IMAGES]

Model and images: slim's quantized MobileNetV2 1.0 224 and 250 images of ImageNet, one of every fourth class, in the
folder that MBHELPERS_REAL names; or a file and a folder as `mbhelpers evaluate` takes them.

The file is read back into a float model. Every image is judged by files whose calibration has not seen it: half of the
images, drawn by the seed, show the ranges for the other half, and the other way round. Int8 is held to the float model
on the same images, paired; so is the file itself. Results go to `results/imagenet/int8.json`.
"""

import argparse
import shlex
from pathlib import Path

import numpy as np
from training_step import rounded

from mbhelpers import settings
from mbhelpers.data.imagenet import read_imagenet
from mbhelpers.data.pipeline import load_images
from mbhelpers.evaluation.classification import compare
from mbhelpers.evaluation.imagenet import class_outputs
from mbhelpers.evaluation.intervals import wilson
from mbhelpers.files import sha256, write_json
from mbhelpers.inference.predictor import Predictor
from mbhelpers.models.dequantize import read_tflite
from mbhelpers.native import load_tensorflow
from mbhelpers.quantization.formats import convert
from mbhelpers.runs import machine, versions

RESULT = settings.results_folder() / "imagenet" / "int8.json"
FORMATS = ("int8", "int8_per_tensor", "onnx_qoperator", "onnx_qdq", "onnx_qdq_per_channel")


def main() -> None:
    """Measure one file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    real = settings.real_folder() or Path()
    coral = real / "peer_models" / "coral_imagenet" / "mobilenet_v2_1.0_224_quant.tflite"
    parser.add_argument("model", nargs="?", type=Path, default=coral)
    parser.add_argument("images", nargs="?", type=Path, default=real / "imagenet")
    parser.add_argument("--preset", default="slim")
    parser.add_argument("--seed", type=int, default=settings.DEFAULT_SEED)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    load_tensorflow()
    predictor, images = Predictor(given.model, preset=given.preset), read_imagenet(given.images)
    network, record, _ = read_tflite(given.model, preprocessing=predictor.preprocessing)
    pixels = load_images(images.root, images.paths, predictor.preprocessing)
    labels = class_outputs(predictor)[images.labels]
    order = np.random.default_rng(given.seed).permutation(len(pixels))
    halves = np.array_split(order, 2)
    scores = {
        "float": convert(network, record, "float32").predict(pixels),
        "the file itself": predictor.predict(pixels),
    }
    for name in FORMATS:
        scores[name] = np.zeros_like(scores["float"])
        for seen, judged in (halves, halves[::-1]):
            made = convert(network, record, name, pixels[seen[: settings.CALIBRATION_IMAGES]])
            scores[name][judged] = made.predict(pixels[judged])
        print(name, rounded(compare(scores["float"], scores[name], labels)), flush=True)
    right = {name: int((each.argmax(1) == labels).sum()) for name, each in scores.items()}
    write_json(
        given.out,
        {
            "command": shlex.join([".venv/bin/python", "benchmarks/int8_imagenet.py"]),
            "data": {
                "model": given.model.name,
                "sha256": sha256(given.model),
                "images": len(pixels),
                "calibration_images": min(settings.CALIBRATION_IMAGES, min(map(len, halves))),
            },
            "seed": given.seed,
            "machine": machine(),
            "versions": versions(),
            "top1": {
                name: rounded(
                    {"n": len(labels), "correct": n, "top1": n / len(labels), "interval": wilson(n, len(labels))}
                )
                for name, n in right.items()
            },
            "paired": {
                name: rounded(compare(scores["float"], each, labels))
                for name, each in scores.items()
                if name != "float"
            },
        },
    )


if __name__ == "__main__":
    main()
