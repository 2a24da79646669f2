"""What the README shows is what lies in the repository."""

import numpy as np
import pytest
from PIL import Image

from mbhelpers import settings
from mbhelpers.reporting.readme import draw_overview, with_zoo


def test_the_table_is_that_of_the_results():
    text = (settings.project_folder() / "README.md").read_text(encoding="utf-8")
    assert with_zoo(text, settings.results_folder()) == text, "run: python -m mbhelpers.reporting.readme"


def test_a_readme_without_a_place_is_refused(tmp_path):
    with pytest.raises(ValueError, match="needs the lines <!-- zoo:begin --> and <!-- zoo:end -->"):
        with_zoo("# Title\n", tmp_path)


def test_the_picture_is_the_drawn_one(tmp_path):
    draw_overview(tmp_path / "overview.png")
    pictures = [Image.open(path) for path in (tmp_path / "overview.png", settings.sample_folder() / "overview.png")]
    assert np.array_equal(*(np.asarray(picture.convert("RGB")) for picture in pictures))
