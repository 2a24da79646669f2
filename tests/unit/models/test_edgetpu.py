import pytest

from mbhelpers.models.edgetpu import STAGES, divisible


@pytest.mark.parametrize(
    ("channels", "expected", "why"),
    [
        (32 * 0.75, 24, "a multiple stays"),
        (16 * 0.75, 16, "12 is half-way and goes up"),
        (48 * 0.75, 40, "36 goes up"),
        (11, 16, "down to 8 would lose over 10 %"),
        (17, 16, "down to 16 loses 6 %"),
        (3, 8, "never below 8"),
    ],
)
def test_channels_are_multiples_of_eight(channels, expected, why):
    assert divisible(channels) == expected, why


def test_the_table_has_its_22_blocks():
    assert sum(len(stage.expansions) for stage in STAGES) == 22
    assert sum(stage.stride == 2 for stage in STAGES) == 4, "the stem halves too: 32 in all"
