import dataclasses

import pytest

from mbhelpers.rows import DATASETS, VARIANTS, Row, published, published_rows, published_table


@pytest.mark.parametrize("row", published_rows(), ids=str)
def test_a_name_is_read_back(row):
    assert Row.parse(str(row)) == row


def test_parse_names_every_part():
    assert Row.parse("flowers/mobilenet_v2_0.35_128_tl") == Row("flowers", "mobilenet_v2", 0.35, 128, "tl")
    detector = Row("coco2017_person", "ssd_mobilenet_v2_fpnlite", 0.35, 192)
    assert Row.parse("coco2017_person/ssd_mobilenet_v2_fpnlite_0.35_192") == detector
    assert detector.variant == ""
    assert Row.parse(detector) is detector


@pytest.mark.parametrize(
    ("name", "message", "why"),
    [
        ("flower/mobilenet_v2_0.35_128_tl", ", ".join(DATASETS), "an unknown dataset lists the known ones"),
        ("flowers/mobilenet_v2_0.35_128_qat", ", ".join(VARIANTS), "an unknown variant lists the known ones"),
        ("flowers/mobilenet_v2_0.35_31_tl", "32 px or more", "smaller than five halvings allow"),
        ("flowers/mobilenet_v2_0.0_128_tl", "alpha > 0", "a model without channels"),
        ("mobilenet_v2_0.35_128_tl", "DATASET/ARCHITECTURE_ALPHA_RESOLUTION_VARIANT", "no dataset"),
        ("flowers/mobilenet_v2_128_tl", "such as flowers/mobilenet_v2_0.35_128_tl", "no alpha"),
        ("flowers/mobilenet_v2_0.35_tl", "`mbhelpers rows` lists", "no resolution"),
        ("flowers/mobilenet_v2_0.35_128_tl\n", "unknown row", "a line end is not passed over"),
        ("flowers/../mobilenet_v2_0.35_128_tl", "unknown row", "a row names a folder and must not leave it"),
        ("", "unknown row ''", "empty"),
    ],
)
def test_parse_says_what_is_wrong(name, message, why):
    with pytest.raises(ValueError) as error:
        Row.parse(name)
    assert message in str(error.value), why


@pytest.mark.parametrize(
    ("name", "figures", "why"),
    [
        ("flowers/mobilenet_v2_0.35_128_tl", {"float": 88.15, "int8": 88.01}, "the first transfer-learning row"),
        ("flowers/mobilenet_v2_0.35_128_fft", {"float": 91.83, "int8": 91.01}, "another variant, other figures"),
        ("flowers/mobilenet_v2_0.35_224_fft", {"float": 93.6, "int8": 92.78}, "another resolution"),
        ("food101/mobilenet_v2_0.35_128_tl", {"float": 44.74, "int8": 42.01}, "another dataset"),
        ("coco_person/mobilenet_v2_0.35_128_fft", {"float": 95.37, "int8": 94.95}, "the last classifier"),
        ("coco2017_person/ssd_mobilenet_v2_fpnlite_0.35_192", {"int8": 40.73}, "a detector's AP, int8 only"),
        ("coco2017_80/ssd_mobilenet_v2_fpnlite_1.0_416", {"int8": 32.3}, "the last line of all"),
        ("custom/mobilenet_v2_0.35_128_tl", {}, "nobody published the user's own data"),
        ("flowers/mobilenet_v2_0.5_128_tl", {}, "nobody published this width"),
    ],
)
def test_published(name, figures, why):
    assert published(Row.parse(name)) == figures, why


def test_published_rows_are_those_of_the_cards():
    rows = published_rows()
    assert len(rows) == len(set(rows)) == 27  # 42 lines of float and int8, and 6 detectors
    assert str(rows[0]) == "flowers/mobilenet_v2_0.35_128_tfs"
    assert all(published(row) for row in rows)


def test_published_figures_cannot_be_changed_by_a_caller():
    row = published_rows()[0]
    before = dict(published(row))
    published(row)["int8"] = 100.0
    assert published(row) == before
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.alpha = 1.0


def test_published_table():
    lines = published_table("latency_ms")
    assert lines[0]["board"] == "STM32H747I-DISCO"
    assert lines[0]["latency_ms"] == "101.11"
    with pytest.raises(ValueError, match=r"unknown table 'latency'; choose from classification_accuracy, .*latency_ms"):
        published_table("latency")
