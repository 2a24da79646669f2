"""TF-slim's MobileNets once more, from the papers' tables and in plain `tf.nn`: what a conversion must agree with.

Nothing here knows Keras. Each network asks a store for its variables by slim's names; the store makes them up, or reads
them from a checkpoint.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

Shape = tuple[int, ...]
Variables = Callable[..., np.ndarray]
"""From a name, a shape and, for moving statistics, those of the batch at hand, to the variable."""

V2 = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
"""Expansion, channels, repeats, stride."""

LARGE = [
    *((3, 16, 16, 0, "re", 1), (3, 64, 24, 0, "re", 2), (3, 72, 24, 0, "re", 1)),
    *((5, 72, 40, 1, "re", 2), (5, 120, 40, 1, "re", 1), (5, 120, 40, 1, "re", 1)),
    *((3, 240, 80, 0, "hs", 2), (3, 200, 80, 0, "hs", 1), (3, 184, 80, 0, "hs", 1), (3, 184, 80, 0, "hs", 1)),
    *((3, 480, 112, 1, "hs", 1), (3, 672, 112, 1, "hs", 1)),
    *((5, 672, 160, 1, "hs", 2), (5, 960, 160, 1, "hs", 1), (5, 960, 160, 1, "hs", 1)),
]
SMALL = [
    *((3, 16, 16, 1, "re", 2), (3, 72, 24, 0, "re", 2), (3, 88, 24, 0, "re", 1)),
    *((5, 96, 40, 1, "hs", 2), (5, 240, 40, 1, "hs", 1), (5, 240, 40, 1, "hs", 1)),
    *((5, 120, 48, 1, "hs", 1), (5, 144, 48, 1, "hs", 1)),
    *((5, 288, 96, 1, "hs", 2), (5, 576, 96, 1, "hs", 1), (5, 576, 96, 1, "hs", 1)),
]
"""Kernel, expanded channels, channels, squeeze-and-excite, activation, stride; at width 1."""

EDGETPU = [
    *[("f", 3, 1, 16, 1)],
    *[("f", 3, 8, 32, 2), *[("f", 3, 4, 32, 1)] * 3],
    *[("f", 3, 8, 48, 2), *[("f", 3, 4, 48, 1)] * 3],
    *[("d", 3, 8, 96, 2), *[("d", 3, 4, 96, 1)] * 3],
    *[("d", 3, 8, 96, 0), *[("d", 3, 4, 96, 1)] * 3],
    *[("d", 5, 8, 160, 2), *[("d", 5, 4, 160, 1)] * 3],
    *[("d", 3, 8, 192, 0)],
]
"""Fused or depthwise, kernel, expansion, channels, stride; 0 is a stride of 1 without residual."""

ACTIVATIONS = {
    "relu6": tf.nn.relu6,
    "re": tf.nn.relu,
    "hs": lambda x: x * tf.nn.relu6(x + 3) / 6,
    "linear": tf.identity,
}


def divisible(channels: float) -> int:
    """A multiple of 8, never more than 10 % below."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


class Network:
    """The pieces that all three families are made of; batch norm with its moving statistics, epsilon 0.001."""

    def __init__(self, scope: str, variables: Variables):
        self.scope, self.variables = scope, variables

    def take(self, name: str, *shape: int, batch: np.ndarray | None = None) -> np.ndarray:
        return self.variables(f"{self.scope}/{name}", shape, batch)

    def norm(self, x, name: str):
        mean, variance = (part.numpy() for part in tf.nn.moments(x, (0, 1, 2)))
        gamma, beta = (self.take(f"{name}/BatchNorm/{part}", x.shape[-1]) for part in ("gamma", "beta"))
        mean = self.take(f"{name}/BatchNorm/moving_mean", x.shape[-1], batch=mean)
        variance = self.take(f"{name}/BatchNorm/moving_variance", x.shape[-1], batch=variance)
        return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta

    def convolve(self, x, name: str, channels: int, kernel: int, stride: int, activation: str):
        weights = self.take(f"{name}/weights", kernel, kernel, x.shape[-1], channels)
        return ACTIVATIONS[activation](self.norm(tf.nn.conv2d(x, weights, stride, "SAME"), name))

    def depthwise(self, x, name: str, kernel: int, stride: int, activation: str):
        weights = self.take(f"{name}/depthwise_weights", kernel, kernel, x.shape[-1], 1)
        x = tf.nn.depthwise_conv2d(x, weights, (1, stride, stride, 1), "SAME")
        return ACTIVATIONS[activation](self.norm(x, name))

    def biased(self, x, name: str, channels: int):
        weights = self.take(f"{name}/weights", 1, 1, x.shape[-1], channels)
        return tf.nn.conv2d(x, weights, 1, "SAME") + self.take(f"{name}/biases", channels)

    def squeeze_excite(self, x, name: str):
        channels = x.shape[-1]
        s = tf.reduce_mean(x, (1, 2), keepdims=True)
        s = tf.nn.relu(self.biased(s, f"{name}/squeeze_excite/Conv", divisible(channels / 4)))
        return x * tf.nn.relu6(self.biased(s, f"{name}/squeeze_excite/Conv_1", channels) + 3) / 6

    def logits(self, x):
        return tf.nn.softmax(self.biased(x, "Logits/Conv2d_1c_1x1", 1001)[:, 0, 0])


