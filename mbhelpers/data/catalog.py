"""The data sets this collection knows: names, classes, licences and where each comes from."""

from dataclasses import dataclass

from mbhelpers.rows import DATASETS


@dataclass(frozen=True)
class Dataset:
    """One data set.

    Attributes:
        name: as rows spell it.
        top_folder: the folder that the official archive unpacks to, whose sub-folders are the classes.
        classes: class names in the order of the model's outputs (sorted folder names).
        images: how many images the whole set has.
        tfds: the TensorFlow Datasets name that downloads it, with its checksum.
        licence: of the images.
        homepage: where its authors describe it.
        citation: as its authors ask for.
    """

    name: str
    top_folder: str
    classes: tuple[str, ...]
    images: int
    tfds: str
    licence: str
    homepage: str
    citation: str


CATALOG = {
    "flowers": Dataset(
        name="flowers",
        top_folder="flower_photos",
        classes=("daisy", "dandelion", "roses", "sunflowers", "tulips"),
        images=3670,
        tfds="tf_flowers",
        licence="Creative Commons, per photo; see LICENSE.txt in the archive",
        homepage="https://www.tensorflow.org/datasets/catalog/tf_flowers",
        citation="The TensorFlow Team, Flowers, 2019",
    ),
}


def find(name: str) -> Dataset:
    """The data set of that name.

    Raises:
        ValueError: unknown name; the message lists the valid ones.
    """
    if name not in CATALOG and name in DATASETS:
        raise ValueError(
            f"{name} has published figures, but this version cannot load its data; choose from {', '.join(CATALOG)}, "
            "or custom/... with --data and your own folder"
        )
    if name not in CATALOG:
        raise ValueError(f"unknown dataset {name!r}; choose from {', '.join(CATALOG)} or custom")
    return CATALOG[name]
