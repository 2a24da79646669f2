from dataclasses import replace

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest
from PIL import Image

from mbhelpers.data.folder import scan
from mbhelpers.data.split import Split
from mbhelpers.reporting.data_samples import choose, load_each, on_paper, show_copies, show_scenes, sides
from mbhelpers.reporting.plots import RED

from .test_box_facts import FOUND


def test_choose_takes_so_many_of_each_class():
    labels = np.array([2, 0, 0, 1, 0, 2, 0])
    chosen = choose(labels, 2, 0)
    assert labels[chosen].tolist() == [0, 0, 1, 2, 2]
    assert len(set(chosen.tolist())) == 5
    assert choose(labels, 2, 0).tolist() == chosen.tolist(), "the seed decides"
    many = np.zeros(1000, np.int64)
    assert choose(many, 5, 0).tolist() != choose(many, 5, 1).tolist()
    assert choose(many, 5, 0).tolist() != list(range(5)), "not the first ones"


def test_load_each_keeps_shapes_or_stretches(tmp_path, draw):
    draw(1, 64).resize((200, 100)).save(tmp_path / "a.jpg")
    draw(2, 20).convert("L").save(tmp_path / "b c.png")
    paths = np.array(["a.jpg", "b c.png"])
    assert [image.shape for image in load_each(tmp_path, paths, 50)] == [(25, 50, 3), (20, 20, 3)]
    assert [image.shape for image in load_each(tmp_path, paths, 50, stretched=True)] == [(50, 50, 3)] * 2


def test_load_each_names_what_has_gone(tmp_path):
    with pytest.raises(ValueError, match=r"gone\.png can't be shown"):
        load_each(tmp_path, ["gone.png"], 8)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="Scan again"):
        load_each(tmp_path, ["broken.png"], 8)


def test_a_jpeg_is_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    Image.new("RGB", (640, 320)).save(tmp_path / "a.jpg", exif=exif)
    assert load_each(tmp_path, ["a.jpg"], 40)[0].shape == (40, 20, 3)


def test_on_paper():
    sheet = on_paper([np.zeros((2, 4, 3), np.uint8), np.zeros((4, 4, 3), np.uint8)], 4)
    assert sheet[0, :, 0, 0].tolist() == [255, 0, 0, 255]
    assert not sheet[1].any()


def test_sides_follow_the_split():
    paths = np.array(["a", "b", "c", "d"])
    parts = {"train": np.array(["c", "a", "x"]), "validation": np.array(["b"]), "test": np.array(["d"])}
    split = Split(classes=("k",), paths=parts, labels={}, conflicts=(), groups=(), left_out=(),
                  fingerprint="", seed=0)  # fmt: skip
    train, test = sides(paths, np.arange(4), split, [], 0)
    assert (train.tolist(), test.tolist()) == ([0, 2], [3])


def test_sides_without_a_split_keep_copies_together():
    indices = np.arange(0, 200, 2)
    groups = [np.arange(k, k + 20) for k in range(0, 200, 20)]  # ten groups of ten chosen images each
    train, test = sides(np.array([str(k) for k in indices]), indices, None, groups, 0)
    assert sorted([*train, *test]) == list(range(100))
    assert len(train) % 10 == 0, "groups stay whole"
    assert {int(indices[k]) // 20 for k in train}.isdisjoint({int(indices[k]) // 20 for k in test})
    assert len(train)
    assert len(test)


def test_scenes_show_a_crowd_if_there_is_one(tmp_path, draw):
    for name, size in zip(FOUND.paths, FOUND.sizes.tolist(), strict=True):
        draw(1).resize(size).save(tmp_path / name)
    scenes = replace(FOUND, root=tmp_path)
    for seed in range(4):
        figure = show_scenes(scenes, seed, most=1)
        assert "--" in [patch.get_linestyle() for patch in figure.axes[0].patches]
    shown = [axis for axis in show_scenes(scenes, 0).axes if axis.images]
    assert sorted(len(axis.patches) for axis in shown) == [2, 2], "the one without boxes is not shown"


def test_copies_with_different_labels_come_first(tmp_path, make_folder, draw):
    root = make_folder(tmp_path, {"cat": 5, "dog": 3})
    draw(0, 64).save(root / "dog" / "cat again.png")
    images = scan(root)
    where = {name: k for k, name in enumerate(images.paths.tolist())}
    near = np.array([where[f"cat/cat_00{k}.png"] for k in (1, 2, 3)])
    torn = np.array([where[name] for name in ("cat/cat_000.png", "cat/cat_004.png", "dog/cat again.png")])
    figure = show_copies(images, [near, torn])
    first, second = (axis._left_title for axis in figure.axes)
    assert first.get_text() == "exact: cat/cat_000.png\ndog/cat again.png", "the member of the other class"
    assert first.get_color() == RED
    assert second.get_text() == "near: cat/cat_001.png\ncat/cat_002.png"
    assert second.get_color() == "black"
    assert len(show_copies(images, [near, torn], most=1).axes) == 1
