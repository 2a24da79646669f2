"""Slim's checkpoints in Keras: the same outputs, and nothing taken from or given to the wrong place."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mbhelpers.models.families import NETWORK
from mbhelpers.models.slim import EMA, is_checkpoint, read_checkpoint, scope_of
from mbhelpers.preprocessing import preset

from . import slim_reference as slim

NETWORKS = [
    *[("mobilenet_v2", 0.35), ("mobilenet_v2", 1.4), ("mobilenet_v3_large", 0.75), ("mobilenet_v3_small", 1.0)],
    *[("mobilenet_v3_large_minimalistic", 1.0), ("mobilenet_v3_small_minimalistic", 1.0), ("mobilenet_edgetpu", 0.75)],
]


def pixels(side: int) -> np.ndarray:
    """Four pictures of large blots: of noise alone all would be alike behind the pooling."""
    coarse = np.random.default_rng(5).integers(0, 256, (4, 4, 4, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(small).resize((side, side))) for small in coarse])


def network(architecture: str, alpha: float, side: int = 64) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Variables by slim's names, and the scores of the reference for `pixels(side)`."""
    variables = slim.Made(seed=7)
    scores = slim.run(architecture, alpha, preset("slim", side).normalize(pixels(side)), variables)
    return variables.all, scores


