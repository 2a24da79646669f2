"""Only `quietly`: what loads TensorFlow is tested in tests/contract."""

import os

import pytest

from mbhelpers.native import quietly


def chatter() -> None:
    os.write(2, b"from a library\n")  # past sys.stderr, as TensorFlow does


def test_chatter_is_held_back(capfd):
    with quietly():
        chatter()
        print("a result")
    os.write(2, b"after\n")
    said = capfd.readouterr()
    assert said.err == "after\n", "and afterwards everything is heard again"
    assert said.out == "a result\n", "standard output is not touched"


def test_a_failure_is_shown_with_its_chatter(capfd):
    with pytest.raises(RuntimeError, match="converter"), quietly():
        chatter()
        raise RuntimeError("converter")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "from a library\nafter\n"


def test_one_in_another(capfd):
    with quietly():
        with quietly():
            chatter()
        chatter()
    assert capfd.readouterr().err == ""
    chatter()
    assert capfd.readouterr().err == "from a library\n"


def lowest_free_descriptor() -> int:
    number = os.dup(0)
    os.close(number)
    return number


def test_no_file_stays_open():
    before = lowest_free_descriptor()
    for _ in range(3):
        with quietly():
            pass
    assert lowest_free_descriptor() == before
