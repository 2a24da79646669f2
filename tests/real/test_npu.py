"""Our int8 MobileNetV2 1.0 224 on the NPU of an i.MX 93, estimated, beside the time that NXP measured there."""

import pytest

from mbhelpers import settings
from mbhelpers.deployment.npu import compile_for_npu, published_milliseconds
from mbhelpers.models.complexity import complexity
from mbhelpers.quantization.files import quantize_file

pytestmark = pytest.mark.real

CONFIGS = ("Ethos_U65_Client_Server", "Ethos_U65_High_End")


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory):
    """Slim's weights, quantized by us with integers at both ends; few images, as no time depends on them."""
    real = settings.real_folder()
    if real is None:
        pytest.skip("no real images here: set MBHELPERS_REAL to their folder (or lay them in ../shared/real)")
    source = real / "peer_models" / "coral_imagenet" / "mobilenet_v2_1.0_224_quant.tflite"
    output = tmp_path_factory.mktemp("npu") / "mobilenet_v2_1.0_224.tflite"
    types = {"input_type": "int8", "output_type": "int8"}
    return quantize_file(source, real / "imagenet", output, number=10, seed=1, conversion=types, preset="slim")


def test_every_operator_runs_on_the_npu_and_the_time_is_near_the_published(mobilenet, capsys):
    """Measured with Vela 5.2.0: 3.55 ms by Vela's defaults for a U65, 4.89 with the slower DRAM; published 3.46."""
    [(name, published)] = published_milliseconds("ethos-u65-256").items()
    found = {config: compile_for_npu(mobilenet, system_config=config) for config in CONFIGS}
    with capsys.disabled():
        for config, estimate in found.items():
            print(f"\n{config}: {estimate.milliseconds:.2f} ms; published, {name}: {published:.2f} ms", end="")
    for estimate in found.values():
        assert {operator.place for operator in estimate.operators} == {"NPU"} and estimate.calls == 1
        assert 1 / 1.5 < estimate.milliseconds / published < 1.5, estimate
    ours = {k: layer.macs for k, layer in enumerate(complexity(mobilenet).layers) if layer.macs}
    assert {op.index: op.macs for op in found[CONFIGS[0]].operators if op.index in ours} == ours


def test_a_crash_on_sts_detector_says_what_helps(real):
    path = real / "peer_models" / "st_ssd_person" / "ssd_mobilenet_v2_fpnlite_035_192_int8.tflite"
    with pytest.raises(ValueError, match=r"cannot compile .* it crashed \(signal 11\).*--keep-on-cpu TILE"):
        compile_for_npu(path)
    estimate = compile_for_npu(path, keep_on_cpu=("TILE",))
    assert {operator.kind for operator in estimate.at("CPU")} == {
        "DEQUANTIZE",
        "PACK",
        "SHAPE",
        "STRIDED_SLICE",
        "TILE",
    }
    assert len(estimate.operators) == 219 and estimate.calls == 6
