import io
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mbhelpers import settings
from mbhelpers.data import sample
from mbhelpers.data.catalog import CATALOG
from mbhelpers.data.sample import __main__ as command
from mbhelpers.data.sample import flowers

COMMITTED = settings.project_folder() / "data" / "sample" / "flower_photos"
DRAWERS = [
    pytest.param(sample.draw_flower, kind, 64, id=kind) for kind in sample.CLASSES
] + [pytest.param(sample.draw_shape, kind, 48, id=kind) for kind in sample.SHAPES]  # fmt: skip


def pixels(source: Path | io.BytesIO) -> np.ndarray:
    return np.asarray(Image.open(source).convert("RGB"))


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    return sample.write_sample(tmp_path_factory.mktemp("small"), per_class=6, size=64, seed=5)


@pytest.mark.parametrize(("draw", "kind", "size"), DRAWERS)
def test_a_seed_is_a_picture(draw, kind, size):
    first = draw(kind, 7, size)
    assert first.shape == (size, size, 3)
    assert first.dtype == np.uint8
    assert first.std() > 5, "an empty picture"
    np.testing.assert_array_equal(first, draw(kind, 7, size))
    assert difference(first, draw(kind, 8, size)) > 5


@pytest.mark.parametrize("draw", [sample.draw_flower, sample.draw_shape])
def test_an_unknown_kind_is_answered_with_the_known_ones(draw):
    known = {sample.draw_flower: "tulips", sample.draw_shape: "spiral"}[draw]
    with pytest.raises(ValueError, match=rf"'orchid'; choose from .*{known}"):
        draw("orchid", 0)


def test_layout_is_that_of_the_official_archive(small):
    assert small.name == "flower_photos"
    assert sorted(path.name for path in small.iterdir()) == sorted([*sample.CLASSES, "LICENSE.txt"])
    assert "CC0 1.0" in (small / "LICENSE.txt").read_text(encoding="utf-8")
    for kind in sample.CLASSES:
        names = [path.name for path in sorted((small / kind).iterdir())]
        assert names == [f"{kind}_{i:03d}.jpg" for i in range(6)]
        assert pixels(small / kind / names[0]).shape == (64, 64, 3)


def test_picture_i_does_not_depend_on_how_many_are_drawn(small, tmp_path):
    fewer = sample.write_sample(tmp_path, per_class=2, size=64, seed=5)
    for kind in sample.CLASSES:
        for name in (f"{kind}/{kind}_000.jpg", f"{kind}/{kind}_001.jpg"):
            assert (fewer / name).read_bytes() == (small / name).read_bytes()


@pytest.mark.parametrize(
    ("per_class", "planted", "why"),
    [
        (5, 0, "too few pictures to repeat any"),
        (6, 12, "the fewest that hold three duplicates and three originals"),
        (40, 12, "two near ones in each of five classes, and two exact ones"),
    ],
)
def test_planted_pairs_are_listed(per_class, planted, why):
    pairs = sample.planted_duplicates(per_class, 5)
    assert len(pairs) == planted, why
    names = [name for pair in pairs for name in pair]
    assert len(set(names)) == len(names), "no picture is in two pairs"
    assert all(Path(a).parent == Path(b).parent for a, b in pairs), "pairs stay in their class"


@pytest.mark.parametrize("folder", ["small", "committed"])
def test_planted_pairs_hold(folder, request):
    root, per_class, seed = (
        (request.getfixturevalue("small"), 6, 5) if folder == "small" else (COMMITTED, 40, settings.DEFAULT_SEED)
    )
    pairs = sample.planted_duplicates(per_class, seed)
    exact = [(root / a).read_bytes() == (root / b).read_bytes() for a, b in pairs]
    assert exact == [False] * 10 + [True] * 2
    strangers = difference(pixels(root / pairs[0][0]), pixels(root / pairs[2][0]))
    for a, b in pairs[:10]:
        # Crop-and-resize moves edges by a pixel or two, which counts most at the 64 pixels of the small one.
        assert 0 < difference(pixels(root / a), pixels(root / b)) < min(20, strangers / 2), (a, b)


def test_an_existing_folder_is_kept_unless_told_otherwise(tmp_path):
    sample.write_sample(tmp_path, per_class=1, size=32, seed=1)
    before = (tmp_path / "flower_photos/daisy/daisy_000.jpg").read_bytes()
    with pytest.raises(FileExistsError, match="overwrite=True"):
        sample.write_sample(tmp_path, per_class=1, size=32, seed=2)
    assert (tmp_path / "flower_photos/daisy/daisy_000.jpg").read_bytes() == before
    sample.write_sample(tmp_path, per_class=1, size=32, seed=2, overwrite=True)
    assert (tmp_path / "flower_photos/daisy/daisy_000.jpg").read_bytes() != before


