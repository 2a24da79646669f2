"""One way to a data set's folder, whichever of its sources it comes from."""

from pathlib import Path

from mbhelpers import settings
from mbhelpers.data import catalog, flowers, folder


def locate(dataset: str, data_dir: Path | str | None) -> Path:
    """The folder whose sub-folders are the classes.

    Args:
        dataset: a name of the catalog, or "custom" for the user's own folder.
        data_dir: "sample" for the drawn pictures; a folder that holds the official top folder (`flower_photos`)
            or is it; None for the project's data folder, into which the data set is fetched if it is not there.

    Raises:
        ValueError: no such data set or folder, another layout, or the download failed.
    """
    if dataset == "custom":
        if data_dir is None:
            raise ValueError("custom/... needs your own folder: pass --data FOLDER with one sub-folder a class")
        return _sample() if data_dir == settings.SAMPLE else Path(data_dir)
    known = catalog.find(dataset)
    if data_dir == settings.SAMPLE:
        return _sample()
    if data_dir is None:
        home = settings.data_folder()
        if not (home / known.top_folder).is_dir():
            print(f"{known.name} is not in {home}: fetching it with TensorFlow Datasets ({known.images:,} images)")
            return flowers.fetch(home)
        return home / known.top_folder
    given = Path(data_dir)
    if not given.is_dir():
        raise ValueError(f"no folder at {given}; pass the folder that the official archive was unpacked in")
    if (given / known.top_folder).is_dir():
        return given / known.top_folder
    if any((given / name).is_dir() for name in known.classes):
        return given
    raise ValueError(
        f"{given} holds neither {known.top_folder}/ nor class folders such as {known.classes[0]}/; "
        "pass the folder that the official archive was unpacked in"
    )


def load(dataset: str, data_dir: Path | str | None) -> folder.ImageFolder:
    """Locate a data set and read its images; what was left out is printed and kept in `skipped`.

    Raises:
        ValueError: as `locate` and `folder.scan`.
    """
    allowed = None if dataset == "custom" else catalog.find(dataset).classes
    images = folder.scan(locate(dataset, data_dir), allowed)
    if images.skipped:
        shown = "; ".join(f"{name}: {reason}" for name, reason in images.skipped[:5])
        more = f" and {len(images.skipped) - 5} more" if len(images.skipped) > 5 else ""
        print(f"left out {len(images.skipped)} of {len(images) + len(images.skipped)} files: {shown}{more}")
    return images


def has_all_classes(dataset: str, classes: tuple[str, ...]) -> bool:
    """Whether these are the classes of a data set of the catalog, all of them."""
    return dataset in catalog.CATALOG and tuple(classes) == catalog.CATALOG[dataset].classes


def _sample() -> Path:
    place = settings.sample_folder()
    if not (place / "flower_photos").is_dir():
        # An installed package carries no pictures; drawing them again gives the same ones.
        from mbhelpers.data import sample

        print(f"drawing the sample into {place}")
        sample.write_sample(place)
    return place / "flower_photos"
