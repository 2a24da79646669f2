"""Estimates and memory figures against the published rows."""

import pytest

from mbhelpers.deployment.boards import (
    boards,
    costs_of,
    estimate,
    memory_figures,
    published_latencies,
    published_memory,
)
from mbhelpers.rows import published_table

SMALL = "mobilenet_v2", 0.35, 128


def test_boards_with_enough_rows():
    assert boards() == ("STM32H747I-DISCO", "STM32MP157F-DK2", "STM32MP257F-DK2", "STM32MP135F-DK2")


@pytest.mark.parametrize("board", boards())
def test_estimates_of_published_rows_are_as_near_as_they_say(board):
    errors = []
    for line in (line for line in published_table("latency_ms") if line["board"] == board):
        cost = costs_of((line["architecture"], float(line["alpha"]), int(line["resolution"])))
        found = estimate(board, macs=cost["macs"], traffic=cost["traffic"])
        errors.append(abs(found.ms / float(line["latency_ms"]) - 1))
    assert found.rows == len(errors)
    assert 0 < sum(errors) / len(errors) < found.mean_error < 0.2, "seen rows are missed by less than unseen ones"
    assert max(errors) < found.worst_error < 0.3


def test_twice_the_work_takes_twice_as_long():
    one, two = (estimate(boards()[0], macs=k * 10**7, traffic=k * 10**6).ms for k in (1, 2))
    assert two == pytest.approx(2 * one)


def test_an_unknown_board_or_network():
    with pytest.raises(ValueError, match=r"no estimate for board 'STM32F4'.*STM32H747I-DISCO"):
        estimate("STM32F4", macs=1, traffic=1)
    with pytest.raises(ValueError, match="none of the published networks"):
        costs_of(("mobilenet_v2", 0.5, 96))


def test_published_lines_of_a_network():
    assert [line["board"] for line in published_latencies(SMALL)] == ["STM32H747I-DISCO", "STM32MP157F-DK2"]
    assert [line["activation_ram"] for line in published_memory(SMALL)] == ["225.17"]
    assert published_memory(("mobilenet_v2", 1.4, 224)) == []


def test_flash_of_every_row_is_counted_or_explained():
    """Within 0.05 % of all but three figures of one version, which its next version took back."""
    flash = [one for one in memory_figures() if one.kind == "flash"]
    missed = [one for one in flash if abs(one.percent) > 0.05]
    assert len(flash) == 10
    assert [(one.tool, one.network[2]) for one in missed] == [("9.1.0", 192), ("9.1.0", 224), ("9.1.0", 256)]
    assert all("less than weights and biases alone" in one.explanation for one in missed)


def test_ram_of_every_row_is_within_eight_percent_or_explained():
    ram = [one for one in memory_figures() if one.kind == "RAM"]
    near = [one for one in ram if abs(one.percent) <= 8]
    assert [one.network[2] for one in near] == [128, 224, 416, 192]
    assert all(one.explanation for one in ram if one not in near)
    assert all(abs(one.closest_percent) <= 8 for one in ram), "with one of four ways to lay activations out"
