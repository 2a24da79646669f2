"""Person or no person: the two public rules that make a classification set of COCO, and their folders."""

import os
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from mbhelpers.data import coco
from mbhelpers.data.detections import Detections
from mbhelpers.data.folder import ImageFolder
from mbhelpers.files import read_json, replacing, sha256, write_json

CLASSES = ("notperson", "person")
"""The classes in the order of the labels, which is that of the sorted folder names."""

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class PersonRule:
    """When an image counts as one of a person.

    Attributes:
        name: of the rule.
        measure: what of a person is measured: the area of its segment or of its box.
        threshold: share of the image's area, in 0..1.
        inclusive: whether a person of just that share counts.
        crowds: whether annotations of a crowd count as persons.
        small: an image with persons, none of them large enough, is "negative" (notperson) or left out ("skip").
    """

    name: str
    measure: Literal["segment", "box"]
    threshold: float
    inclusive: bool
    crowds: bool
    small: Literal["negative", "skip"]

    def with_threshold(self, threshold: float) -> "PersonRule":
        """The same rule with another threshold.

        Args:
            threshold: share of the image's area, in 0..1; 0.005 is 0.5 %.

        Raises:
            ValueError: it is no share.
        """
        if not 0 <= threshold < 1:
            raise ValueError(f"a threshold is a share of the image, at least 0 and below 1, not {threshold}")
        return replace(self, threshold=round(float(threshold), 9))  # 0.7 / 100 is a little less than 0.007


RULES = {
    "vww": PersonRule("vww", "segment", 0.005, inclusive=True, crowds=True, small="negative"),
    "mlperf_tiny": PersonRule("mlperf_tiny", "box", 0.025, inclusive=False, crowds=False, small="skip"),
}
"""Visual Wake Words and MLPerf Tiny.

Visual Wake Words measures `area`, which COCO computes from the segment, and asks for no `iscrowd`: crowds count. Its
script kept a share of just 0.5 % at first and drops it now; we keep it. MLPerf Tiny asks COCO for annotations that
are no crowds, so an image with nothing but a crowd is a notperson there, and wants a box of more than 2.5 %. It
measures the box as listed, we the part inside the image, so that a box with nothing there is none; and it stores 96 x
96 pictures, we the images as they are.

Source: Chowdhery et al., Visual Wake Words Dataset, 2019, and slim's datasets/visualwakewords script; mlcommons/tiny,
buildPersonDetectionDatabase.py.
"""


def label(found: Detections, rule: PersonRule) -> tuple[np.ndarray, np.ndarray]:
    """Decide for each image by a rule.

    Returns:
        labels: (N,) int8: 1 person, 0 notperson, -1 left out.
        reasons: (N,) str: the largest person and the threshold, in words.

    Raises:
        ValueError: there is no category person.
    """
    persons = found.only(("person",))
    image_of, around = persons.image_of, persons.sizes.prod(axis=1)
    if rule.measure == "segment":
        shares = persons.areas / around[image_of]
    else:
        left, top, right, bottom = persons.boxes.astype(np.float64).T
        shares = (right - left) * (bottom - top)
        close = np.nonzero(np.abs(shares - rule.threshold) < 1e-5)[0]  # where float32 may not tell the side
        shares[close] = persons.pixel_boxes(close)[:, 2:].prod(axis=1) / around[image_of[close]]
    counted = slice(None) if rule.crowds else ~persons.crowd
    largest = np.full(len(found), -1.0)
    np.maximum.at(largest, image_of[counted], shares[counted])
    enough = largest >= rule.threshold if rule.inclusive else largest > rule.threshold
    labels = enough.astype(np.int8)
    if rule.small == "skip":
        labels[~enough & (largest >= 0)] = -1
    crowded = np.bincount(image_of, minlength=len(found)) > 0
    return labels, _reasons(rule, largest, enough, crowded)


def _reasons(rule: PersonRule, largest: np.ndarray, enough: np.ndarray, crowded: np.ndarray) -> np.ndarray:
    reasons = np.where(crowded, "a crowd of persons only, which this rule does not count", "no person").astype("U80")
    some = np.nonzero(largest >= 0)[0]
    percent, limit = 100 * largest[some], 100 * rule.threshold
    number = np.char.mod("%.2f", percent).astype("U12")
    close = np.abs(percent - limit) < 0.01  # two decimals would not tell on which side it is
    number[close] = np.char.mod("%.6f", percent[close])
    above, below = ("at least", "less than") if rule.inclusive else ("more than", "not more than")
    against = np.where(enough[some], f" % of the image, {above} {limit:g} %", f" % of the image, {below} {limit:g} %")
    reasons[some] = np.strings.add(np.strings.add(f"largest person {rule.measure} ", number), against)
    return reasons


