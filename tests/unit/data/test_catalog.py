import re

import pytest

from mbhelpers.data.catalog import CATALOG
from mbhelpers.data.class_names import COCO, COCO_IDS
from mbhelpers.rows import DATASETS, published_rows


@pytest.mark.parametrize("dataset", CATALOG.values(), ids=lambda d: d.name)
def test_an_entry_is_whole(dataset):
    assert CATALOG[dataset.name] is dataset
    assert dataset.name in DATASETS, "rows spell it so"
    assert len(set(dataset.classes)) == len(dataset.classes)
    if dataset.task == "classification":
        assert list(dataset.classes) == sorted(dataset.classes), "labels follow sorted folder names"
    assert dataset.images > 0
    for text in (dataset.licence, dataset.homepage, dataset.citation):
        assert text.strip()
    assert dataset.homepage.startswith("https://")


@pytest.mark.parametrize(
    ("dataset", "classes", "why"),
    [
        ("flowers", 5, "five kinds"),
        ("plant_village", 39, "38 of leaves, and the background"),
        ("food101", 101, "as it is called"),
        ("coco_person", 2, "yes and no"),
        ("coco2017_person", 1, "one category"),
        ("coco2017_80", 80, "of 90 ids, ten are free"),
    ],
)
def test_the_number_of_classes(dataset, classes, why):
    assert len(CATALOG[dataset].classes) == classes, why


def test_every_dataset_with_published_figures_is_here():
    assert {row.dataset for row in published_rows()} <= set(CATALOG)


@pytest.mark.parametrize("dataset", CATALOG.values(), ids=lambda d: d.name)
def test_archives_are_whole(dataset):
    assert set(dataset.tfds) <= set(dataset.forms)
    for form, archives in dataset.forms.items():
        assert archives, form
        for archive in archives:
            assert archive.url.startswith(("http://", "https://"))
            assert re.fullmatch(r"[0-9a-f]{64}|", archive.sha256)
            assert (archive.size > 0) == bool(archive.sha256), "TFDS records both or none"
            assert re.search(r"\.(zip|tgz|tar\.gz)$", archive.file)


def test_top_folders_are_named_once():
    assert CATALOG["coco_person"].top_folders == ("coco",), "two forms in one folder"
    assert CATALOG["plant_village"].top_folders == (
        "Plant_leave_diseases_dataset_without_augmentation",
        "Plant_leave_diseases_dataset_with_augmentation",
    )


def test_coco_ids_have_their_known_gaps():
    pairs = dict(zip(COCO, COCO_IDS, strict=True))
    assert (pairs["person"], pairs["stop sign"], pairs["parking meter"], pairs["toothbrush"]) == (1, 13, 14, 90)
