"""`README.md` of a deployed folder: what the model is, and how to run it here and on a board."""

from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers.data.catalog import CATALOG
from mbhelpers.deployment.export.facts import Facts
from mbhelpers.deployment.export.network import End
from mbhelpers.deployment.footprint import footprint
from mbhelpers.files import read_json

_MEASURED = {"model_float.tflite": "float_tflite", "model_int8.tflite": "int8"}
"""A run's files, and what metrics.json calls their results."""

_TEXT = """\
# {title}

{what}

| file | what it is |
|---|---|
| `model.tflite` | the model, {size:,} bytes, SHA-256 `{sha256}` |
| `labels.txt` | the names of its classes, one a line |
| `model_data.h`, `model_data.c` | the same bytes as a C99 array, and sizes, scales and zero points as macros |
| `infer.py` | runs the model on pictures, and checks a machine; needs Python 3.10 with numpy, pillow, ai-edge-litert |
| `vectors/` | inputs and the outputs that belong to them, as raw numbers; `vectors.json` says which |

## In and out

| tensor | name in the file | shape | type | scale | zero point |
|---|---|---|---|---|---|
{ends}

value = (number - zero point) * scale; without a scale the numbers are the values.

{input}

{output}

{classes}

{warnings}## Where it comes from

{provenance}

## Run it here

```
pip install numpy pillow ai-edge-litert
python infer.py picture.jpg
python infer.py picture.jpg --json
python infer.py --check
```

`--check` runs the model on the inputs in `vectors/` and compares every output with the one there: exit status 0 if all
are the same to the last bit, else 1 and how far they are apart. They were made with {runtime} on
{processor}{kernels}

## Put it on a board

**STM32.** In STM32CubeMX add X-CUBE-AI (ST Edge AI Core) to the project and import `model.tflite`; the tool writes its
own C code of the network, so `model_data.c` isn't needed. Its validation takes inputs and outputs of your own
(`--valinput`, `--valoutput`): those of `vectors/`, as NumPy files:
`np.save("x.npy", np.fromfile("x.bin", TYPE).reshape(SHAPE))`.

**LiteRT for Microcontrollers.** Compile `model_data.c` with the project. The model needs {operator_count} operators:

```
{sketch}
```

`arena` is memory that you set aside, aligned to 16 bytes; too small a one makes `AllocateTensors` fail. The
activations alone are {activations:,} bytes by our count (`mbhelpers footprint --no-overlap`), more where kernels pad
a copy of their input, and the runtime's own tables come on top: start with twice that, and ask `arena_used_bytes()`.
Then write the picture into `interpreter.input(0)` and call `Invoke`. {micro}

**Linux boards.** Run `infer.py`, or measure with LiteRT's own tool:
`benchmark_model --graph=model.tflite --num_threads=1`.

**Ethos-U (i.MX 93 and others).** `mbhelpers npu model.tflite -o compiled` compiles the file for the NPU, and says which
operators stay on the CPU.
"""


def write_readme(facts: Facts, told: dict[str, Any], size: int, sha256: str) -> str:
    """The page.

    Args:
        facts: of the file.
        told: what `write_vectors` gave.
        size: of the file in bytes.
        sha256: of the file.
    """
    metrics = _metrics(facts.path, sha256)
    tensors = [("input", facts.input), *((f"output {k}", end) for k, end in enumerate(facts.outputs))]
    return _TEXT.format(
        title=metrics.get("row", facts.path.stem),
        what=_what(facts),
        size=size,
        sha256=sha256,
        ends="\n".join(_row(role, end) for role, end in tensors),
        input=_input(facts),
        output=_output(facts),
        classes=_classes(facts),
        warnings="".join(f"**Mind:** {text}.\n\n" for text in facts.warnings),
        provenance="\n".join(f"- {line}" for line in [*_made(facts), *_measured(metrics, sha256)]),
        kernels=_kernels(told),
        runtime=told["made"]["runtime"],
        processor=told["made"]["processor"],
        operator_count=len(facts.operators),
        sketch=_sketch(facts),
        activations=footprint(facts.path, overlap=False).ram,
        micro=_micro(told),
    )


