"""A .tflite file in LiteRT: raw tensors in, raw tensors out."""

import importlib
import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

KERNELS = {"default": "AUTO", "reference": "BUILTIN_REF"}
"""Sets of kernels, and LiteRT's names for them: those it takes by itself (XNNPACK's where they fit, which depend on the
processor), and plain ones that put every number as the format defines it. They differ by a step of an output here and
there. Microcontrollers are held to the reference, Linux boards run the default."""

RUNTIMES = {
    "ai_edge_litert.interpreter": "ai-edge-litert",
    "tflite_runtime.interpreter": "tflite-runtime",
    "tensorflow.lite.python.interpreter": "tensorflow",
}
"""Modules that have an interpreter, the preferred one first, and the packages they come in."""


@dataclass(frozen=True)
class End:
    """An input or output of a file.

    Attributes:
        name: as the file has it.
        type: NumPy's name of its type.
        shape: with the batch, which is 1.
        scale: value = (number - zero_point) * scale; 0 where the numbers are the values.
        zero_point: see scale.
        step: of a float output that the file computes in integers, by how much two values differ at least; else 0.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    scale: float = 0.0
    zero_point: int = 0
    step: float = 0.0


def runtime() -> tuple[Any, str]:
    """The module of `RUNTIMES` that is installed, and its package with version.

    Raises:
        ValueError: none is.
    """
    for module, package in RUNTIMES.items():
        try:
            found = importlib.import_module(module)
        except ImportError:
            continue
        try:
            return found, f"{package} {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:  # TensorFlow has several
            return found, package
    raise ValueError(f"none of {', '.join(RUNTIMES.values())} is installed; pip install ai-edge-litert")


class Network:
    """A file, ready to run on one thread.

    Attributes:
        inputs: what LiteRT says of them, a dict each.
        outputs: likewise, in the file's order.
    """

    def __init__(self, path: Path, kernels: str = "default"):
        """Open a file.

        Args:
            path: .tflite.
            kernels: one of `KERNELS`.

        Raises:
            ValueError: the runtime doesn't take the file, or has no such kernel for one of its operators.
        """
        module, _ = runtime()
        resolver = getattr(module.OpResolverType, KERNELS[kernels])
        try:
            self._interpreter = module.Interpreter(
                model_path=str(path), num_threads=1, experimental_op_resolver_type=resolver
            )
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            said = " ".join(str(error).split())[:200]
            raise ValueError(f"{path} cannot be loaded by LiteRT with its {kernels} kernels ({said})") from error
        self.inputs, self.outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()

    def __call__(self, raw: np.ndarray) -> list[np.ndarray]:
        """The outputs' numbers for those of the one input, (1, side, side, 3) of its type."""
        self._interpreter.set_tensor(self.inputs[0]["index"], raw)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(output["index"]) for output in self.outputs]