@pytest.mark.parametrize("old", [False, True], ids=["nothing before", "an old sample before"])
def test_a_broken_run_leaves_no_half_sample(tmp_path, monkeypatch, old):
    if old:
        sample.write_sample(tmp_path, per_class=1, size=32)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    drawn = []

    def interrupted(kind: str, seed: int, size: int) -> np.ndarray:
        drawn.append(kind)
        if len(drawn) == 3:
            raise KeyboardInterrupt
        return np.zeros((size, size, 3), np.uint8)

    monkeypatch.setattr(flowers, "draw_flower", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sample.write_sample(tmp_path, per_class=2, size=32, overwrite=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["flower_photos"] * old


@pytest.mark.parametrize("kind", sample.CLASSES)
def test_the_committed_sample_is_what_the_code_draws(kind):
    """Compare two pictures a class: libjpeg builds differ by noise, which means hide, strokes by more."""
    for index in (0, 23):
        name = f"{kind}/{kind}_{index:03d}.jpg"
        fresh = pixels(io.BytesIO(flowers._encode_named(name, settings.DEFAULT_SEED, 224)))
        committed = pixels(COMMITTED / name)
        means = [x.reshape(28, 8, 28, 8, 3).mean(axis=(1, 3)) for x in (committed, fresh)]
        assert difference(committed, fresh) < 2 and np.abs(means[0] - means[1]).max() < 5, (
            f"{name} is no longer what is drawn; run: python -m mbhelpers.data.sample data/sample --overwrite"
        )


def test_the_committed_sample_is_complete_and_small():
    files = [path for path in COMMITTED.rglob("*") if path.is_file()]
    assert len(files) == 5 * 40 + 1
    assert sum(path.stat().st_size for path in files) < 3e6


def fake_writer(calls: list[str], top: str):
    def write(root: Path, *, seed: int, overwrite: bool) -> Path:
        calls.append(f"{top} {seed} {overwrite}")
        (root / top).mkdir(parents=True)
        return root / top

    return write


@pytest.mark.parametrize("name", CATALOG)
def test_each_data_set_of_the_catalog_has_a_sample(name, tmp_path, monkeypatch, capsys):
    calls: list[str] = []
    for known in sample.WRITERS:
        monkeypatch.setitem(sample.WRITERS, known, fake_writer(calls, sample.TOP_FOLDERS[known]))
    monkeypatch.setattr(settings, "sample_folder", lambda: tmp_path / "sample")
    top = sample.ensure(name)
    assert top.parent == tmp_path / "sample" and top.is_dir()
    assert top.name in CATALOG[name].top_folders
    assert f"drawing the sample of {name} into {top}" in capsys.readouterr().out, "nothing happens silently"
    assert sample.ensure(name) == top
    assert calls == [f"{top.name} {settings.DEFAULT_SEED} False"], "drawn once"
    assert capsys.readouterr().out == ""


def test_another_process_that_draws_is_waited_for(tmp_path, monkeypatch, capsys):
    """The folder that appears while the lock is waited for is taken as it is."""
    monkeypatch.setattr(settings, "sample_folder", lambda: tmp_path)
    calls: list[str] = []
    monkeypatch.setitem(sample.WRITERS, "food101", fake_writer(calls, "food-101"))

    @contextmanager
    def locked(folder: Path):
        assert folder == tmp_path
        (tmp_path / "food-101").mkdir()
        yield

    monkeypatch.setattr(sample.files, "locked", locked)
    assert sample.ensure("food101") == tmp_path / "food-101"
    assert not calls and "drawing" not in capsys.readouterr().out


@pytest.mark.parametrize("ask", [lambda name, root: sample.write(name, root), lambda name, root: sample.ensure(name)])
def test_an_unknown_sample_is_answered_with_the_known_ones(ask, tmp_path):
    with pytest.raises(ValueError, match=r"no drawn sample of 'flower'; choose from flowers, .*food101.*coco2017_80"):
        ask("flower", tmp_path)


def test_options_reach_the_writer(tmp_path, monkeypatch):
    calls: list[str] = []
    monkeypatch.setitem(sample.WRITERS, "coco", fake_writer(calls, "coco"))
    assert sample.write("coco_person", tmp_path, seed=7, overwrite=True) == tmp_path / "coco"
    assert calls == ["coco 7 True"]


def test_the_command_writes_the_flowers_unless_told_otherwise(tmp_path, monkeypatch, capsys):
    calls: list[str] = []
    for name in ("flowers", "food101"):
        monkeypatch.setitem(sample.WRITERS, name, fake_writer(calls, sample.TOP_FOLDERS[name]))
    command.main([str(tmp_path), "--seed", "3"])
    assert capsys.readouterr().out.strip() == str(tmp_path / "flower_photos")
    command.main([str(tmp_path), "--name", "food101", "--overwrite"])
    assert calls == ["flower_photos 3 False", f"food-101 {settings.DEFAULT_SEED} True"]


def test_the_command_names_the_repair(tmp_path, capsys):
    (tmp_path / "flower_photos").mkdir()
    with pytest.raises(SystemExit):
        command.main([str(tmp_path)])
    assert "pass overwrite=True (--overwrite)" in capsys.readouterr().err


def test_the_flowers_have_their_full_size(tmp_path):
    top = sample.WRITERS["flowers"](tmp_path, per_class=1)
    assert pixels(top / "tulips/tulips_000.jpg").shape == (224, 224, 3)


def test_drawing_needs_no_tensorflow():
    code = "import sys, mbhelpers.data.sample; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_writer_is_imported_when_it_is_called():
    code = "import sys, mbhelpers.data.sample; sys.exit('mbhelpers.data.sample.food101' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
