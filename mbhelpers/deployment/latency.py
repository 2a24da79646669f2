"""How long one inference takes here: warmed up, by turns, with its spread; and which operators take it."""

import ctypes
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from mbhelpers.deployment.board_logs import benchmark_command
from mbhelpers.files import told_apart
from mbhelpers.models.tflite_graph import read_graph
from mbhelpers.native import quietly, reason
from mbhelpers.records import read_record

ROUNDS, WARMUP = 100, 10

LEAST_FOR_RATIO = 6
"""Rounds whose least and largest ratio hold the median in 95 % of cases."""

PERCENTILES = (5, 25, 50, 75, 90, 99)


@dataclass(frozen=True)
class Latency:
    """Times of one model file on this machine, in milliseconds.

    Attributes:
        model: the end of its path, as long as it takes to tell it from the others.
        runtime: "LiteRT" or "ONNX Runtime".
        threads: it was allowed.
        delegate: name of the delegate's file, None for the CPU.
        times: of each round, (rounds,).
    """

    model: str
    runtime: str
    threads: int
    delegate: str | None
    times: np.ndarray

    @property
    def median(self) -> float:
        """The middle of the times, which a busy moment doesn't move."""
        return float(np.median(self.times))

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles."""
        low, high = np.quantile(self.times, (0.25, 0.75))
        return float((high - low) / 2)

    def ratio(self, first: "Latency") -> tuple[float, tuple[float, float]]:
        """How many times as long as another, measured in the same rounds: the median of the rounds' ratios.

        Returns:
            The ratio, and its 95 % interval by order statistics. It tells how well these rounds fix the median, not
            what another machine or day would give.

        Raises:
            ValueError: the two were not measured together, or in too few rounds for an interval.
        """
        if len(self.times) != len(first.times):
            raise ValueError(f"{len(self.times)} and {len(first.times)} rounds; measure the two files in one call")
        if len(self.times) < LEAST_FOR_RATIO:
            raise ValueError(f"{len(self.times)} rounds have no 95 % interval; measure {LEAST_FOR_RATIO} or more")
        ratios = np.sort(self.times / first.times)
        n = len(ratios)
        low = int(stats.binom.ppf(0.025, n, 0.5))
        return float(np.median(ratios)), (float(ratios[max(low - 1, 0)]), float(ratios[min(n - low, n - 1)]))

    def to_json(self) -> dict[str, Any]:
        """Median, spread, percentiles, least and mean, with how they were measured."""
        told: dict[str, Any] = {"model": self.model, "runtime": self.runtime, "threads": self.threads}
        told |= {"delegate": self.delegate, "rounds": len(self.times)}
        told |= {"median_ms": self.median, "spread_ms": self.spread, "mean_ms": float(self.times.mean())}
        told |= {"least_ms": float(self.times.min())}
        return told | {f"p{p}_ms": float(np.percentile(self.times, p)) for p in PERCENTILES}


def measure(
    paths: Sequence[Path | str],
    *,
    threads: int = 1,
    rounds: int = ROUNDS,
    warmup: int = WARMUP,
    delegate: Path | str | None = None,
) -> list[Latency]:
    """Time inference of model files, one after the other in every round, so that a busy moment hits all alike.

    Only the runtime's own work on one image is timed, as boards' tables do: no decoding, no scaling of pixels.

    Args:
        paths: .tflite or .onnx, one or more.
        threads: of the runtime.
        rounds: how often each is timed.
        warmup: rounds before that don't count.
        delegate: the library of an external delegate of LiteRT, such as an NPU's.

    Returns:
        One for each file, in their order.

    Raises:
        ValueError: a file is missing, broken, of another kind or of free shapes; the delegate doesn't load; or less
            than one thread, or two rounds, were asked for.
    """
    if threads < 1 or rounds < 2 or warmup < 0:
        raise ValueError(f"{threads} threads and {rounds} rounds: it takes one thread and two rounds, or more")
    calls = [_call(Path(path), threads, delegate) for path in paths]
    times = interleaved(calls, rounds, warmup)
    named = None if delegate is None else Path(delegate).name
    files = [Path(path) for path in paths]
    return [
        Latency(name, _RUNTIMES[path.suffix], threads, named, column)
        for name, path, column in zip(told_apart(files), files, times.T, strict=True)
    ]


def interleaved(calls: Sequence[Callable[[], Any]], rounds: int, warmup: int) -> np.ndarray:
    """Milliseconds of each call in each round, (rounds, calls), float64; warm-up rounds come first and don't count."""
    times = np.zeros((warmup + rounds, len(calls)))
    for line in times:
        for k, call in enumerate(calls):
            start = time.perf_counter()
            call()
            line[k] = 1000 * (time.perf_counter() - start)
    return times[warmup:]


