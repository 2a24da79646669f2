"""The anchors against the published table, and against the rule written out as loops."""

import numpy as np
import pytest

from mbhelpers.detection import anchors
from mbhelpers.detection.boxes import xyxy_to_cxcywh


@pytest.mark.parametrize(
    ("resolution", "number", "maps"),
    [
        (192, 3845, (24, 12, 6, 3, 2)),
        (224, 5245, (28, 14, 7, 4, 2)),
        (256, 6820, (32, 16, 8, 4, 2)),
        (288, 8675, (36, 18, 9, 5, 3)),
        (320, 10670, (40, 20, 10, 5, 3)),
        (352, 12930, (44, 22, 11, 6, 3)),
        (384, 15345, (48, 24, 12, 6, 3)),
        (416, 18070, (52, 26, 13, 7, 4)),
        (185, 3845, (24, 12, 6, 3, 2)),  # rounded up, step by step, as 192
        (96, 970, (12, 6, 3, 2, 1)),
        (32, 115, (4, 2, 1, 1, 1)),
    ],
)
def test_as_many_as_the_network_predicts(resolution, number, maps):
    made = anchors.make_anchors(resolution)
    assert made.shape == (number, 4)
    assert made.dtype == np.float32
    assert anchors.map_sizes(resolution) == maps
    levels = anchors.anchor_levels(resolution)
    assert np.bincount(levels).tolist() == [5 * cells**2 for cells in maps]
    assert (np.diff(levels) >= 0).all()


@pytest.mark.parametrize(
    ("resolution", "small", "large"),
    [
        (192, [0.26, 0.42, 0.58, 0.74, 0.90], [0.33, 0.4925, 0.655, 0.8175, 0.98]),
        (224, [0.1502, 0.3377, 0.5251, 0.7126, 0.90], [0.1983, 0.3937, 0.5891, 0.7846, 0.98]),
        (256, [0.1042, 0.3031, 0.5021, 0.701, 0.90], [0.143, 0.3523, 0.5615, 0.7708, 0.98]),
        (416, [0.06, 0.27, 0.48, 0.69, 0.90], [0.09, 0.3125, 0.535, 0.7575, 0.98]),
        (128, [0.26, 0.42, 0.58, 0.74, 0.90], [0.33, 0.4925, 0.655, 0.8175, 0.98]),  # the rule ends at 192
    ],
)
def test_scales(resolution, small, large):
    np.testing.assert_allclose(anchors.scales(resolution).T, [small, large], atol=6e-5)


@pytest.mark.parametrize("resolution", [192, 416])
def test_order_and_shape_by_the_rule(resolution):
    wanted = []
    for cells, (small, large) in zip(anchors.map_sizes(resolution), anchors.scales(resolution), strict=True):
        for row in range(cells):
            for column in range(cells):
                for scale, ratio in [(small, 1), (small, 2), (small, 1 / 2), (small, 1 / 3), (large, 1)]:
                    size = [scale * ratio**0.5, scale / ratio**0.5]
                    wanted.append([(column + 0.5) / cells, (row + 0.5) / cells, *size])
    got = anchors.make_anchors(resolution)
    np.testing.assert_allclose(xyxy_to_cxcywh(got), wanted, atol=2e-7)
    assert got.min() < 0 < 1 < got.max(), "they are not clipped"


@pytest.mark.parametrize(
    ("resolution", "named", "why"),
    [
        (200, "192 and 217; multiples of 32 always do, as 224", "25, 13, 7 cells: no doubles"),
        (208, "192 and 217", "26, 13, 7: the coarser pair is none"),
        (216, "192 and 217", "27, 14, 7: the finer pair is none"),
        (193, "192 and 217", "one pixel too many"),
        (24, "25; multiples of 32 always do, as 32", "nothing smaller fits"),
        (0, "25", "no picture"),
        (-5, "25", "less than none"),
    ],
)
@pytest.mark.parametrize("function", [anchors.make_anchors, anchors.map_sizes, anchors.anchor_levels, anchors.scales])
def test_resolutions_that_no_network_has(function, resolution, named, why):
    with pytest.raises(ValueError, match=f"no network for {resolution} pixels.*the nearest that fit are {named}"):
        function(resolution)
