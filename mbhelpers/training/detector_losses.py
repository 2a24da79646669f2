"""How far what a detector says of its anchors is from what it should say."""

from collections.abc import Callable
from typing import Any

_LEAST = 1e-7


def focal_loss(gamma: float) -> Callable[[Any, Any], Any]:
    """Cross-entropy of the classes, times (1 - p)^gamma for the probability p of the true one.

    Anchors with an object are few among thousands. The factor takes weight from the many that are easily told to be
    background. The sum over all anchors is divided by the number of those with an object in the whole batch; of several
    devices, each has its part of it.

    Args:
        gamma: 0 is plain cross-entropy.

    Returns:
        A loss of classes (B, NA), 0 for background, and logits (B, NA, 1 + NC); shape (1,).

    Source: Lin et al. 2017, Focal Loss for Dense Object Detection.
    """
    from keras import ops

    def loss(classes, logits):
        classes = ops.cast(classes, "int32")
        logs = ops.take_along_axis(ops.log_softmax(logits, axis=-1), classes[..., None], axis=-1)[..., 0]  # (B, NA)
        # Not below _LEAST: the slope of a power under 1 has no limit at 0.
        weights = ops.maximum(1 - ops.exp(logs), _LEAST) ** gamma
        return _of_device(-ops.sum(weights * logs) / _count(classes > 0))

    return loss


def offsets_loss(weight: float = 1.0, corner: float = 1.0) -> Callable[[Any, Any], Any]:
    """Smooth L1 of the offsets of the anchors with an object, divided by their number as in `focal_loss`.

    Args:
        weight: times the loss.
        corner: a difference d below it counts d^2 / (2 * corner), one above it |d| - corner / 2.

    Returns:
        A loss of (B, NA, 5), four offsets and whether there is an object, and offsets (B, NA, 4); shape (1,).
    """
    from keras import ops

    def loss(wanted, offsets):
        there = wanted[..., 4]
        difference = ops.abs(wanted[..., :4] - offsets)
        each = ops.where(difference < corner, difference**2 / (2 * corner), difference - corner / 2)
        return _of_device(weight * ops.sum(ops.sum(each, axis=-1) * there) / _count(there > 0))

    return loss


def _of_device(loss: Any) -> Any:
    """As an array of one number: Keras takes a bare number as it is, and adds up what several devices say."""
    return loss[None]


def _count(there: Any) -> Any:
    """How many are true, but at least one."""
    from keras import ops

    return ops.maximum(ops.sum(ops.cast(there, "float32")), 1.0)
