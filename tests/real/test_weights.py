"""Weights of Keras Applications and of ST's models, tensor by tensor."""

import numpy as np
import pytest

from mbhelpers.models.families import build_backbone

pytestmark = pytest.mark.real


def tensors(weights, side: int) -> dict[str, np.ndarray]:
    return {weight.path: weight.numpy() for weight in build_backbone(0.35, side, weights).weights}


@pytest.mark.parametrize("side", [128, 224])
def test_st_transfer_learning_kept_keras_backbone(real, side):
    """ST's tl model was trained with its backbone frozen: all 260 tensors are those of Keras Applications, exactly."""
    source = tensors(real / "weights", side)
    found = tensors(real / "peer_models" / "st_flowers" / f"mobilenet_v2_0.35_{side}_tl.h5", side)
    assert found.keys() == source.keys() and len(source) == 260
    for name, value in source.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.parametrize("side", [128, 224])
@pytest.mark.parametrize("variant", ["fft", "tfs"])
def test_st_other_variants_changed_all_of_it(real, side, variant):
    """The same places hold other numbers: nothing was left at what it was before."""
    source = tensors(real / "weights", side)
    found = tensors(real / "peer_models" / "st_flowers" / f"mobilenet_v2_0.35_{side}_{variant}.h5", side)
    assert {name: value.shape for name, value in found.items()} == {k: v.shape for k, v in source.items()}
    assert not any(np.array_equal(found[name], value) for name, value in source.items())
