import hashlib

import pytest

from mbhelpers.models.weights import SAMPLE_ALPHA, Weights, find_weights, keras_file_name, sample_file


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


@pytest.mark.parametrize("name", ["none", "imagenet"])
def test_names_without_a_file(name):
    found = find_weights(name, 1.0, 224)
    assert found == Weights(name)
    assert found.record() == {"name": name}


def test_the_sample_backbone():
    assert find_weights("sample", SAMPLE_ALPHA, 96) == Weights("sample", sample_file())
    with pytest.raises(ValueError, match=r"has alpha 0\.35, not 1\.0; use a row with alpha 0\.35"):
        find_weights("sample", 1.0, 224)


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
