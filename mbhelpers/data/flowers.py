"""Flowers from TensorFlow Datasets, written out in the official archive's folder layout."""

import hashlib
from pathlib import Path

from tqdm import tqdm

from mbhelpers.data.catalog import CATALOG
from mbhelpers.files import replacing
from mbhelpers.native import load_tensorflow


def fetch(folder: Path) -> Path:
    """Download flowers through TFDS (its checksum is verified) into `folder/flower_photos/<class>/*.jpg`.

    The JPEG bytes are kept as they are, so that content hashes, and with them splits, agree with those of the
    unpacked archive. Nothing is left under the final name unless all of it arrived.

    Raises:
        ValueError: the download failed; the message says how to place the archive by hand.

    Source: https://www.tensorflow.org/datasets/catalog/tf_flowers
    """
    load_tensorflow()
    import tensorflow_datasets as tfds

    dataset = CATALOG["flowers"]
    target = folder / dataset.top_folder
    if target.is_dir():
        return target
    try:
        builder = tfds.builder(dataset.tfds, data_dir=str(folder / "tfds"))
        builder.download_and_prepare()
    except Exception as error:  # TFDS raises whatever its transport raised
        raise ValueError(
            f"downloading {dataset.tfds} failed ({type(error).__name__}: {str(error)[:200]}); check the network, "
            f"or unpack flower_photos.tgz into {folder}, or pass --data with the folder that holds it"
        ) from error
    # SkipDecoding hands over the stored JPEG bytes.
    records = builder.as_dataset(split="train", decoders={"image": tfds.decode.SkipDecoding()})
    names = builder.info.features["label"].names
    with replacing(target) as temporary:
        for record in tqdm(records.as_numpy_iterator(), f"writing {target}", unit="img", disable=None):
            content = record["image"]
            stem = temporary / names[record["label"]] / hashlib.sha256(content).hexdigest()[:16]
            stem.parent.mkdir(parents=True, exist_ok=True)
            # The archive has copies; they stay, so that the data's fingerprint is the unpacked archive's.
            place = stem.with_suffix(".jpg")
            while place.exists():
                place = place.with_stem(f"{place.stem}_")
            place.write_bytes(content)
    return target
