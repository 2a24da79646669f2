"""Contract tests run the real converters and runtimes, on models made once a session."""

import numpy as np
import pytest

from mbhelpers import settings
from mbhelpers.preprocessing import preset
from mbhelpers.records import Record

from . import tiny


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the marks in the same hook
def pytest_collection_modifyitems(items):
    """Keep the tests of a file on one worker: they share a trained model."""
    for item in items:
        if item.path.parent.name == "contract":
            item.add_marker(pytest.mark.xdist_group(f"contract-{item.path.stem}"))


@pytest.fixture(autouse=True)
def no_switches(monkeypatch):
    for name in ("MBHELPERS_SMOKE", "MBHELPERS_DATA"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def sample_jpegs():
    """Twelve drawn JPEGs a class, as paths."""
    place = settings.sample_folder() / "flower_photos"
    return [file for kind in sorted(f for f in place.iterdir() if f.is_dir()) for file in sorted(kind.iterdir())[:12]]


@pytest.fixture(scope="session")
def mobilenet(tmp_path_factory, sample_jpegs) -> tiny.Files:
    """MobileNetV2 0.35 with the sample backbone at 64 px, on drawn flowers: .keras, float and int8 .tflite."""
    from mbhelpers.models.families import build_classifier

    contract = preset("mbhelpers", 64)
    classes = tuple(sorted({file.parent.name for file in sample_jpegs}))
    images = np.stack([contract.load(file) for file in sample_jpegs])
    labels = np.array([classes.index(file.parent.name) for file in sample_jpegs])
    model = build_classifier(len(classes), 0.35, contract, weights=settings.SAMPLE)
    record = Record(classes, contract, {"by": "tests/contract", "größe": 64})
    return tiny.make_files(tmp_path_factory.mktemp("mobilenet"), model, record, images, labels)


@pytest.fixture(scope="session")
def thin(tmp_path_factory) -> tiny.Files:
    """The thin model on three easy classes: .keras, float and int8 .tflite."""
    images, labels = tiny.easy_images(48, seed=0)
    record = Record(tiny.CLASSES, preset("mbhelpers", tiny.SIDE), {"by": "tests/contract"})
    return tiny.make_files(tmp_path_factory.mktemp("thin"), tiny.easy_model(), record, images, labels)


@pytest.fixture(scope="session")
def thin_folder(tmp_path_factory):
    """Thirty easy pictures the thin model was not made from, as class folders."""
    images, labels = tiny.easy_images(30, seed=7)
    return tiny.write_folder(tmp_path_factory.mktemp("pictures"), images, labels, tiny.CLASSES)
