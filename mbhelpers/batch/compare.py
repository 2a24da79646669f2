"""Two batches beside each other: what changed, and whether by more than chance would."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from mbhelpers.batch.collect import collect
from mbhelpers.evaluation.classification import compare


def compare_grids(first: Path, second: Path) -> list[dict[str, Any]]:
    """Each row of two batches, second minus first.

    Rows measured on the same images, whose scores both kept, are compared image by image; others as two proportions,
    each with its own n. Of detectors, whose AP is no proportion, the intervals are laid beside each other.

    Args:
        first: a batch's folder.
        second: another's.

    Returns:
        A line for each row and kind (float, int8) that both have: row, kind, first and second in percent, difference
        in points, its 95 % interval (None for AP), n of both, how ("paired", "two proportions" or "intervals"), and
        changed, whether the difference is beyond what chance explains: the interval leaves out zero, or the two
        intervals don't overlap. And a line for each row that only one has, with kind "missing" and who has it in how.

    Raises:
        ValueError: a folder holds no batch.
    """
    lines = [{line["row"]: line for line in collect(out)} for out in (first, second)]
    found: list[dict[str, Any]] = []
    for row in dict.fromkeys([*lines[0], *lines[1]]):
        both = [each.get(row) for each in lines]
        told = [line is not None and line["int8"] is not None for line in both]
        if not all(told):
            found.append({"row": row, "kind": "missing", "how": _who(told)})
            continue
        one, two = (line for line in both if line is not None)
        for kind in ("float", "int8"):
            head = {"row": row, "kind": kind, "first": one[kind], "second": two[kind]}
            head |= {"difference": round(two[kind] - one[kind], 3), "n": (one["n"], two["n"])}
            found.append(head | _judged(first / row, second / row, one, two, kind))
    return found


def _who(told: list[bool]) -> str:
    alone = {(True, False): "measured in the first alone", (False, True): "measured in the second alone"}
    return alone.get((told[0], told[1]), "measured in neither")


def _judged(first: Path, second: Path, one: dict[str, Any], two: dict[str, Any], kind: str) -> dict[str, Any]:
    """The interval of the difference, how it was found, and what it says."""
    if "AP" in (one["measure"], two["measure"]):
        apart = one[f"{kind}_low"] > two[f"{kind}_high"] or two[f"{kind}_low"] > one[f"{kind}_high"]
        return {"interval": None, "how": "intervals", "changed": apart}
    pair = _paired(first, second, kind)
    if pair is not None:
        return {"interval": _points(pair["interval"]), "how": "paired", "changed": not pair["inside_noise"]}
    counts = [(round(line[kind] * line["n"] / 100), line["n"]) for line in (one, two)]
    interval = two_proportions(*counts[0], *counts[1])
    return {"interval": _points(interval), "how": "two proportions", "changed": not interval[0] <= 0 <= interval[1]}


def _paired(first: Path, second: Path, kind: str) -> dict[str, Any] | None:
    """The comparison image by image; None unless both kept their scores of the same images."""
    files = [folder / "predictions.npz" for folder in (first, second)]
    if not all(file.is_file() for file in files):
        return None
    with np.load(files[0]) as one, np.load(files[1]) as two:
        if any("paths" not in kept or kind not in kept for kept in (one, two)):
            return None
        places = [{name: k for k, name in enumerate(kept["paths"].tolist())} for kept in (one, two)]
        if places[0].keys() != places[1].keys():
            return None
        order = [places[1][name] for name in one["paths"].tolist()]
        if not np.array_equal(two["labels"][order], one["labels"]):
            return None
        return compare(one[kind], two[kind][order], one["labels"])


def _points(interval: tuple[float, float]) -> tuple[float, float]:
    low, high = interval
    return round(100 * low, 3), round(100 * high, 3)


def two_proportions(
    first: int, first_n: int, second: int, second_n: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of the difference of two shares of different images, second minus first.

    Args:
        first: right ones of the first.
        first_n: images of the first.
        second: right ones of the second.
        second_n: images of the second.
        confidence: of the interval.

    Returns:
        Lower and upper bound, -1..1.

    Raises:
        ValueError: a count is outside 0..n, or n is zero.

    Source: A. Agresti and B. Caffo, Simple and effective confidence intervals for proportions and differences of
    proportions result from adding two successes and two failures, 2000.
    """
    if not (0 <= first <= first_n and 0 <= second <= second_n and first_n and second_n):
        raise ValueError(f"{first} of {first_n} and {second} of {second_n} are no two proportions")
    shares = [(right + 1) / (n + 2) for right, n in ((first, first_n), (second, second_n))]
    spread = sum(p * (1 - p) / (n + 2) for p, n in zip(shares, (first_n, second_n), strict=True))
    middle, reach = shares[1] - shares[0], float(stats.norm.ppf((1 + confidence) / 2)) * math.sqrt(spread)
    return max(-1.0, middle - reach), min(1.0, middle + reach)
