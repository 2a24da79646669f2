"""What becomes of a network on an NPU: figures for the whole and for each operator, as plain data."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class NpuOperator:
    """One operator of the file that was compiled, and what becomes of it.

    Attributes:
        index: its place in the file; None for one that Vela added.
        kind: TFLite's name, as "CONV_2D".
        name: of its output tensor.
        place: "NPU"; "CPU"; or "merged": it takes no step of its own, as its neighbours do its work or it is known
            beforehand.
        reason: why it stays on the CPU, in Vela's words, where it gives any.
        cycles: for one image, the sum over its steps.
        cycles_by: what its steps would take if only the "NPU", the "SRAM", the "DRAM" or the "flash" had to be waited
            for.
        macs: multiply-accumulates as Vela counts them, those of pooling and softmax too.
    """

    index: int | None
    kind: str
    name: str
    place: str
    reason: str = ""
    cycles: int = 0
    cycles_by: dict[str, int] | None = None
    macs: int = 0

    @property
    def bound(self) -> str:
        """What it waits for longest; empty if it takes no cycles."""
        return max(self.cycles_by, key=self.cycles_by.__getitem__) if self.cycles_by and self.cycles else ""


@dataclass(frozen=True)
class NpuEstimate:
    """Vela's estimate for one image.

    Attributes:
        model: name of the file.
        target: the NPU.
        system_config: clock and bandwidths, by name; `deployment.npu` explains them.
        memory_mode: what lies in which memory, by name.
        clock: of the NPU, in Hz.
        cycles: of the whole, each step at the pace of its slowest part.
        cycles_by: what the steps would take if only the "NPU" or one memory had to be waited for.
        bandwidth: of each memory at best, in bytes a second.
        memory: bytes used of each, at most at one time; weights included where they lie.
        traffic: bytes read from and written to each.
        weights: bytes of the file's weights, and of what Vela packs them into.
        macs: multiply-accumulates, those of pooling and softmax too.
        operators: of the file, in its order; behind them those that Vela added.
        calls: how often the NPU is started; more than once where operators on the CPU lie between.
        vela: its version.
        compiled: the file for the board, if it was kept.
    """

    model: str
    target: str
    system_config: str
    memory_mode: str
    clock: int
    cycles: int
    cycles_by: dict[str, int]
    bandwidth: dict[str, float]
    memory: dict[str, int]
    traffic: dict[str, int]
    weights: tuple[int, int]
    macs: int
    operators: tuple[NpuOperator, ...]
    calls: int
    vela: str
    compiled: Path | None = None

    @property
    def milliseconds(self) -> float:
        """Time on the NPU at its clock; operators on the CPU are not in it."""
        return 1000 * self.cycles / self.clock

    def at(self, place: str) -> tuple[NpuOperator, ...]:
        """The operators on the "NPU", on the "CPU", or "merged"."""
        return tuple(operator for operator in self.operators if operator.place == place)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the figures must know about operators that stay on the CPU; empty if there are none."""
        found = []
        if left := self.at("CPU"):
            kinds = ", ".join(sorted({operator.kind for operator in left}))
            found.append(f"{len(left)} of {len(self.operators)} operators stay on the CPU, not in the time: {kinds}")
        if any(operator.kind in ("QUANTIZE", "DEQUANTIZE") for operator in left):
            found.append(
                "QUANTIZE and DEQUANTIZE at the ends come from float values in or out; a file made with "
                "--input-type int8 --output-type int8 has none"
            )
        if self.calls > 1:
            found.append(f"the NPU is started {self.calls} times for one image, as operators on the CPU lie between")
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON can hold it, with milliseconds, notes, and what bounds each operator."""
        told = asdict(self) | {"compiled": str(self.compiled) if self.compiled else None}
        told["operators"] = [asdict(operator) | {"bound": operator.bound} for operator in self.operators]
        return {"milliseconds": self.milliseconds, **told, "notes": list(self.notes)}