def profile(path: Path | str, *, threads: int = 1, rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Where the time of an .onnx file goes, by kind of operator.

    Args:
        path: the file. LiteRT's Python interface tells no times of operators; its `benchmark_model` does, whose log
            `board_logs.read_log` reads.
        threads: of ONNX Runtime.
        rounds: runs that are averaged.

    Returns:
        A dict a kind, the longest first: kind, count (operators), ms (of one run, all of them together), share (0..1).

    Raises:
        ValueError: the file is no .onnx file, or is broken.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise ValueError(
            f"{path.name}: operators are timed here in .onnx files; of .tflite on a board: {benchmark_command(path)}"
        )
    with tempfile.TemporaryDirectory() as folder:
        session, feed = _session(path, threads, str(Path(folder) / "profile"))
        for _ in range(rounds):
            session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    kernels = [e for e in events if e.get("cat") == "Node" and e["name"].endswith("_kernel_time")]
    kinds: dict[str, list[dict[str, Any]]] = {}
    for event in kernels:
        kinds.setdefault(event["args"]["op_name"], []).append(event)
    total = sum(event["dur"] for event in kernels)
    told = [
        {
            "kind": kind,
            "count": len({event["name"] for event in found}),
            "ms": sum(event["dur"] for event in found) / rounds / 1000,
            "share": sum(event["dur"] for event in found) / total,
        }
        for kind, found in kinds.items()
    ]
    return sorted(told, key=lambda line: -line["ms"])


_RUNTIMES = {".tflite": "LiteRT", ".onnx": "ONNX Runtime"}


def _call(path: Path, threads: int, delegate: Path | str | None) -> Callable[[], Any]:
    """One inference of a file, on an input that stays as it is."""
    if path.suffix not in _RUNTIMES:
        raise ValueError(f"{path.name} is neither .tflite nor .onnx; `mbhelpers quantize` makes both")
    if path.suffix == ".onnx":
        if delegate is not None:
            raise ValueError(f"{path.name}: a delegate is for .tflite files")
        session, feed = _session(path, threads)
        return lambda: session.run(None, feed)
    return _interpreter(path, threads, delegate).invoke


def _interpreter(path: Path, threads: int, delegate: Path | str | None) -> Any:
    from ai_edge_litert.interpreter import Interpreter, load_delegate

    read_record(path)  # refuses what is no .tflite file
    graph = read_graph(path)
    for k in graph.inputs:
        refuse_free_shapes(path, graph.tensors[k].name, (1, *graph.tensors[k].signature[1:]))
    delegates = []
    if delegate is not None:
        try:
            _ = ctypes.CDLL(
                str(delegate)
            ).tflite_plugin_create_delegate  # LiteRT's own loader leaves its failure behind
            delegates.append(load_delegate(str(delegate)))
        except (ValueError, OSError, RuntimeError, AttributeError) as error:
            raise ValueError(
                f"{delegate} is no delegate that LiteRT can load here ({reason(error)}); pass the library of one that "
                "was built for this machine"
            ) from error
    try:
        with quietly():
            interpreter = Interpreter(model_path=str(path), num_threads=threads, experimental_delegates=delegates)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{path} cannot be loaded by LiteRT ({reason(error)}); make it again") from error
    for end in interpreter.get_input_details():
        interpreter.set_tensor(end["index"], _some(end["shape"], np.dtype(end["dtype"])))
    return interpreter


def _session(path: Path, threads: int, profile_to: str | None = None) -> tuple[Any, dict[str, np.ndarray]]:
    """An ONNX Runtime session, and an input for it."""
    import onnxruntime

    read_record(path)  # refuses what is no .onnx file
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
    if profile_to:
        options.enable_profiling, options.profile_file_prefix = True, profile_to
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own errors have no common class but this
        raise ValueError(f"{path} cannot be loaded by ONNX Runtime ({reason(error)}); make it again") from error
    types = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8, "tensor(int8)": np.int8}
    feed = {}
    for end in session.get_inputs():
        shape = [1, *end.shape[1:]]
        refuse_free_shapes(path, end.name, tuple(size if isinstance(size, int) else -1 for size in shape))
        if end.type not in types:
            raise ValueError(f"{path}: input {end.name!r} is {end.type}; timed are {', '.join(types)}")
        feed[end.name] = _some(shape, np.dtype(types[end.type]))
    return session, feed


def refuse_free_shapes(path: Path, name: str, shape: tuple[int, ...]) -> None:
    """Refuse an input whose size, the batch aside, is only known when it runs.

    Raises:
        ValueError: it has a size below 1.
    """
    if any(size < 1 for size in shape):
        raise ValueError(f"{path} takes inputs of any size ({name!r} is {shape}); convert it with a fixed one")


def _some(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """An input of any content; the time of these networks doesn't depend on it."""
    rng = np.random.default_rng(0)
    if dtype == np.float32:
        return rng.uniform(-1, 1, shape).astype(np.float32)
    held = np.iinfo(dtype)
    return rng.integers(held.min, held.max, shape, endpoint=True).astype(dtype)
