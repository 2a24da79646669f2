"""A data set from its official archives: downloaded, verified, unpacked."""

from pathlib import Path, PurePosixPath

from mbhelpers.data.catalog import Archive, Dataset
from mbhelpers.data.download import download, part_of
from mbhelpers.data.transfer import in_words, need_room, writing
from mbhelpers.data.unpack import unpack
from mbhelpers.files import locked


def form_of(dataset: Dataset, form: str | None) -> str:
    """The form that was asked for, or the first one.

    Raises:
        ValueError: the data set has no such form; the message lists those it has.
    """
    if form is not None and form not in dataset.forms:
        raise ValueError(f"{dataset.name} has no form {form!r}; choose from {', '.join(dataset.forms)}")
    return form or next(iter(dataset.forms))


def top_folder(dataset: Dataset, form: str | None = None) -> str:
    """The name of the folder that a form of a data set is loaded from."""
    return PurePosixPath(dataset.forms[form_of(dataset, form)][0].gives).parts[0]


def missing(dataset: Dataset, folder: Path, *, form: str | None = None) -> tuple[Archive, ...]:
    """The archives of a form whose folders are not in `folder` yet."""
    form = form_of(dataset, form)
    return tuple(archive for archive in dataset.forms[form] if not _is_there(archive, folder, form))


def _is_there(archive: Archive, folder: Path, form: str) -> bool:
    place = folder / archive.gives
    if place.name == "annotations":  # COCO's years share the folder
        return all((place / f"instances_{part}{form}.json").is_file() for part in ("train", "val"))
    return place.is_dir()


def fetch(dataset: Dataset, folder: Path, *, form: str | None = None) -> Path:
    """Download, verify and unpack the official archives of a data set; skip what is there already.

    Archives are downloaded into `folder/downloads`; one that lies there is verified and used. Each is removed as soon
    as it is unpacked, since pictures take as much room again.

    Args:
        dataset: of the catalog, or of `imagenet_sets`.
        folder: that gets the official top folder.
        form: which of the data set's forms; None is the first.

    Returns:
        The official top folder.

    Raises:
        ValueError: no such form, no network, no room, a wrong checksum, or an archive that is not what it should be.
    """
    form = form_of(dataset, form)
    downloads = folder / "downloads"
    if missing(dataset, folder, form=form):
        with writing(downloads), locked(downloads):
            archives = missing(dataset, folder, form=form)  # again: another process may have fetched them meanwhile
            if by_hand := next((archive for archive in archives if archive.by_hand), None):
                raise ValueError(
                    f"{by_hand.file} is given to those who register: get it from {by_hand.url}, then go on with "
                    f"--via tfds, or unpack it into {folder / by_hand.gives} with its list of labels beside it"
                )
            _need_room_for(archives, folder, downloads)
            for archive in archives:
                size = in_words(archive.size) if archive.size else "size unknown"
                print(
                    f"{dataset.name}: {archive.gives} is not in {folder}; fetching {archive.file} ({size})", flush=True
                )
                path = download(archive, downloads)
                unpack(path, folder / archive.into, PurePosixPath(archive.gives).name)
                path.unlink()
    return folder / top_folder(dataset, form)


def _need_room_for(archives: tuple[Archive, ...], folder: Path, downloads: Path) -> None:
    """Say it before hours of download: all archives unpacked, at least their own size, and the largest beside them."""
    finals = [downloads / archive.file for archive in archives]
    have = sum(path.stat().st_size for final in finals for path in (final, part_of(final)) if path.is_file())
    size = sum(archive.size for archive in archives) + max((archive.size for archive in archives), default=0)
    need_room(folder, size - have, " and ".join(archive.file for archive in archives))
