import pytest

from mbhelpers.data.catalog import CATALOG
from mbhelpers.rows import DATASETS


@pytest.mark.parametrize("dataset", CATALOG.values(), ids=lambda d: d.name)
def test_an_entry_is_whole(dataset):
    assert CATALOG[dataset.name] is dataset
    assert dataset.name in DATASETS, "rows spell it so"
    assert list(dataset.classes) == sorted(set(dataset.classes)), "labels follow sorted folder names"
    assert dataset.images > 0
    for text in (dataset.top_folder, dataset.licence, dataset.homepage, dataset.citation):
        assert text.strip()
    assert dataset.homepage.startswith("https://")
