"""Many files scored on all cores: what one at a time gives, bit for bit, in order, whatever the runtime."""

import shutil
import threading

import numpy as np
import pytest
from PIL import Image

from mbhelpers.evaluation.comparison import compare_files
from mbhelpers.evaluation.files import evaluate_file, measure_file
from mbhelpers.inference import predictor as runtimes
from mbhelpers.inference.predictor import Predictor
from mbhelpers.inference.scoring import score_files, scored_lots
from mbhelpers.preprocessing import Preprocessing, preset
from mbhelpers.quantization.formats import convert
from mbhelpers.records import Record

from . import tiny


@pytest.fixture(scope="module")
def onnx(thin, tmp_path_factory):
    return convert(thin.model, thin.record, "onnx_float32").save(tmp_path_factory.mktemp("onnx") / "model.onnx")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Ninety pictures of several sizes, every one different."""
    folder = tmp_path_factory.mktemp("ninety")
    rng = np.random.default_rng(0)
    for k in range(90):
        size = tiny.SIDE + k % 7
        Image.fromarray(rng.integers(0, 256, (size, size, 3), np.uint8)).save(folder / f"{k:02d}.png")
    return sorted(folder.iterdir())


def one_by_one(model, files) -> np.ndarray:
    predictor = Predictor(model)
    return np.concatenate([predictor.predict(predictor.preprocessing.load(file)[None]) for file in files])


@pytest.mark.parametrize("threads", [1, 2, 5, None])
@pytest.mark.parametrize("name", ["int8", "float"])
def test_litert_gives_what_one_at_a_time_gives(name, threads, thin, files):
    model = getattr(thin, name)
    found = score_files([Predictor(model)], files, threads=threads)
    np.testing.assert_array_equal(found.scores[0], one_by_one(model, files))
    assert found.read.all() and not found.unread


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", ["keras", "onnx"])
def test_other_runtimes_give_the_same_whatever_the_threads(name, threads, thin, onnx, files):
    """Their batches, which decide the last bits of a float, are the same too."""
    predictor = Predictor(onnx if name == "onnx" else thin.keras)
    found = score_files([predictor], files, threads=threads).scores[0]
    np.testing.assert_array_equal(found, predictor.predict(np.stack([predictor.preprocessing.load(f) for f in files])))
    np.testing.assert_allclose(found, one_by_one(predictor.path, files), atol=1e-5)


def test_several_models_share_the_decoding(thin, onnx, files, monkeypatch):
    contract = preset("mbhelpers", 48)
    other = convert(tiny.easy_model(preprocessing=contract), Record(tiny.CLASSES, contract), "float32")
    larger = other.save(onnx.with_name("larger.tflite"))
    models = [thin.int8, thin.keras, onnx, larger]
    expected = [score_files([Predictor(model)], files).scores[0] for model in models]
    seen = []
    load = Preprocessing.load
    monkeypatch.setattr(
        Preprocessing, "load", lambda self, path: seen.append((self.resolution, path)) or load(self, path)
    )
    found = score_files([Predictor(model) for model in models], files, threads=2)
    for scores, alone in zip(found.scores, expected, strict=True):
        np.testing.assert_array_equal(scores, alone)
    assert sorted(seen) == sorted((side, file) for side in (32, 48) for file in files), "once for each size"


def test_lots_come_in_order_and_are_not_made_far_ahead(thin, files):
    started = []
    predictor = Predictor(thin.int8)
    given = [Watched(file, started) for file in files]
    lots = scored_lots([predictor], given, threads=2)
    first = next(lots)
    assert first.first == 0 and len(first.read) == 8
    assert len(started) <= 6 * 8, "two workers, and as much again twice waiting"
    assert [lot.first for lot in lots] == list(range(8, 90, 8))


class Watched(str):
    """A file name that notes when it is read."""

    def __new__(cls, file, log):
        made = super().__new__(cls, file)
        made.log = log
        return made

    def __fspath__(self) -> str:
        self.log.append(str(self))
        return str(self)


def test_an_interpreter_serves_one_worker_at_a_time(thin, files, monkeypatch):
    run, busy, users = runtimes._LiteRT.run, set(), set()

    def noted(self, images, preprocessing):
        assert id(self) not in busy
        busy.add(id(self))
        users.add(id(self))
        try:
            return run(self, images, preprocessing)
        finally:
            busy.remove(id(self))

    monkeypatch.setattr(runtimes._LiteRT, "run", noted)
    score_files([Predictor(thin.int8)], files, threads=3)
    assert 1 <= len(users) <= 3


def test_what_cannot_be_read_is_told_in_order(thin, files, tmp_path):
    copies = [shutil.copy(file, tmp_path / file.name) for file in files[:20]]
    for k in (3, 17):
        copies[k].write_bytes(files[k].read_bytes()[:50])
    found = score_files([Predictor(thin.int8)], [*copies[:5], tmp_path / "absent.png", *copies[5:]], threads=2)
    assert np.flatnonzero(~found.read).tolist() == [3, 5, 18]
    assert [file for file, _ in found.unread] == [str(copies[3]), str(tmp_path / "absent.png"), str(copies[17])]
    assert "is not a readable image" in found.unread[0][1] and "no image at" in found.unread[1][1]
    kept = [k for k in range(20) if k not in (3, 17)]
    np.testing.assert_array_equal(found.scores[0], one_by_one(thin.int8, [copies[k] for k in kept]))


@pytest.mark.parametrize("name", ["int8", "keras"])
def test_a_lot_without_any_image(name, thin, files, tmp_path):
    broken = [tmp_path / f"{k}.png" for k in range(64)]
    found = score_files([Predictor(getattr(thin, name))], [*broken, files[0]], threads=1)
    assert found.scores[0].shape == (1, 3)
    with pytest.raises(ValueError, match=r"none of the 64 images can be read: no image at .*0\.png; check the path"):
        score_files([Predictor(getattr(thin, name))], broken)


def test_a_worker_that_fails_ends_it_all(thin, files, monkeypatch):
    def fail(self, images, preprocessing):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(runtimes._LiteRT, "run", fail)
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="out of memory"):
        score_files([Predictor(thin.int8)], files, threads=3)
    assert threading.active_count() == before, "no worker stays behind"


@pytest.mark.parametrize("threads", [0, -2])
def test_threads(threads, thin, files):
    with pytest.raises(ValueError, match=f"threads must be 1 or more, not {threads}"):
        score_files([Predictor(thin.int8)], files, threads=threads)


class TestFolders:
    """What `evaluate` and `compare` make of it."""

    def test_a_spoilt_folder(self, thin, thin_folder, tmp_path):
        spoilt = shutil.copytree(thin_folder, tmp_path / "pictures")
        cut = sorted((spoilt / "green").iterdir())[0]
        cut.write_bytes(cut.read_bytes()[:60])
        (spoilt / "red" / "notes.txt").write_text("no image")
        (spoilt / "red" / "page.png").write_text("<html>")
        found, answers = measure_file(thin.int8, spoilt)
        assert [name for name, _ in found["skipped"]] == [f"green/{cut.name}", "red/notes.txt", "red/page.png"]
        assert found["skipped"][0][1].startswith("not a readable image (")
        assert found["warnings"][0].startswith(f"left out 3 files: green/{cut.name}: not a readable image")
        assert str(spoilt) not in str(found), "reports travel; machine paths must not"
        assert found["n"] == len(answers.paths) == 29 and f"green/{cut.name}" not in answers.paths
        first, second = compare_files([thin.float, thin.int8], spoilt)
        assert first["n"] == second["n"] == 29 and first["warnings"] == found["warnings"]
        for image in (spoilt / "green").iterdir():
            image.write_bytes(b"x")
        for measure in (lambda: evaluate_file(thin.int8, spoilt), lambda: compare_files([thin.int8] * 2, spoilt)):
            with pytest.raises(
                ValueError, match=r"class folder .*green has no readable image \(left out: not a readab"
            ):
                measure()

    def test_answers_are_those_of_the_files(self, thin, thin_folder):
        found, answers = measure_file(thin.int8, thin_folder, threads=2)
        files = [answers.root / name for name in answers.paths]
        scores = one_by_one(thin.int8, files)
        np.testing.assert_array_equal(answers.predicted, scores.argmax(axis=1))
        assert answers.scores == pytest.approx(scores.max(axis=1))
        assert [tiny.CLASSES[k] for k in answers.labels] == [file.parent.name for file in files]
        assert found["correct"] == answers.right.sum()

    def test_a_file_for_any_size_is_refused(self, tmp_path, thin_folder):
        """LiteRT takes an unknown side for 1, and would answer on pictures of one pixel."""
        import keras
        import tensorflow as tf

        x = keras.Input((None, None, 3))
        model = keras.Model(x, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x)))
        path = tmp_path / "any.tflite"
        path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
        with pytest.raises(ValueError, match=r"any\.tflite takes images of any size, \(-1, -1, -1, 3\)"):
            evaluate_file(path, thin_folder)
