"""What all tests share: small drawn images, the real ones where there are some, and notebooks kept in one piece."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mbhelpers import settings


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the marks in the same hook
def pytest_collection_modifyitems(items):
    """Keep the cells of a notebook on one worker under `--dist loadgroup`: they share a kernel, and an order."""
    for item in items:
        if type(item).__name__ == "IPyNbCell":  # nbval's
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


def draw_picture(seed: int, side: int = 64) -> Image.Image:
    """A picture with a few large shapes on a soft ground; another seed gives one that looks quite different."""
    rng = np.random.default_rng(seed)
    ground = Image.fromarray(rng.integers(40, 215, (5, 5, 3), np.uint8))
    picture = ground.resize((side, side), Image.Resampling.BICUBIC)
    brush = ImageDraw.Draw(picture)
    for _ in range(5):
        x, y = rng.integers(0, side * 3 // 4, 2)
        width, height = rng.integers(side // 6, side // 2, 2)
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        shape = brush.ellipse if rng.random() < 0.5 else brush.rectangle
        shape((int(x), int(y), int(x + width), int(y + height)), fill=colour)
    return picture


@pytest.fixture(scope="session")
def draw() -> Callable[..., Image.Image]:
    """`draw(seed, side=64)` gives an RGB picture."""
    return draw_picture


@pytest.fixture(scope="session")
def make_folder() -> Callable[..., Path]:
    """`make_folder(root, {"cat": 4, "dog": 3}, seed=0)` fills `root/<class>/<class>_<i>.png`, no two alike."""

    def make(root: Path, counts: dict[str, int], seed: int = 0, side: int = 64) -> Path:
        for k, (name, count) in enumerate(counts.items()):
            (root / name).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                number = 1_000_000 * seed + 10_000 * k + i
                draw_picture(number, side).save(root / name / f"{name}_{i:03d}.png")
        return root

    return make


@pytest.fixture
def real() -> Path:
    """The folder of real images and peer models; the test is skipped where there is none."""
    folder = settings.real_folder()
    if folder is None:
        pytest.skip("no real images here: set MBHELPERS_REAL to their folder (or lay them in ../shared/real)")
    return folder
