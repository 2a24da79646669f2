"""The plan of the arena, held to what any plan must keep, on made and on random buffers."""

from dataclasses import replace

import numpy as np
import pytest

from mbhelpers.deployment.arena import ALIGNMENT, Buffer, live_bytes, plan


def chain(sizes, **groups):
    """Tensors of a chain of operators: each is written by one, and read by the next."""
    return [Buffer(f"t{k}", size, k - 1, k, groups.get(f"t{k}", k)) for k, size in enumerate(sizes)]


def height(buffers):
    return max(buffer.end for buffer in buffers)


@pytest.mark.parametrize(
    ("buffers", "arena", "why"),
    [
        (chain([64]), 64, "one tensor"),
        (chain([64, 32, 48]), 96, "the first and the last share their place"),
        (chain([16, 160, 16]), 176, "the largest first, at the bottom"),
        (chain([64, 64, 64], t2=1), 128, "two of a group lie on each other"),
        ([Buffer("a", 10, 0, 1, 0), Buffer("b", 10, 1, 2, 1)], 26, "each begins at a multiple of 16"),
        ([Buffer("a", 32, 0, 9, 0), *(Buffer(f"b{k}", 16, k, k, k + 1) for k in range(9))], 48, "beside a long life"),
    ],
)
def test_height_of_the_arena(buffers, arena, why):
    assert height(plan(buffers)) == arena, why


def test_random_buffers_never_overlap_and_reach_no_less_than_is_live():
    rng = np.random.default_rng(5)
    for _ in range(30):
        drawn = rng.integers((-1, 1, 0, 0), (40, 500, 8, 50), (60, 4)).tolist()
        buffers = [
            Buffer(f"t{k}", size, first, first + life, group) for k, (first, size, life, group) in enumerate(drawn)
        ]
        placed = plan(buffers)
        assert {replace(buffer, offset=-1) for buffer in placed} == set(buffers), "none is lost or changed"
        for one in placed:
            assert one.offset % ALIGNMENT == 0
            for other in placed:
                if one.group == other.group:
                    assert one.offset == other.offset
                elif one.meets(other):
                    assert one.end <= other.offset or other.end <= one.offset
        assert height(placed) >= max(live_bytes(buffers, 50))


def test_live_bytes_count_a_group_once():
    buffers = [Buffer("a", 10, -1, 1, 0), Buffer("b", 6, 1, 2, 0), Buffer("c", 5, 1, 1, 1)]
    assert live_bytes(buffers, 4) == [10, 15, 6, 0]
