"""Names and numbers as C literals."""

import numpy as np
import pytest

from mbhelpers.deployment.export.c_source import c_float, c_string, write_source


@pytest.mark.parametrize(
    ("text", "literal", "why"),
    [
        ("tulips", '"tulips"', "letters"),
        ('a "b"', r'"a \"b\""', "a quote would end it"),
        ("a\\n", r'"a\\n"', "a backslash is one"),
        ("??/", r'"\?\?/"', "a trigraph would be a backslash"),
        ("é1", r'"\303\2511"', "octal ends after three digits, whatever follows"),
        ("\t", r'"\011"', "no control characters in the source"),
        ("100 % {x}", '"100 % {x}"', "no format"),
        ("", '""', "nothing"),
    ],
)
def test_strings(text, literal, why):
    assert c_string(text) == literal, why


@pytest.mark.parametrize(
    ("value", "literal"),
    [(0.0, "0.0f"), (128.0, "128.0f"), (1 / 128, "0.0078125f"), (1e-20, "1e-20f"), (-1.5, "-1.5f"), (1e20, "1e+20f")],
)
def test_floats(value, literal):
    assert c_float(value) == literal


def test_every_float_is_read_back():
    bits = np.random.default_rng(0).integers(0, 0x7F800000, 2000, np.uint32)
    values = bits.view(np.float32)
    assert [np.float32(c_float(float(value)).rstrip("f")) for value in values] == values.tolist()


def test_the_array_has_every_byte_in_order():
    content = bytes(range(256)) * 2 + b"x"
    body = write_source(("a",), content).split("model_data[MODEL_DATA_LEN] = {")[1].split("}")[0]
    assert bytes(int(number) for number in body.replace("\n", "").split(",") if number) == content
