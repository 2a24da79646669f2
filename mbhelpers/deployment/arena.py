"""Tensors that share memory: who lives when, and where each is put."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

ALIGNMENT = 16
"""Bytes that every buffer begins at a multiple of, as LiteRT for Microcontrollers and CMSIS-NN want it."""


@dataclass(frozen=True)
class Buffer:
    """A tensor's memory while it is needed.

    Attributes:
        name: of the tensor.
        bytes: its size.
        first: the operator that writes it; -1 for the network's input.
        last: the last operator that reads it; the number of operators for the network's output.
        group: buffers of one group begin at the same address, so that one may be written over the other.
        offset: where it begins in the arena; -1 before it is placed.
    """

    name: str
    bytes: int
    first: int
    last: int
    group: int
    offset: int = -1

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.offset + self.bytes

    def meets(self, other: "Buffer") -> bool:
        """Whether there is a moment at which both are needed."""
        return self.first <= other.last and other.first <= self.last


def live_bytes(buffers: Sequence[Buffer], steps: int) -> list[int]:
    """Bytes that are needed at each operator, 0 to steps - 1: what no plan can go below.

    Of a group, whose buffers lie on each other, the largest counts.
    """
    found = []
    for step in range(steps):
        largest: dict[int, int] = {}
        for buffer in buffers:
            if buffer.first <= step <= buffer.last:
                largest[buffer.group] = max(largest.get(buffer.group, 0), buffer.bytes)
        found.append(sum(largest.values()))
    return found


def plan(buffers: Iterable[Buffer]) -> tuple[Buffer, ...]:
    """Put every buffer at an address, the largest group first, each as low as it fits.

    Args:
        buffers: with sizes and lives.

    Returns:
        The same with their offsets, in the order of `first`. The arena's size is the largest `end`.

    Source: Y. Pisarchyk and J. Lee, Efficient Memory Management for Deep Neural Net Inference, 2020: greedy by size.
    """
    groups: dict[int, list[Buffer]] = {}
    for buffer in buffers:
        groups.setdefault(buffer.group, []).append(buffer)
    placed: list[Buffer] = []
    for members in sorted(groups.values(), key=lambda group: -max(buffer.bytes for buffer in group)):
        ends = sorted({0, *(-(-other.end // ALIGNMENT) * ALIGNMENT for other in placed)})
        offset = next(offset for offset in ends if _fits(members, offset, placed))
        placed += [replace(buffer, offset=offset) for buffer in members]
    return tuple(sorted(placed, key=lambda buffer: (buffer.first, buffer.offset)))


def _fits(members: Sequence[Buffer], offset: int, placed: Sequence[Buffer]) -> bool:
    """Whether a group may begin there without touching what is needed at the same time."""
    return not any(
        buffer.meets(other) and offset < other.end and other.offset < offset + buffer.bytes
        for buffer in members
        for other in placed
    )
