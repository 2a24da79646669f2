"""A row of a model card: its name, and the figures published for it."""

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

DATASETS = ("flowers", "plant_village", "food101", "coco_person", "coco2017_person", "coco2017_80", "custom")
VARIANTS = {
    "tfs": "training from scratch",
    "tl": "transfer learning: the backbone stays frozen, only the head trains",
    "fft": "full fine-tuning: starts from the tl model, every layer trains",
}
_PATTERN = re.compile(
    r"(?P<dataset>\w+)/(?P<architecture>[a-z][a-z0-9_]*?)_(?P<alpha>\d+\.\d+)_(?P<resolution>\d+)"
    r"(?:_(?P<variant>[a-z]+))?"
)


@dataclass(frozen=True)
class Row:
    """One row of a model card.

    Attributes:
        dataset: a name from `DATASETS`; "custom" is the user's own folder of class folders.
        architecture: for example "mobilenet_v2".
        alpha: width multiplier.
        resolution: input height and width in pixels.
        variant: "tfs", "tl" or "fft"; empty where the card names none (detectors).
    """

    dataset: str
    architecture: str
    alpha: float
    resolution: int
    variant: str = ""

    def __post_init__(self):
        if self.dataset not in DATASETS:
            raise ValueError(f"unknown dataset {self.dataset!r}; choose from {', '.join(DATASETS)}")
        if self.variant and self.variant not in VARIANTS:
            raise ValueError(f"unknown variant {self.variant!r}; choose from {', '.join(VARIANTS)}")
        if self.resolution < 32 or self.alpha <= 0:
            raise ValueError(
                f"a row needs a resolution of 32 px or more and alpha > 0, not {self.resolution} and {self.alpha}"
            )

    @classmethod
    def parse(cls, name: "str | Row") -> "Row":
        """Read a row's name, `flowers/mobilenet_v2_0.35_128_tl`.

        Raises:
            ValueError: the name has another form, or names an unknown dataset or variant.
        """
        if isinstance(name, Row):
            return name
        match = _PATTERN.fullmatch(name)
        if not match:
            raise ValueError(
                f"unknown row {name!r}; a row is DATASET/ARCHITECTURE_ALPHA_RESOLUTION_VARIANT, "
                "such as flowers/mobilenet_v2_0.35_128_tl; `mbhelpers rows` lists those with published figures"
            )
        part = match.groupdict()
        return cls(
            dataset=part["dataset"],
            architecture=part["architecture"],
            alpha=float(part["alpha"]),
            resolution=int(part["resolution"]),
            variant=part["variant"] or "",
        )

    @property
    def detects(self) -> bool:
        """Whether the row is a detector's: boxes, not one class an image."""
        return self.architecture.startswith("ssd_")

    def __str__(self) -> str:
        """The row's name, which `parse` reads back."""
        stem = f"{self.dataset}/{self.architecture}_{self.alpha}_{self.resolution}"
        return f"{stem}_{self.variant}" if self.variant else stem


def published(row: Row) -> dict[str, float]:
    """Figures that the row's authors published, in percent.

    Returns:
        `{"float": top-1, "int8": top-1}`, or `{"int8": AP}` for a detector; empty where nothing is published.
        ST's "accuracy" is validation accuracy on the split that also picked the checkpoint.

    Source: `mbhelpers/published/*.csv`, ST's model zoo cards.
    """
    return dict(_published().get(row, {}))


def published_rows() -> list[Row]:
    """Every row with a published accuracy, in the order of the cards."""
    return list(_published())


def published_table(name: str) -> list[dict[str, str]]:
    """One published table as it stands, a dict a line.

    Raises:
        ValueError: no such table.
    """
    folder = resources.files("mbhelpers") / "published"
    names = sorted(f.name.removesuffix(".csv") for f in folder.iterdir() if f.name.endswith(".csv"))
    if name not in names:
        raise ValueError(f"unknown table {name!r}; choose from {', '.join(names)}")
    with (folder / f"{name}.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@cache
def _published() -> dict[Row, dict[str, float]]:
    figures: dict[Row, dict[str, float]] = {}
    for table, column in (("classification_accuracy", "top1_percent"), ("detection_ap", "ap_percent")):
        for line in published_table(table):
            row = Row(
                line["dataset"],
                line["architecture"],
                float(line["alpha"]),
                int(line["resolution"]),
                line.get("variant", ""),
            )
            figures.setdefault(row, {})[line["format"]] = float(line[column])
    return figures