def build(coco_root: Path, out: Path, rule: PersonRule, *, year: int | None = None) -> dict[str, Any]:
    """Sort COCO's images into `out/person/` and `out/notperson/`, and write down why in `out/manifest.json`.

    The folders hold hard links, which take no space, so an image that is changed in one place is changed in both;
    where the file system has no links between the two places, copies. The manifest names rule, annotation files and
    counts, and for each image its set, its class or "skipped", and the reason. A folder that was built of the same is
    left as it is.

    Args:
        coco_root: as for `coco.read_folder`.
        out: a new or empty folder, or one that was built before.
        rule: one of `RULES`, or your own.
        year: as for `coco.read_folder`.

    Returns:
        The manifest.

    Raises:
        ValueError: as `coco.read_folder`; two images have the same file name; or `out` holds something else, and the
            message says what differs.
    """
    out = Path(out)
    if out.is_file():
        raise ValueError(f"{out} is a file; choose a new folder (--out)")
    files = coco.annotation_files(coco_root, year)
    head = {
        "rule": asdict(rule),
        "classes": list(CLASSES),
        "annotations": {f"annotations/{path.name}": sha256(path) for path in files},
    }
    if out.is_dir() and any(out.iterdir()):
        return _built_before(out, head)
    found = coco.read_folder(coco_root, year)
    entries = _entries(found, *label(found, rule))
    kinds = [entry["class"] for entry in entries.values()]
    counts = {name: kinds.count(name) for name in (*CLASSES, "skipped")}
    manifest = {**head, "counts": counts, "problems": found.problems, "images": entries}
    with replacing(out) as temporary:
        for name in CLASSES:
            (temporary / name).mkdir(parents=True)
        for name, entry in tqdm(entries.items(), f"filling {out}", unit="img", disable=None):
            if "file" in entry:
                _link(found.root / name, temporary / entry["file"])
        write_json(temporary / MANIFEST, manifest)
    return load_manifest(out)


def load_manifest(out: Path) -> dict[str, Any]:
    """Read the manifest of a folder that `build` made.

    Raises:
        ValueError: it is missing, or no manifest of persons.
    """
    manifest = read_json(Path(out) / MANIFEST)
    needed = ("rule", "classes", "annotations", "counts", "images")
    if not isinstance(manifest, dict) or any(key not in manifest for key in needed):
        raise ValueError(f"{out}/{MANIFEST} is no manifest of persons; delete the folder and build it again")
    return manifest


def official_parts(images: ImageFolder) -> np.ndarray | None:
    """(N,) str, "train" or "test" (COCO's val) by the manifest; None where the images are of only one of the two.

    Args:
        images: what `folder.scan` found in a folder that `build` made.

    Raises:
        ValueError: as `load_manifest`; or the folder holds an image that the manifest does not list.
    """
    entries = load_manifest(images.root)["images"].values()
    parts = {entry["file"]: "test" if entry["set"] == "val" else "train" for entry in entries if "file" in entry}
    if strange := [name for name in images.paths.tolist() if name not in parts]:
        raise ValueError(
            f"{images.root} holds {len(strange)} images that its manifest does not list, such as {strange[0]}; "
            "remove them, or delete the folder and build it again"
        )
    official = np.array([parts[name] for name in images.paths.tolist()])
    return official if len(np.unique(official)) == 2 else None


def _entries(found: Detections, labels: np.ndarray, reasons: np.ndarray) -> dict[str, dict[str, str]]:
    """One entry an image, in the order of the paths."""
    entries: dict[str, dict[str, str]] = {}
    homes: dict[str, str] = {}
    for name, k, reason in zip(found.paths.tolist(), labels.tolist(), reasons.tolist(), strict=True):
        kind = "skipped" if k < 0 else CLASSES[k]
        entries[name] = {"set": "val" if name.startswith("val") else "train", "class": kind, "reason": reason}
        if k >= 0:
            bare = name.rpartition("/")[2]
            if (other := homes.setdefault(bare, name)) != name:
                raise ValueError(f"{other} and {name} have the same file name; rename one, in its annotations too")
            entries[name]["file"] = f"{kind}/{bare}"
    return entries


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def _built_before(out: Path, head: dict[str, Any]) -> dict[str, Any]:
    if not (out / MANIFEST).is_file():
        raise ValueError(f"{out} holds other files and no {MANIFEST}; choose a new folder (--out)")
    manifest = load_manifest(out)
    differ = [key for key in head if manifest[key] != head[key]]
    if differ:
        was, now = (f"{m['rule']['name']} at {100 * m['rule']['threshold']:g} %" for m in (manifest, head))
        what = f"by the rule {was}, not {now}" if "rule" in differ else "from other annotation files"
        raise ValueError(f"{out} was built {what}; choose a new folder (--out) or delete it")
    wanted = {entry["file"] for entry in manifest["images"].values() if "file" in entry}
    there = {f"{name}/{file.name}" for name in CLASSES if (out / name).is_dir() for file in (out / name).iterdir()}
    if lost := sorted(wanted - there):
        raise ValueError(f"{out} lacks {len(lost)} of its images, such as {lost[0]}; delete it and build it again")
    return manifest
