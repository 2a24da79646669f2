"""Draw a sample from the command line: `python -m mbhelpers.data.sample data/sample --name food101`."""

import argparse
from pathlib import Path

from mbhelpers import settings
from mbhelpers.data.sample import WRITERS, write


def main(arguments: list[str] | None = None) -> None:
    """Draw the sample that the arguments name, and print its folder."""
    parser = argparse.ArgumentParser(prog="python -m mbhelpers.data.sample", description="Draw a sample.")
    parser.add_argument("root", type=Path, help="the folder to hold the official top folder, such as flower_photos")
    parser.add_argument("--name", choices=WRITERS, default="flowers")
    parser.add_argument("--seed", type=int, default=settings.DEFAULT_SEED)
    parser.add_argument("--overwrite", action="store_true", help="replace a sample that is there")
    given = parser.parse_args(arguments)
    try:
        print(write(given.name, given.root, seed=given.seed, overwrite=given.overwrite))
    except (FileExistsError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
