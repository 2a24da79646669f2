"""The data sets this collection knows: names, classes, licences, and where each comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from mbhelpers.data.class_names import COCO, FLOWERS, FOODS, PLANTS


@dataclass(frozen=True)
class Archive:
    """One file of a data set's official download.

    Attributes:
        url: the official address.
        file: the name it is kept under.
        size: in bytes; 0 where nobody published it.
        sha256: content hash; empty where nobody published one, so that only the archive's own checks remain.
        gives: the folder that it unpacks to, relative to where the archive lies.
        into: the folder to unpack in, relative likewise; empty for the same one.
        by_hand: whether it takes an account to download it; `url` is where to get one.
    """

    url: str
    file: str
    size: int
    sha256: str
    gives: str
    into: str = ""
    by_hand: bool = False


@dataclass(frozen=True)
class Dataset:
    """One data set.

    Attributes:
        name: as rows spell it.
        task: whether an image has one class, or boxes.
        layout: "classes" is a folder of class folders, "food101" has `images/<class>` and `meta/*.txt`, "coco" has
            folders of images and `annotations/instances_*.json`, "imagenet" is one of those that
            `mbhelpers.data.imagenet` reads.
        classes: class names in the order of the model's outputs: sorted folder names, or categories by their ids.
        images: how many images the whole set has, in its first form.
        official_split: in words; empty where its authors made none.
        forms: name to archives; the first form is fetched unless another is asked for.
        tfds: form to the TensorFlow Datasets name that gives the same images.
        licence: of the images.
        homepage: where its authors describe it.
        citation: as its authors ask for.
        turned_copies: whether mirrored and turned copies of images are among them, which a split has to look for.
    """

    name: str
    task: Literal["classification", "detection"]
    layout: Literal["classes", "food101", "coco", "imagenet"]
    classes: tuple[str, ...]
    images: int
    official_split: str
    forms: Mapping[str, tuple[Archive, ...]]
    tfds: dict[str, str]
    licence: str
    homepage: str
    citation: str
    turned_copies: bool = False

    @property
    def top_folders(self) -> tuple[str, ...]:
        """The folders that the official archives unpack to; forms may share one."""
        gives = [archive.gives for archives in self.forms.values() for archive in archives]
        return tuple(dict.fromkeys(place.partition("/")[0] for place in gives))


_MENDELEY = "https://data.mendeley.com/public-files/datasets/tywbtsjrjv/files"
_COCO_SITE = "http://images.cocodataset.org"
# Sizes and hashes are those that TensorFlow Datasets records for the same addresses.
_COCO_FORMS = {
    "2014": (
        Archive(
            f"{_COCO_SITE}/annotations/annotations_trainval2014.zip",
            "annotations_trainval2014.zip",
            252872794,
            "031296bbc80c45a1d1f76bf9a90ead27e94e99ec629208449507a4917a3bf009",
            "coco/annotations",
            "coco",
        ),
        Archive(
            f"{_COCO_SITE}/zips/train2014.zip",
            "train2014.zip",
            13510573713,
            "ede4087e640bddba550e090eae701092534b554b42b05ac33f0300b984b31775",
            "coco/train2014",
            "coco",
        ),
        Archive(
            f"{_COCO_SITE}/zips/val2014.zip",
            "val2014.zip",
            6645013297,
            "fe9be816052049c34717e077d9e34aa60814a55679f804cd043e3cbee3b9fde0",
            "coco/val2014",
            "coco",
        ),
    ),
    "2017": (
        Archive(
            f"{_COCO_SITE}/annotations/annotations_trainval2017.zip",
            "annotations_trainval2017.zip",
            252907541,
            "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
            "coco/annotations",
            "coco",
        ),
        Archive(
            f"{_COCO_SITE}/zips/train2017.zip",
            "train2017.zip",
            19336861798,
            "69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
            "coco/train2017",
            "coco",
        ),
        Archive(
            f"{_COCO_SITE}/zips/val2017.zip",
            "val2017.zip",
            815585330,
            "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
            "coco/val2017",
            "coco",
        ),
    ),
}
_COCO_LICENCE = "images per Flickr licence of each, listed in the annotation file; annotations CC BY 4.0"
_COCO_HOME = "https://cocodataset.org"
_COCO_CITATION = "T.-Y. Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014"

_COCO_BOXES = Dataset(
    name="coco2017_person",
    task="detection",
    layout="coco",
    classes=("person",),
    images=123287,
    official_split="train and val; val serves as test",
    forms={"2017": _COCO_FORMS["2017"]},
    tfds={"2017": "coco/2017"},
    licence=_COCO_LICENCE,
    homepage=_COCO_HOME,
    citation=_COCO_CITATION,
)

CATALOG = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="flowers",
            task="classification",
            layout="classes",
            classes=FLOWERS,
            images=3670,
            official_split="",
            forms={
                "original": (
                    Archive(
                        "http://download.tensorflow.org/example_images/flower_photos.tgz",
                        "flower_photos.tgz",
                        228813984,
                        "4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
                        "flower_photos",
                    ),
                )
            },
            tfds={"original": "tf_flowers"},
            licence="Creative Commons, per photo; see LICENSE.txt in the archive",
            homepage="https://www.tensorflow.org/datasets/catalog/tf_flowers",
            citation="The TensorFlow Team, Flowers, 2019",
        ),
        Dataset(
            name="plant_village",
            task="classification",
            layout="classes",
            classes=PLANTS,
            images=55448,
            official_split="",
            forms={
                "without_augmentation": (
                    Archive(
                        f"{_MENDELEY}/d5652a28-c1d8-4b76-97f3-72fb80f94efc/file_downloaded",
                        "Plant_leaf_diseases_dataset_without_augmentation.zip",
                        868032562,
                        "ac3432453984d02a86197987e775a5429d0d59e7cc7c35bcf5a8f50349b90ff0",
                        "Plant_leave_diseases_dataset_without_augmentation",
                    ),
                ),
                "with_augmentation": (
                    Archive(
                        f"{_MENDELEY}/b4e3a32f-c0bd-4060-81e9-6144231f2520/file_downloaded",
                        "Plant_leaf_diseases_dataset_with_augmentation.zip",
                        0,
                        "",
                        "Plant_leave_diseases_dataset_with_augmentation",
                    ),
                ),
            },
            tfds={"without_augmentation": "plant_village"},
            licence="CC0 1.0",
            homepage="https://data.mendeley.com/datasets/tywbtsjrjv/1",
            citation="G. Geetharamani and J. Arun Pandian, Identification of plant leaf diseases using a nine-layer "
            "deep convolutional neural network, Computers & Electrical Engineering 76, 2019",
            turned_copies=True,
        ),
        Dataset(
            name="food101",
            task="classification",
            layout="food101",
            classes=FOODS,
            images=101000,
            official_split="750 train and 250 test images a class, in meta/train.txt and meta/test.txt",
            forms={
                "original": (
                    Archive(
                        "http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz",
                        "food-101.tar.gz",
                        4996278331,
                        "d97d15e438b7f4498f96086a4f7e2fa42a32f2712e87d3295441b2b6314053a4",
                        "food-101",
                    ),
                )
            },
            tfds={"original": "food101"},
            licence="for research; the photographs belong to Foodspotting's users",
            homepage="https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/",
            citation="L. Bossard et al., Food-101: Mining Discriminative Components with Random Forests, ECCV 2014",
        ),
        Dataset(
            name="coco_person",
            task="classification",
            layout="coco",
            classes=("notperson", "person"),
            images=123287,
            official_split="train and val; val serves as test",
            forms=_COCO_FORMS,
            tfds={"2014": "coco/2014", "2017": "coco/2017"},
            licence=_COCO_LICENCE,
            homepage=_COCO_HOME,
            citation=_COCO_CITATION
            + "; labels after A. Chowdhery et al., Visual Wake Words Dataset, 2019, or MLPerf Tiny",
        ),
        _COCO_BOXES,
        replace(_COCO_BOXES, name="coco2017_80", classes=COCO),
    )
}


def find(name: str) -> Dataset:
    """The data set of that name that rows are trained on.

    Raises:
        ValueError: unknown name; the message lists the valid ones.
    """
    if name not in CATALOG:
        raise ValueError(f"unknown dataset {name!r}; choose from {', '.join(CATALOG)} or custom")
    return CATALOG[name]