def mobilenet_v2(values, alpha: float, variables: Variables):
    """Values, (B, H, W, 3), to probabilities, (B, 1001)."""
    net = Network("MobilenetV2", variables)
    x = net.convolve(values, "Conv", divisible(32 * alpha), 3, 2, "relu6")
    number = 0
    for expansion, channels, repeats, stride in V2:
        for k in range(repeats):
            name = f"expanded_conv_{number}" if number else "expanded_conv"
            entering = x
            if expansion > 1:
                x = net.convolve(x, f"{name}/expand", expansion * x.shape[-1], 1, 1, "relu6")
            x = net.depthwise(x, f"{name}/depthwise", 3, 1 if k else stride, "relu6")
            x = net.convolve(x, f"{name}/project", divisible(channels * alpha), 1, 1, "linear")
            x = x + entering if k else x
            number += 1
    x = net.convolve(x, "Conv_1", divisible(1280 * max(1.0, alpha)), 1, 1, "relu6")
    return net.logits(tf.reduce_mean(x, (1, 2), keepdims=True))


def mobilenet_v3(values, alpha: float, variables: Variables, *, large: bool, minimalistic: bool):
    """Values, (B, H, W, 3), to probabilities, (B, 1001)."""
    net = Network("MobilenetV3", variables)
    swish = "re" if minimalistic else "hs"
    x = net.convolve(values, "Conv", 16, 3, 2, swish)
    before = 16
    for number, (kernel, expanded, channels, excite, activation, stride) in enumerate(LARGE if large else SMALL):
        name = f"expanded_conv_{number}" if number else "expanded_conv"
        kernel, activation = (3, "re") if minimalistic else (kernel, activation)
        entering = x
        if number:  # the first block expands nothing
            x = net.convolve(x, f"{name}/expand", divisible(x.shape[-1] * expanded / before), 1, 1, activation)
        x = net.depthwise(x, f"{name}/depthwise", kernel, stride, activation)
        if excite and not minimalistic:
            x = net.squeeze_excite(x, name)
        x = net.convolve(x, f"{name}/project", divisible(channels * alpha), 1, 1, "linear")
        if stride == 1 and x.shape[-1] == entering.shape[-1]:
            x = x + entering
        before = channels
    x = net.convolve(x, "Conv_1", divisible(6 * x.shape[-1]), 1, 1, swish)
    x = tf.reduce_mean(x, (1, 2), keepdims=True)
    x = ACTIVATIONS[swish](net.biased(x, "Conv_2", 1280 if large else 1024))
    return net.logits(x)


def mobilenet_edgetpu(values, alpha: float, variables: Variables):
    """Values, (B, H, W, 3), to probabilities, (B, 1001)."""
    net = Network("MobilenetEdgeTPU", variables)
    x = net.convolve(values, "Conv", divisible(32 * alpha), 3, 2, "re")
    for number, (kind, kernel, expansion, channels, stride) in enumerate(EDGETPU):
        name = f"expanded_conv_{number}" if number else "expanded_conv"
        entering, step = x, max(1, stride)
        if expansion > 1:
            size, move = (kernel, step) if kind == "f" else (1, 1)
            x = net.convolve(x, f"{name}/expand", divisible(x.shape[-1] * expansion), size, move, "re")
        if kind == "d":
            x = net.depthwise(x, f"{name}/depthwise", kernel, step, "re")
        x = net.convolve(x, f"{name}/project", divisible(channels * alpha), 1, 1, "linear")
        x = x + entering if stride == 1 and number else x
    x = net.convolve(x, "Conv_1", 1280, 1, 1, "re")
    return net.logits(tf.reduce_mean(x, (1, 2), keepdims=True))


def run(architecture: str, alpha: float, values: np.ndarray, variables: Variables) -> np.ndarray:
    """Probabilities, (B, 1001), of a network by our name."""
    if architecture.startswith("mobilenet_v3"):
        large, minimalistic = "large" in architecture, "minimalistic" in architecture
        scores = mobilenet_v3(values, alpha, variables, large=large, minimalistic=minimalistic)
    else:
        scores = {"mobilenet_v2": mobilenet_v2, "mobilenet_edgetpu": mobilenet_edgetpu}[architecture](
            values, alpha, variables
        )
    return scores.numpy()


class Made:
    """Variables made up as they are asked for; moving statistics near the batch's own, as after training.

    With others, signals would grow or die from layer to layer, and the outputs tell nothing.
    """

    def __init__(self, seed: int):
        self.random = np.random.default_rng(seed)
        self.all: dict[str, np.ndarray] = {}

    def __call__(self, name: str, shape: Shape, batch: np.ndarray | None = None) -> np.ndarray:
        if name not in self.all:
            value = self._make(name.rsplit("/", 1)[-1], shape, batch)
            # Wide logits: with narrow ones all thousand scores are near 0.001, and so are any network's.
            self.all[name] = (4 * value if "Logits" in name else value).astype(np.float32)
        assert self.all[name].shape == shape
        return self.all[name]

    def _make(self, kind: str, shape: Shape, batch: np.ndarray | None) -> np.ndarray:
        if batch is not None:
            return batch * self.random.uniform(0.8, 1.25, shape)
        if kind == "gamma":
            return self.random.uniform(0.6, 1.4, shape)
        if kind in ("beta", "biases"):
            return self.random.normal(0, 0.3, shape)
        inputs = np.prod(shape[:2]) if kind == "depthwise_weights" else np.prod(shape[:3])
        return self.random.normal(0, np.sqrt(2 / inputs), shape)


def write(prefix: Path, content: dict[str, np.ndarray]) -> Path:
    """A TF1 checkpoint by TF1's own Saver."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables = {
            name: tf.compat.v1.Variable(value, name=f"v{k}", use_resource=True)
            for k, (name, value) in enumerate(content.items())
        }
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver(variables).save(session, str(prefix), write_meta_graph=False)
    return prefix
