import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mbhelpers.data.sample import imagenet


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    return imagenet.write_sample(tmp_path_factory.mktemp("drawn"), images=34)


def lines(path: Path) -> list[list[str]]:
    return [line.split(" ") for line in path.read_text(encoding="utf-8").splitlines()]


def pictures(folder: Path) -> list[Path]:
    return sorted((folder / "ILSVRC2012_img_val").iterdir())


def test_the_layout(drawn):
    names = [path.name for path in pictures(drawn)]
    assert names == [f"ILSVRC2012_val_{k:08d}.JPEG" for k in range(1, 35)]
    truth = [int(line) for (line,) in lines(drawn / "ILSVRC2012_validation_ground_truth.txt")]
    assert len(truth) == 34 and min(truth) >= 1 and max(truth) <= 1000 and len(set(truth)) > 25


def test_the_two_orders_of_the_classes(drawn):
    kit, words = lines(drawn / "map_clsloc.txt"), lines(drawn / "synset_words.txt")
    assert len(kit) == len(words) == 1000
    assert [int(number) for _, number, _ in kit] == list(range(1, 1001))
    assert kit[0][0] == "n02119789" and words[0][0] == "n01440764"
    assert [wnid for wnid, _ in words] == sorted({wnid for wnid, _, _ in kit})
    assert {wnid: name for wnid, _, name in kit} == dict(words)
    assert all(re.fullmatch(r"n\d{8}", wnid) for wnid, _ in words)
    assert len({name for _, name in words}) == 1000


def test_sizes_and_modes_vary_as_in_the_real_set(drawn):
    images = [Image.open(path) for path in pictures(drawn)]
    assert all(96 <= min(image.size) <= 160 and max(image.size) <= 240 for image in images)
    assert len({image.size for image in images}) > 25
    assert {image.width > image.height for image in images} == {True, False}
    modes = [image.mode for image in images]
    assert (modes[13], modes.count("CMYK"), modes[7], modes[32], modes.count("L")) == ("CMYK", 1, "L", "L", 2)


def test_the_cmyk_picture_has_the_colours_of_its_class(drawn):
    rgb = np.asarray(Image.open(pictures(drawn)[13]).convert("RGB")).astype(int)
    number = int(lines(drawn / "ILSVRC2012_validation_ground_truth.txt")[13][0])
    fresh = imagenet._draw(number, np.random.default_rng([imagenet.settings.DEFAULT_SEED, 1, 13])).astype(int)
    assert np.abs(rgb - fresh).mean() < 12, "not inverted"


def test_a_class_has_its_colours(drawn):
    one, again, other = (imagenet._draw(number, np.random.default_rng(k)) for number, k in ((1, 0), (1, 1), (901, 0)))
    ends = [picture.reshape(-1, 3).astype(int)[np.argsort(picture.sum(-1).ravel())[[0, -1]]] for picture in
            (one, again, other)]  # fmt: skip
    np.testing.assert_array_equal(ends[0], ends[1])
    assert np.abs(ends[0] - ends[2]).max() > 60
    assert one.shape != again.shape or (one != again).any()


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (1, "butterfly_in_black_and_white"),
        (20, "waves_in_black_and_white"),
        (21, "butterfly_in_black_and_yellow"),
        (1000, "waves_in_crimson_and_pink"),
    ],
)
def test_class_names(number, name):
    assert imagenet.class_name(number) == name


def test_a_seed_is_a_sample_and_pictures_do_not_depend_on_how_many(tmp_path):
    few, more, other = (imagenet.write_sample(tmp_path / name, images=images, seed=seed) for name, images, seed in
                        (("a", 2, 1), ("b", 3, 1), ("c", 2, 2)))  # fmt: skip
    read = [[path.read_bytes() for path in pictures(folder)] for folder in (few, more, other)]
    assert read[0] == read[1][:2] and not set(read[0]) & set(read[2])


def test_an_existing_folder_is_kept_unless_told_otherwise(tmp_path):
    folder = imagenet.write_sample(tmp_path, images=1, seed=1)
    before = pictures(folder)[0].read_bytes()
    with pytest.raises(FileExistsError, match="overwrite=True"):
        imagenet.write_sample(tmp_path, images=1, seed=2)
    assert pictures(folder)[0].read_bytes() == before
    imagenet.write_sample(tmp_path, images=1, seed=2, overwrite=True)
    assert pictures(folder)[0].read_bytes() != before


def test_drawing_imports_neither_tensorflow_nor_its_datasets(tmp_path):
    program = (
        "import sys, pathlib; from mbhelpers.data.sample import imagenet;"
        f"imagenet.write_sample(pathlib.Path({str(tmp_path)!r}), images=1);"
        "sys.exit(bool({'tensorflow', 'tensorflow_datasets'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
