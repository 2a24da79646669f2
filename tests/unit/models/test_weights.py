import hashlib

import pytest

from mbhelpers.models.weights import (
    ARCHITECTURES,
    SAMPLE_ALPHA,
    Weights,
    check_architecture,
    find_weights,
    keras_file_name,
    sample_file,
)
from mbhelpers.rows import Row


@pytest.mark.parametrize(
    ("alpha", "resolution", "size", "why"),
    [
        (0.35, 96, "0.35_96", "published sizes have files of their own"),
        (0.35, 128, "0.35_128", "likewise"),
        (0.5, 192, "0.5_192", "likewise"),
        (1.0, 224, "1.0_224", "whole widths are spelled with a point"),
        (1.4, 160, "1.4_160", "the widest"),
        (0.35, 48, "0.35_224", "other sizes take the weights of 224"),
        (0.75, 256, "0.75_224", "larger ones too"),
    ],
)
def test_file_names_are_those_of_keras(alpha, resolution, size, why):
    expected = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{size}_no_top.h5"
    assert keras_file_name(alpha, resolution) == expected, why


@pytest.mark.parametrize(
    ("architecture", "alpha", "backbone", "whole", "why"),
    [
        ("mobilenet_v2", 1, "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_96_no_top.h5", "_1.0_96.h5", "V2"),
        ("mobilenet_v3_large", 0.75, "weights_mobilenet_v3_large_224_0.75_float_no_top_v2.h5", "0.75_float.h5", "V3"),
        ("mobilenet_v3_small", 1.0, "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5", "1.0_float.h5", "V3"),
        (
            "mobilenet_v3_small_minimalistic",
            1.0,
            "weights_mobilenet_v3_small_minimalistic_224_1.0_float_no_top_v2.h5",
            "small_minimalistic_224_1.0_float.h5",
            "the flavour stands before the size",
        ),
    ],
)
def test_file_names_of_the_family(architecture, alpha, backbone, whole, why):
    assert keras_file_name(alpha, 96, architecture) == backbone, why
    assert keras_file_name(alpha, 96, architecture, classifier=True).endswith(whole), why
    assert "top" not in keras_file_name(alpha, 96, architecture, classifier=True)


def test_file_names_end_as_the_tables_of_keras_do():
    """The installed Keras lists the V3 files that it can download."""
    module = pytest.importorskip("keras.src.applications.mobilenet_v3")
    ours = {
        keras_file_name(alpha, 224, name, classifier=True)
        for name, widths in ARCHITECTURES.items()
        if "v3" in name
        for alpha in widths
    }
    assert ours == {f"weights_mobilenet_v3_{key}.h5" for key in module.WEIGHTS_HASHES}


def test_keras_has_no_edgetpu():
    for call in (keras_file_name, lambda a, r, n: find_weights("imagenet", a, r, n)):
        with pytest.raises(ValueError, match="Keras publishes no weights for mobilenet_edgetpu; convert a slim"):
            call(1.0, 224, "mobilenet_edgetpu")
    assert find_weights("none", 1.0, 224, "mobilenet_edgetpu") == Weights("none")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_network_fits_a_row(architecture):
    for alpha in ARCHITECTURES[architecture]:
        check_architecture(architecture, alpha)
        row = Row.parse(f"flowers/{architecture}_{alpha}_96_tl")
        assert (row.architecture, row.alpha, row.resolution) == (architecture, alpha, 96)
        assert Row.parse(str(row)) == row


@pytest.mark.parametrize(
    ("architecture", "alpha", "message", "why"),
    [
        (
            "mobilenet_v9",
            1.0,
            "unknown architecture 'mobilenet_v9'; choose from mobilenet_v2, .*mobilenet_edgetpu",
            "name",
        ),
        ("mobilenet_v3_small", 0.5, r"mobilenet_v3_small has no width 0\.5; choose from 0\.75, 1\.0$", "width"),
        ("mobilenet_v3_small_minimalistic", 0.75, r"no width 0\.75; choose from 1\.0$", "only one"),
    ],
)
def test_what_there_is_not_lists_what_there_is(architecture, alpha, message, why):
    with pytest.raises(ValueError, match=message):
        check_architecture(architecture, alpha)


@pytest.mark.parametrize("name", ["none", "imagenet"])
def test_names_without_a_file(name):
    found = find_weights(name, 1.0, 224)
    assert found == Weights(name)
    assert found.record() == {"name": name}


def test_the_sample_backbone():
    assert find_weights("sample", SAMPLE_ALPHA, 96) == Weights("sample", sample_file())
    with pytest.raises(ValueError, match=r"has alpha 0\.35, not 1\.0; use a row with alpha 0\.35"):
        find_weights("sample", 1.0, 224)
    with pytest.raises(ValueError, match=r"is mobilenet_v2 0\.35, not mobilenet_v3_small; use a row of mobilenet_v2"):
        find_weights("sample", 1.0, 224, "mobilenet_v3_small")
    with pytest.raises(ValueError, match="use build_classifier"):
        find_weights("sample", SAMPLE_ALPHA, 96, classifier=True)


def test_a_file(tmp_path):
    file = tmp_path / "mine.h5"
    file.write_bytes(b"weights")
    found = find_weights(str(file), 0.35, 96)
    assert found == Weights("mine.h5", file)
    assert found.record() == {"name": "mine.h5", "sha256": hashlib.sha256(b"weights").hexdigest()}


def test_a_folder_gives_the_file_that_fits(tmp_path):
    for alpha, resolution in ((0.35, 128), (0.35, 224), (1.0, 224)):
        (tmp_path / keras_file_name(alpha, resolution)).touch()
    for resolution, size in ((128, 128), (224, 224), (48, 224)):
        found = find_weights(tmp_path, 0.35, resolution)
        assert found.file == tmp_path / keras_file_name(0.35, size)
        assert found.name == found.file.name, "a result names the very file"


def test_a_folder_gives_each_network_its_own(tmp_path):
    for name in ARCHITECTURES:
        if name == "mobilenet_edgetpu":
            continue
        for classifier in (False, True):
            file = tmp_path / keras_file_name(1.0, 224, name, classifier=classifier)
            file.touch()
            assert find_weights(tmp_path, 1.0, 224, name, classifier=classifier).file == file
    assert len(list(tmp_path.iterdir())) == 10


def test_a_folder_without_the_file_says_what_it_has(tmp_path):
    with pytest.raises(ValueError, match=r"has no .*0\.35_96_no_top\.h5; it has no \.h5 files; add the file"):
        find_weights(tmp_path, 0.35, 96)
    (tmp_path / keras_file_name(1.0, 224)).touch()
    with pytest.raises(ValueError, match=r"has no .*0\.35_96_no_top\.h5; it has .*1\.0_224_no_top\.h5; add the file"):
        find_weights(tmp_path, 0.35, 96)


@pytest.mark.parametrize("name", ["absent.h5", "ImageNet", ""])
def test_a_missing_path_lists_what_can_be_passed(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="imagenet, sample, none, a weights file, or a folder"):
        find_weights(name or "absent/", 0.35, 96)
