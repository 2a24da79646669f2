"""What the README shows is what lies in the repository."""

import numpy as np
import pytest
from PIL import Image

from mbhelpers import settings
from mbhelpers.reporting.readme import draw_overview, with_tables


def test_the_tables_are_those_of_the_results():
    text = (settings.project_folder() / "README.md").read_text(encoding="utf-8")
    assert with_tables(text, settings.results_folder()) == text, "run: python -m mbhelpers.reporting.readme"


def test_a_readme_without_a_place_is_refused():
    text = (settings.project_folder() / "README.md").read_text(encoding="utf-8")
    for name in ("zoo", "int8", "detectors"):
        with pytest.raises(ValueError, match=f"needs the lines <!-- {name}:begin --> and <!-- {name}:end -->"):
            with_tables(text.replace(f"<!-- {name}:end -->", ""), settings.results_folder())


def test_the_picture_is_the_drawn_one(tmp_path):
    draw_overview(tmp_path / "overview.png")
    pictures = [Image.open(path) for path in (tmp_path / "overview.png", settings.sample_folder() / "overview.png")]
    assert np.array_equal(*(np.asarray(picture.convert("RGB")) for picture in pictures))
