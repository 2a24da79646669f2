"""Near-duplicate grouping of many perceptual hashes, against scikit-learn's ball tree.

    python benchmarks/copies.py -o benchmarks/results/copies.json

Random hashes and thumbnails, every hundredth picture a planted near copy of the one before (0 to 14 bits changed). The
largest size comes once more with pictures that are alike, as leaves on plain grounds are: of 600 real ones, 0.085 % of
the pairs have hashes within 14 bits, of these somewhat more, and the edges of all such pairs must be compared.
Each size runs in a process of its own, so that the peak memory is its own. The baseline answers the same question
exactly: `sklearn.neighbors.BallTree(metric="hamming")`, radius 14 bits, at the smallest size only. Processor seconds
are those of all threads: on a machine with other work they say more than the seconds on the wall.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from mbhelpers.data.copies import CLOSE_BITS, close_hashes, copies
from mbhelpers.data.folder import THUMBNAIL, Looks
from mbhelpers.files import write_json
from mbhelpers.runs import machine, versions

SIZES = (10_000, 30_000, 100_000)
SEED = 2026


def draw_looks(n: int, seed: int, *, alike: bool = False) -> tuple[Looks, np.ndarray]:
    """Random pictures as `folder.look` would describe them, and the (K, 2) planted pairs."""
    rng = np.random.default_rng(seed)
    phash = np.packbits(rng.random((n, 64)) < (0.27 if alike else 0.5), axis=1).view(np.uint64)[:, 0]
    thumbnails = rng.integers(0, 256, (n, THUMBNAIL, THUMBNAIL), np.uint8)
    later = np.arange(100, n, 100)
    for k in later:
        bits = rng.choice(64, rng.integers(0, CLOSE_BITS + 1), replace=False).astype(np.uint64)
        phash[k] = phash[k - 1] ^ np.bitwise_or.reduce(np.uint64(1) << bits, initial=np.uint64(0))
        thumbnails[k] = thumbnails[k - 1] // 2 + 20
    names = np.array([f"{k}.jpg" for k in range(n)])
    sha256 = np.array([f"{k:064x}" for k in range(n)])
    looks = Looks(Path(), names, sha256, phash, thumbnails, np.ones((n, 2), np.int64), np.full(n, "RGB"), ())
    return looks, np.stack([later - 1, later], axis=1)


def measure(n: int, *, alike: bool) -> dict[str, float]:
    """Seconds and memory of grouping n pictures, and whether every planted pair was found."""
    looks, planted = draw_looks(n, SEED, alike=alike)
    apart = np.bitwise_count(looks.phash[:500, None] ^ looks.phash[500:2500])
    before = peak_mib()
    started = time.perf_counter()
    busy = time.process_time()
    group_of = copies(looks)
    busy, seconds = time.process_time() - busy, time.perf_counter() - started
    return {
        "pictures": n,
        "alike": alike,
        "pairs_compared": n * (n - 1) // 2,
        "share_of_close_hashes": round(float((apart <= CLOSE_BITS).mean()), 6),
        "seconds": round(seconds, 2),
        "processor_seconds": round(busy, 2),
        "planted_pairs": len(planted),
        "planted_found": int((group_of[planted[:, 0]] == group_of[planted[:, 1]]).sum()),
        "groups_of_two_or_more": int((np.unique(group_of, return_counts=True)[1] > 1).sum()),
        "peak_mib": round(peak_mib()),
        "peak_mib_before": round(before),
    }


def against_ball_tree(n: int) -> dict[str, float]:
    """The hash search alone, ours and scikit-learn's, in one process; both must find the same pairs."""
    from sklearn.neighbors import BallTree

    looks, _ = draw_looks(n, SEED)
    started = time.perf_counter()
    ours = {(i, j) for i, j in close_hashes(looks.phash, looks.phash) if i < j}
    middle = time.perf_counter()
    bits = np.unpackbits(looks.phash.astype(">u8").view(np.uint8).reshape(n, 8), axis=1)
    found = BallTree(bits, metric="hamming").query_radius(bits, (CLOSE_BITS + 0.5) / 64)
    theirs = {(i, int(j)) for i, near in enumerate(found) for j in near if i < j}
    ended = time.perf_counter()
    if theirs != ours:
        raise RuntimeError("the two searches disagree")
    return {
        "pictures": n,
        "ours_seconds": round(middle - started, 2),
        "ball_tree_seconds": round(ended - middle, 2),
        "ratio": round((ended - middle) / (middle - started), 1),
    }


def peak_mib() -> float:
    """Peak resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Run all sizes and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "results" / "copies.json")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)  # the process of one size
    parser.add_argument("--alike", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one, alike=given.alike)))
        return
    command = [sys.executable, __file__, "--one"]
    sizes = [*([str(n)] for n in SIZES), [str(SIZES[-1]), "--alike"]]
    runs = [json.loads(subprocess.check_output([*command, *size], text=True)) for size in sizes]
    content = {
        "command": "python benchmarks/copies.py",
        "seed": SEED,
        "grouping": runs,
        "against_ball_tree": against_ball_tree(SIZES[0]),
        "versions": versions(),
        "machine": machine(),
    }
    write_json(given.output, content)
    print(json.dumps({key: content[key] for key in ("grouping", "against_ball_tree")}, indent=1))


if __name__ == "__main__":
    main()
