"""Networks that figures of memory or time are published for, as int8 files of weights without a meaning."""

import numpy as np

from mbhelpers.preprocessing import preset
from mbhelpers.records import Record


def untrained_int8(
    architecture: str, alpha: float, resolution: int, classes: int, *, input_type: str = "uint8",
    output_type: str = "float32",
) -> bytes:  # fmt: skip
    """An int8 .tflite file of a network of random weights: what it costs is the same with any, what it answers is none.

    Args:
        architecture: "mobilenet_v2", or "ssd_mobilenet_v2_fpnlite".
        alpha: width multiplier.
        resolution: of its input, in pixels.
        classes: how many, a detector's background not counted.
        input_type: uint8, int8 or float32.
        output_type: likewise.

    Raises:
        ValueError: as `build_classifier` or `build_ssd`.
    """
    from mbhelpers.models.families import build_classifier
    from mbhelpers.models.ssd import build_ssd, with_anchors
    from mbhelpers.quantization import tflite

    contract = preset("mbhelpers", resolution)
    if architecture.startswith("ssd_"):
        model = with_anchors(build_ssd(classes, alpha, contract, weights="none"))
    else:
        model = build_classifier(classes, alpha, contract, weights="none", architecture=architecture)
    noise = np.random.default_rng(0).integers(0, 256, (4, resolution, resolution, 3)).astype(np.uint8)
    record = Record(tuple(f"class {k}" for k in range(classes)), contract, {"weights": "random"})
    return tflite.to_int8(model, record, noise, input_type=input_type, output_type=output_type, repairs=())
