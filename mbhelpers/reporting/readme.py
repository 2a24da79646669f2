"""Make what the README shows, its picture and its table of trained rows: `python -m mbhelpers.reporting.readme`."""

from pathlib import Path

import numpy as np
from PIL import Image

from mbhelpers import settings
from mbhelpers.data.sample import CLASSES, draw_flower
from mbhelpers.files import replacing
from mbhelpers.reporting.training_facts import results_table

SIDE, COLUMNS = 112, 8
_BEGIN, _END = "<!-- zoo:begin -->", "<!-- zoo:end -->"


def draw_overview(path: Path) -> None:
    """Eight drawn flowers of each kind."""
    rows = [np.hstack([draw_flower(kind, seed, SIDE) for seed in range(COLUMNS)]) for kind in CLASSES]
    # 128 colours are enough for a small picture, and a third of the bytes.
    with replacing(path) as temporary:
        Image.fromarray(np.vstack(rows)).quantize(128).save(temporary, format="PNG", optimize=True)


def with_zoo(readme: str, results: Path) -> str:
    """The README's text with the table of the rows in a folder of results.

    Raises:
        ValueError: it has no place for the table.
    """
    head, begin, rest = readme.partition(_BEGIN)
    _, end, tail = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"the README needs the lines {_BEGIN} and {_END}, the table goes between them")
    table = results_table(results)
    lines = [list(table.columns), ["---"] * len(table.columns), *table.astype(str).to_numpy().tolist()]
    return "\n".join([head + begin, *(f"| {' | '.join(line)} |" for line in lines), end + tail])


def main() -> None:
    """Write data/sample/overview.png and the README's table."""
    picture, readme = settings.sample_folder() / "overview.png", settings.project_folder() / "README.md"
    draw_overview(picture)
    text = with_zoo(readme.read_text(encoding="utf-8"), settings.results_folder())
    with replacing(readme) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(picture, readme, sep="\n")


if __name__ == "__main__":
    main()
