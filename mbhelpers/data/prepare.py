"""From a data set to a written split: what `mbhelpers data prepare` and the first stage of a run do."""

from pathlib import Path

import numpy as np

from mbhelpers.data import coco, source
from mbhelpers.data.detections import Detections
from mbhelpers.data.folder import ImageFolder
from mbhelpers.data.split import PARTS, Split, check_split, load_split, make_split, save_split

MANIFEST = "split.json"


def write_split(images: ImageFolder, path: Path, seed: int, *, turned: bool = False) -> Split:
    """Group copies, split, and write the manifest; one that is there is kept if it is of this very data.

    Args:
        images: what `source.load` gives.
        path: of the manifest.
        seed: of the split.
        turned: look for mirrored and turned copies too.

    Raises:
        ValueError: as `make_split`; or the manifest there is of other data or another seed, and the message says
            what differs.
    """
    if path.is_file():
        split = load_split(path)
        check_split(split, images, path)
        if split.seed != seed:
            raise ValueError(f"{path} was made with seed {split.seed}, not {seed}; delete it to split anew")
        return split
    split = make_split(images, seed, turned=turned)
    if split.conflicts:
        print(f"{len(split.conflicts)} pictures lie in two class folders: {'; '.join(split.conflicts[:3])}")
    save_split(split, images, path)
    return split


def refuse_inside(out: Path, dataset: str, data_dir: Path | str | None) -> None:
    """Keep results out of a folder of class folders, where theirs would be taken for one more class.

    Raises:
        ValueError: `out` lies in the folder that `source.locate` gives.
    """
    if dataset not in source.detection_sets():
        root = source.locate(dataset, data_dir)
        if root.resolve() in out.resolve().parents:
            raise ValueError(f"{out} lies in {root}, where each folder is a class; choose a folder outside")


def parts_of(found: Detections, split: Split) -> dict[str, Detections]:
    """The images and boxes of each part of a split of a detection set, sorted by file name."""
    return {part: found.select(np.flatnonzero(np.isin(found.paths, split.paths[part]))) for part in PARTS}


def prepare(dataset: str, data_dir: Path | str | None, out: Path, *, seed: int) -> tuple[ImageFolder, Split]:
    """Read a data set, split it, and write what is to be kept of that.

    Args:
        dataset: a name of the catalog, or "custom".
        data_dir: as for `source.locate`.
        out: gets `split.json`, and for a detection set `instances_{train,validation,test}.json` in COCO's format.
        seed: of the split.

    Raises:
        ValueError: as `refuse_inside`, `source.load` and `write_split`.
    """
    refuse_inside(out, dataset, data_dir)
    found = source.load_detections(dataset, data_dir) if dataset in source.detection_sets() else None
    images = source.detection_images(found) if found is not None else source.load(dataset, data_dir)
    split = write_split(images, out / MANIFEST, seed, turned=source.has_turned_copies(dataset))
    if found is not None:
        if found.problems:
            name, why = found.problems[0]
            print(f"{len(found.problems)} remarks on the annotations, such as {name}: {why}")
        for part, boxes in parts_of(found, split).items():
            coco.write(boxes, out / f"instances_{part}.json")
    return images, split