def _made(facts: Facts) -> list[str]:
    """Where a model comes from as its record says, a fact a line."""
    if facts.record is None:
        return ["the file doesn't say how it was made"]
    made = facts.record.made
    lines = [f"command: `{made['command']}`"] if "command" in made else []
    if "seed" in made:
        lines.append(f"seed: {made['seed']}")
    data = made.get("data", {})
    if "dataset" in data:
        images = ", ".join(f"{n:,} {part}" for part, n in data.get("images", {}).items())
        drawn = " (drawn pictures, CC0)" if data.get("source") == "sample" else ""
        lines.append(f"data: {data['dataset']}{drawn}{f'; images: {images}' if images else ''}")
        if data["dataset"] in CATALOG and not drawn:
            known = CATALOG[data["dataset"]]
            lines.append(f"licence of the data: {known.licence}; {known.homepage}")
    if "calibration" in made:
        lines.append(f"calibrated on {made['calibration'].get('images')} training images")
    if "versions" in made:
        lines.append("made with " + ", ".join(f"{name} {version}" for name, version in made["versions"].items()))
    return lines


def _metrics(path: Path, sha256: str) -> dict[str, Any]:
    """The metrics.json of the run that made this very file, where it lies beside it."""
    beside = path.parent / "metrics.json"
    metrics = read_json(beside) if beside.is_file() else {}
    told = isinstance(metrics, dict) and sha256 in metrics.get("sha256", {}).values()
    return metrics if told else {}


def _measured(metrics: dict[str, Any], sha256: str) -> list[str]:
    """How good it is, by the metrics.json of its run."""
    names = [name for name, digest in metrics.get("sha256", {}).items() if digest == sha256]
    result = metrics.get(_MEASURED.get(names[0], "")) if names else None
    if result is None:
        return ["its accuracy is not known here: no metrics.json of this very file lies beside it"]
    low, high = (100 * bound for bound in result["interval"])
    if "ap" in result:
        lines = [
            f"AP {100 * result['ap']:.1f} % ({metrics['protocol']}; n = {result['n']} images of the test part, "
            f"{result['truths']} objects, 95 % interval {low:.1f} to {high:.1f} %)"
        ]
        if best := metrics.get("threshold"):
            lines.append(
                f"on the validation part F1 is best from a score of {best['threshold']:.2f} on (`--threshold`)"
            )
    else:
        lines = [
            f"top-1 {100 * result['top1']:.1f} % ({result['correct']} of n = {result['n']} images of the test part, "
            f"95 % interval {low:.1f} to {high:.1f} %)"
        ]
    return lines + [text.rstrip(".") for text in metrics.get("warnings", [])]


def _what(facts: Facts) -> str:
    kind = "A detector: it finds objects in a picture" if facts.task == "detector" else "A classifier of pictures"
    names = ", ".join(f"{facts.labels[k]}" for k in range(min(5, len(facts.labels))))
    more = ", ..." if len(facts.labels) > 5 else ""
    classes = "1 class" if len(facts.labels) == 1 else f"{len(facts.labels)} classes"
    side = facts.preprocessing.resolution
    return f"{kind}, {classes} ({names}{more}), {side} x {side} pixels."


def _row(role: str, end: End) -> str:
    scale, zero = (f"{np.float32(end.scale)}", str(end.zero_point)) if end.scale else ("-", "-")
    return f"| {role} | `{end.name}` | {end.shape} | {end.type} | {scale} | {zero} |"


def _input(facts: Facts) -> str:
    contract, kind = facts.preprocessing, facts.input.type
    rule = {
        "uint8": "Write them as they are",
        "int8": "Write pixel - 128",
        "float32": f"Write {contract.formula}",
    }[kind]
    aspect = {
        "stretch": "stretched to the square",
        "crop": "cut to the largest square in its middle",
        "pad": "put whole into a square, between bars",
    }[contract.aspect]
    middle = f", of which the middle {100 * contract.central:g} % of each side is kept" if contract.central != 1 else ""
    return (
        f"**Input.** A picture as RGB, turned upright (EXIF), {aspect}{middle}, resized to {contract.resolution} x "
        f"{contract.resolution} ({contract.resize}, as Pillow does it); pixels are 0 to 255, row by row. {rule}. "
        f"What the network means by a pixel is {contract.formula}."
    )


