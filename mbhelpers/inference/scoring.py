"""Scores of many image files: decoded and scored on all cores, in order, a few files in memory at a time."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from tqdm import tqdm

from mbhelpers import settings
from mbhelpers.inference.predictor import Predictor
from mbhelpers.preprocessing import Preprocessing

_LOT = 8
"""Files that a worker takes at a time, at least: few enough that none waits long for the last one."""


@dataclass(frozen=True)
class Lot:
    """Some files that follow each other.

    Attributes:
        first: place of the first one in the list.
        read: (n,) bool, which of them could be read.
        scores: for each predictor float32, (files read, its classes).
        unread: file and reason of the others, in order.
    """

    first: int
    read: np.ndarray
    scores: tuple[np.ndarray, ...]
    unread: tuple[tuple[str, str], ...]


def score_files(
    predictors: Sequence[Predictor], files: Sequence[Path], *, threads: int | None = None, progress: bool = True
) -> Lot:
    """Score files with one model or several; each file is decoded once for all that prepare it alike.

    Args:
        predictors: opened models.
        files: N images, one or more.
        threads: as for `scored_lots`.
        progress: likewise.

    Returns:
        All of them as one lot, with the scores that `predict` gives.

    Raises:
        ValueError: none of the files can be read, or `threads` is below 1.
    """
    lots = list(scored_lots(predictors, files, threads=threads, progress=progress))
    unread = tuple(entry for lot in lots for entry in lot.unread)
    if len(unread) == len(files):
        raise ValueError(f"none of the {len(files)} images can be read: {unread[0][1] if unread else 'there is none'}")
    scores = tuple(np.concatenate([lot.scores[k] for lot in lots]) for k in range(len(predictors)))
    return Lot(0, np.concatenate([lot.read for lot in lots]), scores, unread)


def scored_lots(
    predictors: Sequence[Predictor], files: Sequence[Path], *, threads: int | None = None, progress: bool = True
) -> Iterator[Lot]:
    """The same, a few files at a time.

    Every worker thread decodes its own files and scores them with its own interpreter of one thread, which on two
    cores is faster than an interpreter of two threads: decoding and the small layers use both cores too. Pillow,
    LiteRT and ONNX Runtime work without Python's lock. A Keras model is scored by the calling thread, since TensorFlow
    spreads one batch over all cores itself; the workers then decode ahead.

    Args:
        predictors: opened models.
        files: N images.
        threads: workers; None means as many as there are cores that this process may use. Of TensorFlow's threads,
            which Keras files are scored by, it says nothing.
        progress: whether to draw a bar, on terminals only.

    Yields:
        The files in order, `_LOT` or more at a time.

    Raises:
        ValueError: `threads` is below 1.
    """
    workers = settings.threads() if threads is None else threads
    if workers < 1:
        raise ValueError(f"threads must be 1 or more, not {threads}")
    step = max(_LOT, *(predictor.at_once for predictor in predictors))
    workers = min(workers, max(1, -(-len(files) // step)))
    # Opened here, one after another: `quietly`, in which models are opened, is not for several threads.
    teams: SimpleQueue[list[Predictor | None]] = SimpleQueue()
    for _ in range(workers):
        teams.put([predictor.for_a_thread() for predictor in predictors])

    def work(first: int) -> Lot:
        team = teams.get()
        try:
            return _score(predictors, team, files, first, step)
        finally:
            teams.put(team)

    waiting: deque[Future[Lot]] = deque()
    title = f"scoring with {', '.join(predictor.path.name for predictor in predictors)}"
    # disable=None draws on terminals only
    bar = tqdm(desc=title, total=len(files), unit="img", disable=None if progress else True)
    pool = ThreadPoolExecutor(workers)
    try:
        for first in range(0, len(files), step):
            waiting.append(pool.submit(work, first))
            if len(waiting) > 2 * workers:
                yield _finish(predictors, waiting.popleft().result(), bar)
        while waiting:
            yield _finish(predictors, waiting.popleft().result(), bar)
    finally:
        pool.shutdown(cancel_futures=True)
        bar.close()


def _score(
    predictors: Sequence[Predictor], team: Sequence[Predictor | None], files: Sequence[Path], first: int, step: int
) -> Lot:
    """Decode a lot once for each contract, and score it where that can be done beside others; else keep the pixels."""
    lot = files[first : first + step]
    pixels: dict[Preprocessing, np.ndarray] = {}
    read, unread = np.ones(len(lot), bool), []
    for contract in dict.fromkeys(predictor.preprocessing for predictor in predictors):
        images = np.empty((len(lot), contract.resolution, contract.resolution, 3), np.uint8)
        for k in np.flatnonzero(read).tolist():
            try:
                images[k] = contract.load(lot[k])
            except ValueError as error:
                read[k] = False
                unread.append((str(lot[k]), str(error)))
        pixels[contract] = images
    values = []
    for predictor, mine in zip(predictors, team, strict=True):
        images = pixels[predictor.preprocessing]
        images = images if read.all() else images[read]
        values.append(mine.predict(images) if mine else images)
    return Lot(first, read, tuple(values), tuple(unread))


def _finish(predictors: Sequence[Predictor], lot: Lot, bar: "tqdm") -> Lot:
    """Score what the workers left: pixels, which are of 8 bits."""
    scores = tuple(
        predictor.predict(values) if values.dtype == np.uint8 else values
        for predictor, values in zip(predictors, lot.scores, strict=True)
    )
    bar.update(len(lot.read))
    return Lot(lot.first, lot.read, scores, lot.unread)
