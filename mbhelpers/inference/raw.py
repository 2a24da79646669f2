"""Between pixels, the numbers in a .tflite file's tensors, and the scores they stand for."""

from typing import Any

import numpy as np

from mbhelpers.preprocessing import Preprocessing


def as_input(pixels: np.ndarray, dtype: Any, preprocessing: Preprocessing) -> np.ndarray:
    """Pixels as a .tflite input of that type takes them.

    Args:
        pixels: uint8, of any shape.
        dtype: uint8 takes them raw, as a board's camera delivers them; int8 less 128; float32 as values.
        preprocessing: makes the values.
    """
    if dtype == np.uint8:
        return pixels
    if dtype == np.int8:
        return (pixels.astype(np.int16) - 128).astype(np.int8)
    return preprocessing.normalize(pixels)


def as_values(raw: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """An output's numbers as the float32 values they stand for, (number - zero point) * scale; floats as they are."""
    return raw if raw.dtype == np.float32 else (raw.astype(np.float32) - zero_point) * np.float32(scale)


def as_scores(values: np.ndarray) -> np.ndarray:
    """(N, outputs) of a classifier as (N, classes): a single sigmoid output p becomes the two columns 1 - p and p."""
    return np.concatenate([1 - values, values], axis=1) if values.shape[1] == 1 else values