def _output(facts: Facts) -> str:
    if facts.task == "classifier":
        single = int(np.prod(facts.outputs[0].shape)) == 1
        if single:
            return f"**Output.** One value: the share of {facts.labels[1]}; the rest is that of {facts.labels[0]}."
        return "**Output.** A value for each class, in the order of `labels.txt`; the highest is the answer."
    if facts.roles:
        places = {role: k for k, role in enumerate(facts.roles)}
        first = "column 0 is the background, the classes follow" if facts.background else "a column for each class"
        return (
            f"**Outputs.** For each anchor, a row: scores (output {places['scores']}; {first}), offsets (output "
            f"{places['offsets']}) and the anchor itself (output {places['anchors']}: left, top, right, bottom as "
            "shares of the square). A box is anchor + offset * (width, height, width, height of the anchor). Keep the "
            "rows whose score is high, and of those that overlap the best (non-maximum suppression): `infer.py` does."
        )
    if len(facts.outputs) == 1:
        return (
            f"**Output.** For each anchor a row: scores ({'background first, ' if facts.background else ''}then the "
            "classes), four offsets, and the anchor (left, top, right, bottom as shares of the square). A box is "
            "anchor + offset * (width, height, width, height of the anchor)."
        )
    return "**Outputs.** Boxes (top, left, bottom, right as shares of the square), classes, scores and their number."


def _classes(facts: Facts) -> str:
    named = f"`labels.txt` has the names ({facts.labels_origin})"
    if len(facts.labels) > 40:
        return f"**Classes.** {named}."
    listed = ", ".join(f"{k} {label}" for k, label in enumerate(facts.labels))
    return f"**Classes.** {named}: {listed}."


def _kernels(told: dict[str, Any]) -> str:
    """Which kernels the outputs were made with."""
    if told["missing"]:
        return (
            f", by LiteRT's default kernels alone. By others they are not there: {'; '.join(told['missing'].values())}."
        )
    return (
        ": by LiteRT's default kernels, those of its own choice for a processor, and by its reference kernels. The\n"
        "two differ by some steps of an output; another processor is likelier to differ from the former."
    )


def _micro(told: dict[str, Any]) -> str:
    """How to test a microcontroller's answers."""
    if "reference" in told["missing"]:
        return "LiteRT has no reference kernel for one of\nits operators; microcontrollers may lack it too."
    return (
        "To test it, feed\n`vectors/*_input.bin` and compare with `vectors/*_reference_*.bin`: its plain kernels "
        "follow the reference,\nthose optimized for a processor may differ by some steps."
    )


def _sketch(facts: Facts) -> str:
    """C++ that opens the model with LiteRT for Microcontrollers."""
    added = "\n".join(f"resolver.{_method(kind)}();" for kind in facts.operators)
    return (
        '#include "model_data.h"\n\n'
        f"tflite::MicroMutableOpResolver<{len(facts.operators)}> resolver;\n{added}\n"
        "tflite::MicroInterpreter interpreter(tflite::GetModel(model_data), resolver, arena, sizeof(arena));\n"
        "interpreter.AllocateTensors();"
    )


def _method(kind: str) -> str:
    """The resolver's method for an operator, as "AddConv2D" for CONV_2D."""
    if kind.startswith("CUSTOM "):
        known = {"CUSTOM TFLite_Detection_PostProcess": "AddDetectionPostprocess"}
        return known.get(kind, f"/* {kind.removeprefix('CUSTOM ')}, an operator of its own */ AddCustom")
    if kind in _METHODS:
        return _METHODS[kind]
    return "Add" + "".join(part if part[0].isdigit() else part.capitalize() for part in kind.split("_"))


_METHODS = {
    "PADV2": "AddPadV2",
    "BATCH_MATMUL": "AddBatchMatMul",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
}
"""Methods that are not named as the others are."""
