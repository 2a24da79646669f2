import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mbhelpers.data.imagenet import class_names, development_kit, is_imagenet, read_imagenet, read_names, wnids
from mbhelpers.data.sample import imagenet as drawn_imagenet

TENCH, KIT_FOX, TOILET_TISSUE = "n01440764", "n02119789", "n15075141"
"""Classes 0, 278 and 999."""


def lay(root: Path, *names: str) -> Path:
    """Files under `root`; nothing here reads what is in them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def write(path: Path, *lines: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def validation(root: Path, count: int = 3, folder: str = "ILSVRC2012_img_val") -> Path:
    return lay(root, *(f"{folder}/ILSVRC2012_val_{k:08d}.JPEG" for k in range(1, count + 1)))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    return drawn_imagenet.write_sample(tmp_path_factory.mktemp("drawn"), images=12)


class TestTable:
    def test_names_and_wnids_stand_in_the_order_of_models(self):
        assert len(wnids()) == len(set(wnids())) == 1000 and list(wnids()) == sorted(wnids())
        assert all(re.fullmatch(r"n\d{8}", wnid) for wnid in wnids())
        named = dict(zip(wnids(), class_names(), strict=True))
        assert (named[TENCH], named[KIT_FOX], named[TOILET_TISSUE]) == ("tench", "kit fox", "toilet tissue")
        assert [class_names()[k] for k in (1, 207, 281, 404, 817, 985)] == [
            "goldfish", "golden retriever", "tabby", "airliner", "sports car", "daisy",
        ]  # fmt: skip

    def test_no_two_names_are_alike(self):
        assert len({name.lower() for name in class_names()}) == 1000
        assert [class_names()[k] for k in (134, 517, 264, 474, 638, 639)] == [
            "crane (bird)", "crane (machine)", "Cardigan (dog)", "cardigan (garment)", "maillot (tights)",
            "maillot (tank suit)",
        ]  # fmt: skip
        assert not [name for name in class_names() if name != name.strip() or "," in name or "_" in name]

    def test_the_lists_of_tensorflow_datasets_say_the_same(self):
        """Its labels are in the order of models; of the validation images the ground truth begins 490, 361, 171, ..."""
        lists = Path(find_spec("tensorflow_datasets").origin).parent / "datasets" / "imagenet2012"
        assert tuple((lists / "labels.txt").read_text().split()) == wnids()
        first = (lists / "validation_labels.txt").read_text().split()[:10]
        kit = development_kit()
        assert [kit.index(wnid) + 1 for wnid in first] == [490, 361, 171, 822, 297, 482, 13, 704, 599, 164]
        assert sorted(kit) == list(wnids())


class TestFlat:
    def test_labels_are_the_place_among_the_sorted_wnids(self, tmp_path):
        lay(
            tmp_path,
            f"{KIT_FOX}_kit_fox.JPEG",
            f"{TENCH}_tench.jpg",
            f"{TOILET_TISSUE}_1234.JPEG",
            "README.md",
            ".x.JPEG",
        )
        found = read_imagenet(tmp_path)
        assert found.paths.tolist() == [f"{TENCH}_tench.jpg", f"{KIT_FOX}_kit_fox.JPEG", f"{TOILET_TISSUE}_1234.JPEG"]
        assert found.labels.tolist() == [0, 278, 999] and found.labels.dtype == np.int64
        assert (found.layout, len(found), found.names) == ("flat", 3, class_names())
        assert all(file.is_file() for file in found.files())

    def test_a_list_of_names_beside_the_images(self, tmp_path):
        write(tmp_path / "synset_words.txt", *(f"{wnid} thing {k}, stuff" for k, wnid in enumerate(wnids())))
        lay(tmp_path, f"{TENCH}_tench.JPEG")
        assert read_imagenet(tmp_path).names[0] == "thing 0, stuff"
        other = write(tmp_path / "own.txt", *(f"own {k}" for k in range(1000)))
        assert read_imagenet(tmp_path, names=other).names[999] == "own 999"


class TestClassFolders:
    def test_by_wnid(self, tmp_path):
        lay(tmp_path, f"{KIT_FOX}/{KIT_FOX}_10.JPEG", f"{KIT_FOX}/b.jpg", f"{TENCH}/a.png", f"{TENCH}/notes.txt")
        found = read_imagenet(tmp_path)
        assert found.paths.tolist() == [f"{TENCH}/a.png", f"{KIT_FOX}/b.jpg", f"{KIT_FOX}/{KIT_FOX}_10.JPEG"]
        assert (found.labels.tolist(), found.layout) == ([0, 278, 278], "class folders")

    def test_a_validation_folder_made_into_class_folders(self, tmp_path):
        lay(tmp_path, f"val/{TENCH}/ILSVRC2012_val_00000293.JPEG", f"val/{KIT_FOX}/ILSVRC2012_val_00000001.JPEG")
        found = read_imagenet(tmp_path)
        assert (found.root, found.labels.tolist(), found.layout) == (tmp_path / "val", [0, 278], "class folders")

    def test_numbered_as_imagenet_v2(self, tmp_path):
        """In the order of their names 10 comes before 2: the trap in reading them with other tools."""
        lay(tmp_path, "10/a.jpeg", "2/b.jpeg", "999/c.jpeg")
        found = read_imagenet(tmp_path)
        assert dict(zip(found.paths.tolist(), found.labels.tolist(), strict=True)) == {
            "10/a.jpeg": 10,
            "2/b.jpeg": 2,
            "999/c.jpeg": 999,
        }
        assert found.layout == "numbered folders"


class TestValidation:
    @pytest.mark.parametrize("inner", [False, True])
    def test_the_drawn_layout(self, drawn, inner):
        found = read_imagenet(drawn / "ILSVRC2012_img_val" if inner else drawn)
        assert (found.layout, len(found)) == ("validation", 12)
        numbers = [int(line) for line in (drawn / "ILSVRC2012_validation_ground_truth.txt").read_text().split()]
        assert [found.names[label] for label in found.labels] == [drawn_imagenet.class_name(k) for k in numbers]
        kit = development_kit()
        assert [wnids()[label] for label in found.labels] == [kit[number - 1] for number in numbers]
        assert not np.array_equal(found.labels, np.array(numbers) - 1), "the trap"
        assert all(Image.open(file).size for file in found.files())

    @pytest.mark.parametrize(
        ("lines", "why"),
        [
            ((490, 361, 171), "the development kit's numbers"),
            (("n01751748", "n09193705", "n02105855"), "wnids"),
            (
                ("ILSVRC2012_val_00000001.JPEG 65", "val/ILSVRC2012_val_00000002.JPEG 970",
                 "ILSVRC2012_val_00000003.JPEG 230"),
                "classes, as Caffe's list has them",
            ),
        ],
    )  # fmt: skip
    def test_the_official_labels_in_every_form(self, lines, why, tmp_path):
        """Of the first three images: a sea snake, an alp, a Shetland sheepdog."""
        truth = write(tmp_path / "labels.txt", *lines)
        found = read_imagenet(validation(tmp_path / "images"), truth=truth)
        assert found.labels.tolist() == [65, 970, 230], why

    @pytest.mark.parametrize(
        "place",
        [
            "ILSVRC2012_validation_ground_truth.txt",
            "data/ILSVRC2012_validation_ground_truth.txt",
            "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt",
            "ILSVRC2012_img_val/ILSVRC2012_validation_ground_truth.txt",
        ],
    )
    def test_the_ground_truth_where_the_archives_leave_it(self, place, tmp_path):
        write(tmp_path / place, 490, 361, 171)
        assert read_imagenet(validation(tmp_path)).labels.tolist() == [65, 970, 230]

    def test_some_of_the_images(self, tmp_path):
        write(tmp_path / "ILSVRC2012_validation_ground_truth.txt", 490, 361, 171)
        lay(tmp_path, "ILSVRC2012_val_00000003.JPEG")
        assert read_imagenet(tmp_path).labels.tolist() == [230], "by the number in the name, not by position"


@pytest.mark.parametrize(
    ("names", "expected", "why"),
    [
        ((f"{TENCH}_a.JPEG",), True, "flat"),
        (("ILSVRC2012_val_00000001.JPEG",), True, "validation images, with or without labels"),
        (("ILSVRC2012_img_val/ILSVRC2012_val_00000001.JPEG",), True, "the folder around them"),
        ((f"{KIT_FOX}/a.jpg", "notes/b.txt"), True, "class folders, and another to be named in the error"),
        ((f"val/{TENCH}/a.jpg",), True, "validation images as class folders"),
        (("0/a.jpg", "10/a.jpg"), True, "numbers"),
        (("cat/a.jpg", "dog/b.jpg"), False, "other classes"),
        (("val/cat/a.jpg", "val/dog/a.jpg"), False, "other classes, in parts"),
        (("a.jpg",), False, "any image"),
        (("0/a.jpg", "1000/a.jpg"), False, "no class of the 1000"),
        ((), False, "nothing"),
    ],
)
def test_the_layouts_are_recognised_by_their_names(names, expected, why, tmp_path):
    assert is_imagenet(lay(tmp_path, *names)) == expected, why
    assert not is_imagenet(tmp_path / "gone")


class TestRefused:
    @pytest.mark.parametrize(
        ("names", "message", "why"),
        [
            ((), "has neither images nor folders; expected <wnid>_", "empty"),
            (("cat/a.jpg", "dog/b.jpg"), "has the folder cat; expected", "another set"),
            (("1000/a.jpg", "2/b.jpg"), "has the folder 1000", "numbers of 1001 classes"),
            (("n00000001/a.jpg",), "has the folder n00000001", "a wnid of none of the 1000"),
            (("n00000001_a.JPEG",), "n00000001_a.JPEG is of n00000001, none of", "likewise"),
            ((f"{TENCH}_a.JPEG", "cat.jpg"), "cat.jpg has no wnid in its name", "a stray image"),
            ((f"{TENCH}_a.JPEG", f"{KIT_FOX}/a.JPEG"), "has images, .* and class folders", "two layouts"),
            ((f"{TENCH}/{KIT_FOX}_1.JPEG",), "lies in the folder of n01440764, its name says n02119789", "moved"),
            ((f"{TENCH}/a.jpg", f"{KIT_FOX}/a.txt"), "n02119789 has no image", "an empty class"),
            (("ILSVRC2012_val_00000001.JPEG",), "has ILSVRC2012_validation_ground_truth.txt; copy", "no labels"),
        ],
    )
    def test_a_layout(self, names, message, why, tmp_path):
        with pytest.raises(ValueError, match=message) as caught:
            read_imagenet(lay(tmp_path / "images" if names else tmp_path, *names))
        assert str(tmp_path) in str(caught.value), why

    @pytest.mark.parametrize(
        ("lines", "message", "why"),
        [
            ((490, 361), "has no label for ILSVRC2012_val_00000003.JPEG; it has 2", "a list cut off"),
            ((0, 361, 171), "numbers from 0 to 361; .* go from 1 to 1000. If these are class indices", "counts from 0"),
            ((490, 361, 1001), "from 361 to 1001", "counts a background"),
            ((490, "sea snake", 171), "has the line '490'; each is a number", "mixed"),
            (("n00000001",), "has the line 'n00000001'", "an unknown wnid"),
            ((), "is empty", "nothing"),
        ],
    )
    def test_a_ground_truth(self, lines, message, why, tmp_path):
        truth = write(tmp_path / "truth.txt", *lines)
        with pytest.raises(ValueError, match=message) as caught:
            read_imagenet(validation(tmp_path), truth=truth)
        assert str(truth) in str(caught.value), why

    def test_other_misuse(self, tmp_path):
        with pytest.raises(ValueError, match=f"no folder at {re.escape(str(tmp_path / 'gone'))}"):
            read_imagenet(tmp_path / "gone")
        with pytest.raises(ValueError, match=r"no list at .*gone.txt"):
            read_imagenet(validation(tmp_path / "a"), truth=tmp_path / "gone.txt")
        with pytest.raises(ValueError, match="pass no truth"):
            read_imagenet(lay(tmp_path / "b", f"{TENCH}_a.JPEG"), truth=tmp_path / "gone.txt")
        mixed = lay(validation(tmp_path / "c"), "ILSVRC2012_img_val/cat.jpg")
        with pytest.raises(ValueError, match=r"cat.jpg lies among validation images"):
            read_imagenet(mixed, truth=write(tmp_path / "t.txt", 490, 361, 171))


class TestNames:
    @pytest.mark.parametrize(
        ("lines", "why"),
        [
            ([f"name {k}" for k in range(1000)], "names alone"),
            (["background", *(f"name {k}" for k in range(1000))], "slim's 1001"),
            (["  0  background", *(f"  {k + 1}  name {k}" for k in range(1000))], "numbered, as beside slim's files"),
            ([f"{k}: name {k}" for k in range(1000)], "numbered from 0"),
        ],
    )
    def test_in_the_order_of_the_classes(self, lines, why, tmp_path):
        assert read_names(write(tmp_path / "a.txt", *lines)) == tuple(f"name {k}" for k in range(1000)), why

    @pytest.mark.parametrize("form", ["{wnid} name {label}", "{wnid}\tname {label}", "{wnid} {number} name {label}"])
    def test_by_wnid_in_any_order(self, form, tmp_path):
        kit = development_kit()
        lines = [
            form.format(wnid=wnid, number=number, label=wnids().index(wnid)) for number, wnid in enumerate(kit, start=1)
        ]
        assert read_names(write(tmp_path / "a.txt", *lines)) == tuple(f"name {k}" for k in range(1000))

    def test_wnids_alone(self, tmp_path):
        kit = development_kit()
        assert read_names(write(tmp_path / "a.txt", *kit)) == wnids()

    @pytest.mark.parametrize(
        ("lines", "message", "why"),
        [
            (["a"] * 999, "has 999 names; expected 1000, or 1001 that begin with 'background'", "one short"),
            (["a"] * 1001, "has 1001 names", "1001 without a background"),
            ([f"{k} a" for k in (0, 2, 1)], "doesn't number its lines one after the other", "out of order"),
            ([f"{TENCH} tench"], "names 1 wnids, which are not ImageNet's 1000", "some of them"),
        ],
    )
    def test_refused(self, lines, message, why, tmp_path):
        with pytest.raises(ValueError, match=message):
            read_names(write(tmp_path / "a.txt", *lines))

    def test_no_text(self, tmp_path):
        (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(ValueError, match="is no text"):
            read_names(tmp_path / "a.txt")
