"""Draw the picture in the README: `python -m mbhelpers.reporting.readme`."""

import numpy as np
from PIL import Image

from mbhelpers import settings
from mbhelpers.data.sample import CLASSES, draw_flower

SIDE, COLUMNS = 112, 8


def main() -> None:
    """Write data/sample/overview.png: eight drawn flowers of each kind."""
    rows = [np.hstack([draw_flower(kind, seed, SIDE) for seed in range(COLUMNS)]) for kind in CLASSES]
    path = settings.sample_folder() / "overview.png"
    # 128 colours are enough for a small picture, and a third of the bytes.
    Image.fromarray(np.vstack(rows)).quantize(128).save(path, optimize=True)
    print(path)


if __name__ == "__main__":
    main()
