"""Native libraries without their chatter: TensorFlow, its converter and LiteRT write past Python's logging."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


@contextmanager
def quietly() -> Iterator[None]:
    """Hold back what is written to the process's standard error; show it only if the block fails.

    TensorFlow's start-up lines (CPU features, absent CUDA) and the converter's come before or beside any log level,
    and fill notebooks with red boxes.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            sys.stderr.flush()
            os.dup2(kept, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)


def reason(error: BaseException) -> str:
    """What an error of a native library says, cut to a line; its type's name where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def load_tensorflow() -> None:
    """Import TensorFlow and Keras without their start-up lines; call it where the first import may happen."""
    if "tensorflow" in sys.modules:
        return
    with quietly():
        import absl.logging
        import keras  # noqa: F401
        import tensorflow as tf

        tf.config.list_physical_devices()  # looks for CUDA, and says so
    # "Assets written to ..." for every export; advice to users of Keras' and the converter's own calls
    tf.get_logger().setLevel("ERROR")
    absl.logging.set_verbosity(absl.logging.ERROR)


def tflite_converters(network: "keras.Model", shape: tuple[int | None, ...]) -> Callable[[], Any]:
    """Makes converters to TFLite of a network's graph for inputs of a shape, (N, H, W, 3) float32.

    The graph is traced, and its weights made constants, once. By way of a SavedModel the same file takes five times as
    long.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    compute = tf.function(lambda image: network(image, training=False), autograph=False)
    with quietly():
        traced = compute.get_concrete_function(tf.TensorSpec(shape, tf.float32, name="image"))
        frozen = convert_variables_to_constants_v2(traced)

    def converter() -> Any:
        made = tf.lite.TFLiteConverter.from_concrete_functions([frozen], network)
        made.experimental_lower_to_saved_model = False  # which would save and load it after all
        return made

    return converter