def trained(content: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same as training leaves it: averages beside the last values, which differ, and slots and counters."""
    left = {f"{name}/{EMA}": value for name, value in content.items()}
    left |= {name: value * 1.5 + 0.1 for name, value in content.items()}
    slotted = next(iter(content))
    slots = {f"{slotted}/{slot}": content[slotted] * 0 for slot in ("RMSProp", "RMSProp_1")}
    return left | slots | {"global_step": np.array(5, np.int64)}


@pytest.fixture(scope="module")
def v2(tmp_path_factory):
    """A MobileNetV2 0.35: its checkpoint, variables and scores."""
    content, scores = network("mobilenet_v2", 0.35)
    return slim.write(tmp_path_factory.mktemp("v2") / "model.ckpt-5", content), content, scores


@pytest.mark.parametrize(("architecture", "alpha"), NETWORKS)
def test_outputs_are_those_of_the_source(architecture, alpha, tmp_path):
    content, scores = network(architecture, alpha)
    prefix = slim.write(tmp_path / "model.ckpt", content)
    model, report = read_checkpoint(prefix, resolution=64, classes=1001)
    assert model.name.startswith(f"{architecture}_{alpha}"), "recognised"
    found = model.predict(pixels(64), verbose=0)
    assert np.abs(scores[0] - scores[1]).max() > 0.03, "else the comparison says little"
    np.testing.assert_allclose(found, scores, atol=1e-4)
    assert report.parameters == model.count_params() == sum(value.size for value in content.values())
    assert (report.averaged, report.passed_over, report.dropped) == (0, (), ())


@pytest.mark.parametrize("side", [33, 97])
def test_strides_of_odd_sizes_pad_alike(side, tmp_path):
    content, scores = network("mobilenet_v2", 0.35, side)
    model, _ = read_checkpoint(slim.write(tmp_path / "m", content), resolution=side, classes=1001)
    np.testing.assert_allclose(model.predict(pixels(side), verbose=0), scores, atol=1e-4)


@pytest.mark.parametrize("architecture", ["mobilenet_v2", "mobilenet_v3_small", "mobilenet_edgetpu"])
def test_moving_averages_win_and_background_goes(architecture, tmp_path):
    alpha = 0.35 if architecture == "mobilenet_v2" else 0.75
    content, scores = network(architecture, alpha)
    prefix = slim.write(tmp_path / "model.ckpt", trained(content))
    model, report = read_checkpoint(prefix, resolution=64)
    assert model.output_shape == (None, 1000)
    without = scores[:, 1:] / scores[:, 1:].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict(pixels(64), verbose=0), without, atol=1e-4)
    assert report.averaged == len(report.mapped) == len(content)
    assert "global_step" in report.passed_over
    assert {line.split(" of ")[0] for line in report.dropped} == {"output 0"}
    told = " ".join(report.lines())
    assert all(part in told for part in ("moving averages", "optimizer slots", "global_step", "background")), told


@pytest.mark.skipif("MBHELPERS_SLIM_CHECKPOINT" not in os.environ, reason="MBHELPERS_SLIM_CHECKPOINT names none")
def test_a_checkpoint_of_slims_own_training():
    """The same comparison on a real checkpoint, given by its path."""
    import tensorflow as tf

    prefix = Path(os.environ["MBHELPERS_SLIM_CHECKPOINT"])
    model, report = read_checkpoint(prefix, classes=1001)
    name, alpha, side = model.name.rsplit("_", 2)
    source = dict(report.mapped)
    reader = tf.train.load_checkpoint(str(prefix))

    def variables(wanted: str, shape: tuple[int, ...], batch: np.ndarray | None = None) -> np.ndarray:
        return reader.get_tensor(f"{wanted}/{EMA}" if f"{wanted}/{EMA}" in source else wanted).reshape(shape)

    images = pixels(int(side))
    scores = slim.run(name, float(alpha), preset("slim", int(side)).normalize(images), variables)
    np.testing.assert_allclose(model.predict(images, verbose=0), scores, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda c: c.pop("MobilenetV2/expanded_conv_3/project/weights"),
            "missing 1: .*expanded_conv_3/project/weights",
        ),
        (lambda c: c.pop("MobilenetV2/Conv/BatchNorm/beta"), "missing 1: MobilenetV2/Conv/BatchNorm/beta"),
        (
            lambda c: c.update({"MobilenetV2/Conv_7/weights": np.zeros(3, "f")}),
            "left over 1: MobilenetV2/Conv_7/weights",
        ),
        (lambda c: c.update({"MobilenetV2/Other/RMSProp": np.zeros(3, "f")}), "left over 1: .*/Other/RMSProp"),
        (
            lambda c: c.update({"MobilenetV2/Conv_1/weights": np.zeros((1, 1, 112, 640), "f")}),
            r"Conv_1/weights has shape \(1, 1, 112, 640\), the model needs \(1, 1, 112, 1280\)",
        ),
        (
            lambda c: c.update({"MobilenetV2/Logits/Conv2d_1c_1x1/biases": np.zeros(6, "f")}),
            "biases has shape .* number of classes",
        ),
        (lambda c: c["MobilenetV2/Conv/weights"].fill(np.nan), "Conv/weights holds numbers that are not finite"),
        (lambda c: c.pop("MobilenetV2/expanded_conv_16/project/weights"), "lacks .*expanded_conv_16/project/weights"),
        (
            lambda c: c.update({"MobilenetV2/expanded_conv_16/project/weights": np.zeros((1, 1, 8, 40), "f")}),
            "40 channels after its last block, which no published width has",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_named(change, said, v2, tmp_path):
    content = {name: value.copy() for name, value in v2[1].items()}
    change(content)
    with pytest.raises(ValueError, match=said):
        read_checkpoint(slim.write(tmp_path / "m", content), resolution=64)


def test_contradictions_are_refused(v2):
    with pytest.raises(ValueError, match=r"holds a mobilenet_v2 0.35, not a mobilenet_v2 1.0"):
        read_checkpoint(v2[0], alpha=1.0)
    with pytest.raises(ValueError, match=r"not a mobilenet_v3_small 0.75"):
        read_checkpoint(v2[0], architecture="mobilenet_v3_small", alpha=0.75)
    with pytest.raises(ValueError, match="1000 or 1001"):
        read_checkpoint(v2[0], classes=5)


def test_a_checkpoint_is_found_by_any_of_its_names(v2, tmp_path):
    prefix = v2[0]
    for path in (prefix, prefix.parent, prefix.with_name(f"{prefix.name}.index")):
        assert is_checkpoint(path)
    assert not is_checkpoint(tmp_path)
    with pytest.raises(ValueError, match="no TF1 checkpoint at"):
        read_checkpoint(tmp_path)
    for name in ("one", "two"):
        slim.write(tmp_path / name, {"MobilenetV2/Conv/weights": np.zeros(3, "f")})
    with pytest.raises(ValueError, match="2 checkpoints, one, two"):
        read_checkpoint(tmp_path)
    slim.write(tmp_path / "sub", {"resnet/conv1": np.zeros(3, "f")})
    with pytest.raises(ValueError, match="variables under resnet; expected one of MobilenetV2"):
        read_checkpoint(tmp_path / "sub")


def test_a_cut_or_damaged_checkpoint_is_one_error(v2, tmp_path):
    prefix = v2[0]
    for file in prefix.parent.glob(f"{prefix.name}.*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    data = next(tmp_path.glob("*.data-*"))
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    with pytest.raises(ValueError, match="unpack the archive again"):
        read_checkpoint(tmp_path, resolution=64)
    next(tmp_path.glob("*.index")).write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(ValueError, match="git lfs pull"):
        read_checkpoint(tmp_path, resolution=64)


def test_converted_weights_start_a_row(v2, tmp_path):
    from mbhelpers.models.families import build_backbone

    model, _ = read_checkpoint(v2[0], resolution=64)
    model.save(tmp_path / "converted.keras")
    backbone = build_backbone(0.35, 96, tmp_path / "converted.keras")
    source = {weight.path: weight.numpy() for weight in model.get_layer(NETWORK).weights}
    assert all(np.array_equal(weight.numpy(), source[weight.path]) for weight in backbone.weights)


class TestCommand:
    """`mbhelpers weights convert`, as a user calls it."""

    def test_a_checkpoint(self, v2, tmp_path, capsys):
        from mbhelpers.cli_weights import convert
        from mbhelpers.inference.predictor import Predictor

        convert(v2[0], tmp_path / "m.keras", resolution=64, classes=1001)
        told = capsys.readouterr().out
        assert "mapped 262 variables" in told and "1001 classes" in told
        predictor = Predictor(tmp_path / "m.keras")
        assert predictor.classes[:2] == ("background", "tench") and predictor.preprocessing == preset("slim", 64)
        np.testing.assert_allclose(predictor.predict(pixels(64)), v2[2], atol=1e-4)

    def test_json(self, v2, tmp_path, capsys):
        from mbhelpers.cli_weights import convert

        convert(v2[0], tmp_path / "m.keras", resolution=64, as_json=True)
        told = json.loads(capsys.readouterr().out)
        assert told["outputs"] == 1000 and told["input"] == [64, 64, 3]

    @pytest.mark.parametrize(
        ("source", "output", "options", "said"),
        [
            ("nothing", "m.keras", {}, "no TF1 checkpoint, .tflite or .h5 file at"),
            ("nothing", "m.h5", {}, "must end in .keras"),
            ("a.tflite", "m.keras", {"alpha": 1.0}, "pass these for a checkpoint only"),
            ("a.h5", "m.keras", {}, "no model at"),
        ],
    )
    def test_bad_input(self, source, output, options, said, tmp_path):
        from mbhelpers.cli_weights import convert

        with pytest.raises(ValueError, match=said):
            convert(tmp_path / source, tmp_path / output, **options)
        assert not (tmp_path / output).exists()


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        ("Conv1", "S/Conv"),
        ("bn_Conv1", "S/Conv/BatchNorm"),
        ("Conv_1_bn", "S/Conv_1/BatchNorm"),
        ("expanded_conv_depthwise_BN", "S/expanded_conv/depthwise/BatchNorm"),
        ("block_16_project", "S/expanded_conv_16/project"),
        ("conv_bn", "S/Conv/BatchNorm"),
        ("conv_2", "S/Conv_2"),
        ("expanded_conv_squeeze_excite_conv", "S/expanded_conv/squeeze_excite/Conv"),
        ("expanded_conv_4_squeeze_excite_conv_1", "S/expanded_conv_4/squeeze_excite/Conv_1"),
        ("expanded_conv_4_expand_bn", "S/expanded_conv_4/expand/BatchNorm"),
        ("logits", "S/Logits/Conv2d_1c_1x1"),
    ],
)
def test_names(layer, name):
    assert scope_of(layer, "S") == name


def test_a_layer_of_another_network_has_no_name():
    with pytest.raises(ValueError, match="'fire2' is of no MobileNet"):
        scope_of("fire2", "MobilenetV2")
