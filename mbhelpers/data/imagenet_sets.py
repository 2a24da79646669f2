"""Where ImageNet's images come from: sets that models are measured on, and that no row is trained on."""

from mbhelpers.data.catalog import Archive, Dataset
from mbhelpers.data.imagenet import CLASSES, wnids

_V2 = "https://huggingface.co/datasets/vaishaal/ImageNetV2/resolve/main"
# Sizes and hashes are those that TensorFlow Datasets records.
SETS = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="imagenet2012",
            task="classification",
            layout="imagenet",
            classes=wnids(),
            images=50000,
            official_split="the validation part",
            forms={
                "validation": (
                    Archive(
                        "https://image-net.org/download-images",
                        "ILSVRC2012_img_val.tar",
                        6744924160,
                        "c7e06a6c0baccf06d8dbeb6577d71efff84673a5dbdd50633ab44f8ea0456ae0",
                        "ILSVRC2012_img_val",
                        by_hand=True,
                    ),
                )
            },
            tfds={"validation": "imagenet2012"},
            licence="for non-commercial research and education, by ImageNet's terms of access",
            homepage="https://image-net.org",
            citation="O. Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 2015",
        ),
        Dataset(
            name="imagenet_v2",
            task="classification",
            layout="imagenet",
            classes=tuple(str(label) for label in range(CLASSES)),
            images=10000,
            official_split="a test set",
            forms={
                "matched-frequency": (
                    Archive(
                        f"{_V2}/imagenetv2-matched-frequency.tar.gz",
                        "imagenetv2-matched-frequency.tar.gz",
                        1264079360,
                        "f0c37fdf925916b19ea1323cd9a2208cdb6959ba2c32eef2a7fc393835c9ca7c",
                        "imagenetv2-matched-frequency-format-val",
                    ),
                )
            },
            tfds={"matched-frequency": "imagenet_v2/matched-frequency"},
            licence="MIT for the collection; the photographs belong to their authors on Flickr",
            homepage="https://github.com/modestyachts/ImageNetV2",
            citation="B. Recht et al., Do ImageNet Classifiers Generalize to ImageNet?, ICML 2019",
        ),
    )
}
"""Names to sets, fetched as those of the catalog are, for `mbhelpers evaluate`."""
