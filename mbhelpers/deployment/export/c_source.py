"""A model as C99 source: the file as an array, and what its tensors are as macros."""

import numpy as np

from mbhelpers.deployment.export.facts import TYPES, Facts
from mbhelpers.deployment.export.network import End

_HEADER = """\
/* model.tflite as a C array, and what its input and outputs are. Written by mbhelpers deploy.
   SHA-256 of the file: {sha256} */
#ifndef MODEL_DATA_H
#define MODEL_DATA_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define MODEL_DATA_LEN {length}
extern const unsigned char model_data[MODEL_DATA_LEN]; /* 16-byte aligned */

/* {picture} */
#define MODEL_SIDE {side}
#define MODEL_MEAN {mean}
#define MODEL_STD {std}

{classes}
#define MODEL_CLASSES {class_count}
extern const char *const model_labels[MODEL_CLASSES];

/* value = (number - ZERO_POINT) * SCALE; a SCALE of 0 says that the numbers are the values.
   SIZE is in numbers, SHAPE and TYPE serve as in: static MODEL_INPUT_0_TYPE picture[MODEL_INPUT_0_SIZE]; */
#define MODEL_INPUTS 1
#define MODEL_OUTPUTS {outputs}
{ends}
#ifdef __cplusplus
}}
#endif

#endif
"""

_SOURCE = """\
/* Written by mbhelpers deploy; see model_data.h. */
#include "model_data.h"

#if defined(__cplusplus) && __cplusplus >= 201103L
#define MODEL_ALIGNED alignas(16)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define MODEL_ALIGNED _Alignas(16)
#elif defined(__GNUC__) || defined(__CC_ARM)
#define MODEL_ALIGNED __attribute__((aligned(16)))
#elif defined(__ICCARM__)
#define MODEL_ALIGNED _Pragma("data_alignment=16")
#else
#error "say here how your compiler aligns an array to 16 bytes"
#endif

const char *const model_labels[MODEL_CLASSES] = {{
{labels}
}};

MODEL_ALIGNED const unsigned char model_data[MODEL_DATA_LEN] = {{
{numbers}
}};
"""

_A_LINE = 24
"""Bytes in a line of the array."""


def write_header(facts: Facts, length: int, sha256: str) -> str:
    """`model_data.h`.

    Args:
        facts: of the file.
        length: of the file in bytes.
        sha256: of the file.
    """
    mean, std = (np.broadcast_to(values, 3).tolist() for values in (facts.preprocessing.mean, facts.preprocessing.std))
    ends = _macros("INPUT", 0, facts.input)
    for k, end in enumerate(facts.outputs):
        ends += _macros("OUTPUT", k, end)
    for k, role in enumerate(facts.roles if facts.task == "detector" else ()):
        ends += f"#define MODEL_{role.upper()}_OUTPUT {k}\n"
    if facts.task == "detector":
        ends += f"#define MODEL_BACKGROUND {facts.background} /* columns of scores before the first class */\n"
    return _HEADER.format(
        sha256=sha256,
        length=length,
        picture=_picture(facts),
        side=facts.preprocessing.resolution,
        mean=_floats(mean),
        std=_floats(std),
        classes=_classes(facts),
        class_count=len(facts.labels),
        outputs=len(facts.outputs),
        ends=ends,
    )


def write_source(labels: tuple[str, ...], content: bytes) -> str:
    """`model_data.c`: the names of the classes, and a file's bytes."""
    names = [f"{byte}," for byte in range(256)]
    numbers = [names[byte] for byte in content]
    lines = ["".join(numbers[k : k + _A_LINE]) for k in range(0, len(numbers), _A_LINE)]
    return _SOURCE.format(labels="\n".join(f"    {c_string(label)}," for label in labels), numbers="\n".join(lines))


def c_string(text: str) -> str:
    """A string literal of its UTF-8 bytes, in ASCII alone.

    Bytes are written in octal, which ends after three digits, where hexadecimal would go on into the next letter; a
    question mark is escaped for the sake of trigraphs.
    """
    special = {ord('"'): '\\"', ord("\\"): "\\\\", ord("?"): "\\?"}
    return '"' + "".join(special.get(b) or (chr(b) if 32 <= b < 127 else f"\\{b:03o}") for b in text.encode()) + '"'


def c_float(value: float) -> str:
    """A literal that a C compiler reads back as the same float32."""
    written = f"{value:.9g}"
    return f"{written}f" if any(mark in written for mark in ".e") else f"{written}.0f"


def _floats(values: list[float]) -> str:
    return "{" + ", ".join(map(c_float, values)) + "}"


def _macros(kind: str, index: int, end: End) -> str:
    """The macros of an input or output."""
    name = f"MODEL_{kind}_{index}"
    shown = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "_:;.- ") else "_" for letter in end.name
    )
    return (
        f"\n/* {kind.lower()} {index}, named {shown} */\n"
        f"#define {name}_TYPE {TYPES[end.type]}\n"
        f"#define {name}_SHAPE {{{', '.join(map(str, end.shape))}}}\n"
        f"#define {name}_RANK {len(end.shape)}\n"
        f"#define {name}_SIZE {int(np.prod(end.shape))}\n"
        f"#define {name}_SCALE {c_float(end.scale)}\n"
        f"#define {name}_ZERO_POINT ({end.zero_point})\n"
    )


def _picture(facts: Facts) -> str:
    """How a pixel becomes a number of the input."""
    rule = {
        "uint8": "the input takes them as they are",
        "int8": "the input takes pixel - 128",
        "float32": "the input takes (pixel - MEAN) / STD of the channel",
    }[facts.input.type]
    return (
        f"A picture is SIDE x SIDE pixels, red, green, blue, 0 to 255; {rule}.\n"
        "   What the network means by one is (pixel - MEAN) / STD"
    )


def _classes(facts: Facts) -> str:
    if facts.task == "detector":
        return "/* Names of the classes, without the background. */"
    if int(np.prod(facts.outputs[0].shape)) == 1:
        return "/* Names of the classes; the one output p is the share of model_labels[1], 1 - p that of the other. */"
    return "/* Names of the classes, in the order of the output. */"
