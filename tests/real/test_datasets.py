"""The five data sets on real images: counts, official parts, and the notebooks that teach them."""

import json
from pathlib import Path

import pytest

from mbhelpers import settings
from mbhelpers.data import prepare, source
from mbhelpers.data.catalog import CATALOG
from mbhelpers.data.split import PARTS
from mbhelpers.notebooks import execute

pytestmark = pytest.mark.real

FOLDERS = {"flowers": "flowers", "plant_village": "plant_village", "food101": "food101"}
FOLDERS |= dict.fromkeys(("coco_person", "coco2017_person", "coco2017_80"), "coco")
NOTEBOOKS = ("10_data_flowers", "11_data_plant_village", "12_data_food101")
NOTEBOOKS += ("13_data_coco_person", "14_data_coco_detection")


@pytest.fixture(autouse=True)
def own_data_folder(monkeypatch, tmp_path):
    """What is derived from the data, such as sorted persons, goes to a folder of the test."""
    monkeypatch.setenv("MBHELPERS_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("MBHELPERS_SMOKE", raising=False)


def plain_counts(top: Path) -> dict[str, int]:
    """Files a class folder, counted by nothing but the file system."""
    return {kind.name: len(list(kind.iterdir())) for kind in sorted(top.iterdir()) if kind.is_dir()}


@pytest.mark.parametrize("dataset", ["flowers", "plant_village", "food101"])
def test_prepare_counts_what_the_folder_holds(real, tmp_path, dataset):
    images, split = prepare.prepare(dataset, real / FOLDERS[dataset], tmp_path / "out", seed=2026)
    assert images.counts() == plain_counts(source.locate(dataset, real / FOLDERS[dataset]))
    exact = len(images) - len(set(images.sha256.tolist()))
    assert sum(len(split.paths[part]) for part in PARTS) + exact + len(split.left_out) == len(images)
    assert set(images.classes) <= set(CATALOG[dataset].classes)


def test_the_official_split_of_food(real, tmp_path):
    _, split = prepare.prepare("food101", real / "food101", tmp_path / "out", seed=2026)
    listed = (real / "food101" / "food-101" / "meta" / "test.txt").read_text().split()
    assert sorted(split.paths["test"].tolist()) == sorted(f"{name}.jpg" for name in listed)


@pytest.mark.parametrize("dataset", ["coco_person", "coco2017_person", "coco2017_80"])
def test_prepare_counts_what_the_annotation_file_holds(real, tmp_path, dataset):
    content = json.loads((real / "coco" / "annotations" / "instances_val2017.json").read_text())
    images, split = prepare.prepare(dataset, real / "coco", tmp_path / "out", seed=2026)
    assert len(images) == len(content["images"]) == sum(len(split.paths[part]) for part in PARTS)
    if dataset == "coco_person":
        return
    wanted = [a for a in content["annotations"] if dataset == "coco2017_80" or a["category_id"] == 1]
    written = [json.loads((tmp_path / "out" / f"instances_{part}.json").read_text()) for part in PARTS]
    assert sorted(a["id"] for part in written for a in part["annotations"]) == sorted(a["id"] for a in wanted)


@pytest.mark.notebook
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_on_real_images(real, tmp_path, name):
    notebook = settings.project_folder() / "notebooks" / f"{name}.ipynb"
    folder = {"10": "flowers", "11": "plant_village", "12": "food101"}.get(name[:2], "coco")
    values = {"data_dir": str(real / folder), "out_dir": str(tmp_path / "runs")}
    execute(notebook, tmp_path / f"{name}.ipynb", values)
