import pytest

from mbhelpers import settings
from mbhelpers.files import read_json
from mbhelpers.reporting import int8_facts

PAIR = {"difference": 0.0123, "interval": [-0.004, 0.02], "mcnemar_p": 0.034, "n": 492}
LINE = {"points of top-1": "+1.23", "95 % interval": "-0.40 to +2.00", "McNemar p": "0.03", "n": "492"}
MEASURED = {"pooled": {"tensor": PAIR, "channel": PAIR}, "rows": {"flowers/a": {"test": {"tensor": PAIR}}}}


def test_lines():
    assert int8_facts.pooled_lines(MEASURED, ("tensor",)) == {"tensor": LINE}
    assert int8_facts.row_lines(MEASURED, "tensor") == {"flowers/a": LINE}


@pytest.mark.parametrize("name", ["channel", "tensor", "tensor, trained", "onnx_qoperator", "onnx_qdq"])
def test_what_was_measured_is_told(name):
    measured = read_json(settings.results_folder() / "flowers" / "int8.json")
    told = int8_facts.pooled_lines(measured, (name,))[name]
    assert float(told["points of top-1"]) == pytest.approx(100 * measured["pooled"][name]["difference"], abs=0.006)
    assert set(int8_facts.row_lines(measured, name)) == set(measured["rows"])


@pytest.mark.parametrize(
    ("name", "most", "why"),
    [
        ("channel", 0.005, "a scale for each channel loses at most half a point"),
        ("tensor", 0.01, "one scale a layer, repaired, at most one"),
        ("tensor, trained", 0.01, "nor trained with rounding"),
        ("onnx_qoperator", 0.01, "nor as ONNX, and less than the zoo's published 1.7 %"),
        ("onnx_qdq", 0.01, "likewise"),
    ],
)
def test_the_rows_keep_what_we_promise(name, most, why):
    pair = read_json(settings.results_folder() / "flowers" / "int8.json")["pooled"][name]
    assert pair["n"] == 6 * 492
    assert pair["difference"] >= -most and pair["relative_loss"] < 0.017, why


def test_the_costs_stand_side_by_side():
    lines = int8_facts.cost_lines(settings.results_folder())
    small = read_json(settings.results_folder() / "flowers" / "int8.json")["rows"]
    [told] = [line for line in lines if line["file"] == "`int8_per_tensor`"]
    pair = small["flowers/mobilenet_v3_small_1.0_128_tfs"]["test"]["tensor"]
    assert told["MobileNetV3-small, flowers (n = 492)"].startswith(f"{100 * pair['difference']:+.2f} (")
    assert [line["file"] for line in lines if not line["MobileNetV2 1.0, ImageNet (n = 250)"]] == [
        "the same, as TFLite converts it",
        "the same, trained with rounding",
    ], "not measured there"
