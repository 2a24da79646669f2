"""An ImageNet classifier from whatever its weights are in, and images to try it on."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mbhelpers import settings
from mbhelpers.data import sample
from mbhelpers.data.fetch import fetch
from mbhelpers.data.imagenet import ImageNet, class_names, is_imagenet, read_imagenet
from mbhelpers.data.imagenet_sets import SETS
from mbhelpers.inference.predictor import Predictor
from mbhelpers.models.dequantize import read_tflite
from mbhelpers.models.families import IMAGENET_CLASSES, build_imagenet
from mbhelpers.models.load import load_keras
from mbhelpers.models.slim import is_checkpoint, read_checkpoint
from mbhelpers.models.weights import SAMPLE_ALPHA, SAMPLE_ARCHITECTURE, find_weights
from mbhelpers.preprocessing import preset as contract_of
from mbhelpers.records import Record, read_record
from mbhelpers.runs import versions
from mbhelpers.training.sample_classifier import PICTURES, RESOLUTION, sample_classifier

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Pretrained:
    """An ImageNet classifier, opened.

    Attributes:
        model: from pixels 0..255, or, where the weights are a model of somebody else's, what that takes.
        record: names, preprocessing and origin, to convert it with.
        told: what was found, in sentences.
        predictors: of the file itself, by the name "as it came", where the model was read back from a .tflite file.
    """

    model: "keras.Model"
    record: Record
    told: tuple[str, ...]
    predictors: dict[str, Predictor] = field(default_factory=dict)


def find_images(data_dir: str | Path | None = None, smoke: bool | None = None) -> ImageNet:
    """ImageNet images with labels.

    Args:
        data_dir: a folder in any layout that `read_imagenet` takes, or one that holds it; "sample", drawn pictures;
            None, ImageNet-V2's 10,000 images, fetched into the data folder, or the drawn ones in smoke mode.
        smoke: None asks the environment.

    Raises:
        ValueError: there are no such images, or they can't be fetched.
    """
    if data_dir is None and not settings.smoke(smoke):
        return read_imagenet(fetch(SETS["imagenet_v2"], settings.data_folder()))
    drawn = data_dir in (None, settings.SAMPLE)
    if drawn or Path(str(data_dir)).resolve() == settings.sample_folder().resolve():
        return read_imagenet(sample.ensure("imagenet"))
    place = Path(str(data_dir))
    known = [archive.gives for found in SETS.values() for archives in found.forms.values() for archive in archives]
    inner = [place / name for name in (sample.TOP_FOLDERS["imagenet"], *known)]
    return read_imagenet(next((folder for folder in (place, *inner) if is_imagenet(folder)), place))


def open_classifier(
    weights: str | Path | None = None,
    *,
    folder: Path,
    architecture: str | None = None,
    alpha: float | None = None,
    resolution: int | None = None,
    preset: str | None = None,
    seed: int = settings.DEFAULT_SEED,
    smoke: bool | None = None,
) -> Pretrained:
    """Open an ImageNet classifier.

    Args:
        weights: None or "imagenet", downloaded by Keras; a folder of Keras-named files; a .h5 file, weights alone or a
            whole model (Keras 2 too); a .keras model; a TF-slim checkpoint; a .tflite file, which is read back; or
            "sample", the small classifier of drawn pictures, which None means in smoke mode.
        folder: where the sample classifier is kept.
        architecture: None is MobileNetV2, or what the weights say.
        alpha: width; None is 1.0, or what the weights say.
        resolution: in pixels; None is 224, or what the weights say, or what suits the sample.
        preset: how images are prepared, where the weights don't say; None is "nxp", which stretches the whole picture,
            for what comes from Keras, and "slim" for a checkpoint or a .tflite file.
        seed: of the sample classifier.
        smoke: None asks the environment; a sample classifier then learns from half as many pictures.

    Raises:
        ValueError: the weights are missing or broken, are no ImageNet classifier's, or say otherwise than was passed.
    """
    short = settings.smoke(smoke)
    chosen = str(weights) if weights is not None else settings.SAMPLE if short else "imagenet"
    path = Path(chosen)
    if chosen == settings.SAMPLE:
        side, pictures = resolution or RESOLUTION, PICTURES // 2 if short else PICTURES
        find_weights(chosen, alpha or SAMPLE_ALPHA, side, architecture or SAMPLE_ARCHITECTURE)  # refuses others
        return _whole(sample_classifier(folder, resolution=side, pictures=pictures, seed=seed), preset)
    if path.suffix in (".keras", ".tflite"):
        if passed := [x for x in (architecture, alpha, resolution) if x is not None]:
            raise ValueError(f"{path.name} says its architecture, width and size itself; don't pass {passed[0]}")
        return _whole(path, preset)
    if is_checkpoint(path):
        contract = contract_of(preset or "slim", resolution or 224)
        size = contract.resolution
        model, report = read_checkpoint(
            path, architecture=architecture, alpha=alpha, resolution=size, preprocessing=contract
        )
        return Pretrained(model, Record(class_names(), contract, _made(path.name)), tuple(report.lines()))
    contract = contract_of(preset or "nxp", resolution or 224)
    architecture, alpha = architecture or "mobilenet_v2", 1.0 if alpha is None else alpha
    model = build_imagenet(architecture, alpha, contract.resolution, chosen, preprocessing=contract)
    name = find_weights(chosen, alpha, contract.resolution, architecture, classifier=True).name
    return Pretrained(model, Record(class_names(), contract, _made(name)), (f"weights of {name}",))


def _whole(path: Path, preset: str | None) -> Pretrained:
    """A model file with all that it knows of itself."""
    held = read_record(path)
    default = "slim" if path.suffix == ".tflite" else "nxp"
    predictor = Predictor(path, preset=preset or (None if held else default))
    if predictor.class_count not in IMAGENET_CLASSES:
        raise ValueError(f"{path} tells {predictor.class_count} classes apart; an ImageNet classifier 1000 or 1001")
    background = ("background",) if predictor.class_count == IMAGENET_CLASSES[1] else ()
    names = predictor.classes or background + class_names()
    if path.suffix == ".tflite":
        model, record, report = read_tflite(path, preprocessing=predictor.preprocessing)
        return Pretrained(model, replace(record, classes=names), tuple(report.lines()), {"as it came": predictor})
    record = held or Record(names, predictor.preprocessing, _made(path.name))
    return Pretrained(load_keras(path), record, (f"model of {path.name}",))


def _made(name: str) -> dict[str, Any]:
    return {"start": {"name": name}, "versions": versions()}
