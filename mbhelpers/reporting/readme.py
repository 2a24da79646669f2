"""What the README shows, its picture and its tables of results: `python -m mbhelpers.reporting.readme`."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from mbhelpers import settings
from mbhelpers.data.sample import CLASSES, draw_flower
from mbhelpers.files import replacing
from mbhelpers.reporting.detection_facts import detector_lines
from mbhelpers.reporting.int8_facts import cost_lines
from mbhelpers.reporting.training_facts import results_table

SIDE, COLUMNS = 112, 8


def draw_overview(path: Path) -> None:
    """Eight drawn flowers of each kind."""
    rows = [np.hstack([draw_flower(kind, seed, SIDE) for seed in range(COLUMNS)]) for kind in CLASSES]
    # 128 colours are enough for a small picture, and a third of the bytes.
    with replacing(path) as temporary:
        Image.fromarray(np.vstack(rows)).quantize(128).save(temporary, format="PNG", optimize=True)


def with_tables(readme: str, results: Path) -> str:
    """The README's text with the tables of what lies in a folder of results.

    Raises:
        ValueError: it has no place for a table.
    """
    tables = {
        "zoo": results_table(results),
        "int8": pd.DataFrame(cost_lines(results)),
        "detectors": pd.DataFrame(detector_lines(results)),
    }
    for name, table in tables.items():
        head, begin, rest = readme.partition(f"<!-- {name}:begin -->")
        _, end, tail = rest.partition(f"<!-- {name}:end -->")
        if not (begin and end):
            raise ValueError(
                f"the README needs the lines <!-- {name}:begin --> and <!-- {name}:end -->, a table goes between them"
            )
        lines = [list(table.columns), ["---"] * len(table.columns), *table.astype(str).to_numpy().tolist()]
        readme = "\n".join([head + begin, *(f"| {' | '.join(line)} |" for line in lines), end + tail])
    return readme


def main() -> None:
    """Write data/sample/overview.png and the README's tables."""
    picture, readme = settings.sample_folder() / "overview.png", settings.project_folder() / "README.md"
    draw_overview(picture)
    text = with_tables(readme.read_text(encoding="utf-8"), settings.results_folder())
    with replacing(readme) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(picture, readme, sep="\n")


if __name__ == "__main__":
    main()
