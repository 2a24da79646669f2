"""TF1 checkpoints of TF-slim's MobileNets, converted to Keras.

The networks are the same, layer by layer, under other names: slim's `MobilenetV2/expanded_conv_3/project/weights` is
Keras' `block_3_project/kernel`. Strided convolutions agree too: slim pads as TensorFlow's "SAME" does, and the explicit
padding of Keras Applications comes to the same at every input size.

Source: https://github.com/tensorflow/models/tree/master/research/slim/nets/mobilenet
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mbhelpers.files import is_lfs_pointer
from mbhelpers.models.families import NETWORK, build_imagenet
from mbhelpers.models.weights import ARCHITECTURES, check_architecture
from mbhelpers.native import load_tensorflow
from mbhelpers.preprocessing import Preprocessing, preset

if TYPE_CHECKING:
    import keras

EMA = "ExponentialMovingAverage"

_SCOPES = {"MobilenetV2": "mobilenet_v2", "MobilenetV3": "mobilenet_v3", "MobilenetEdgeTPU": "mobilenet_edgetpu"}

_LOGITS = "Logits/Conv2d_1c_1x1"

_VARIABLES = {
    "kernel": "weights",
    "bias": "biases",
    "gamma": "gamma",
    "beta": "beta",
    "moving_mean": "moving_mean",
    "moving_variance": "moving_variance",
}
"""Keras' names of a layer's variables, and slim's."""

_SLOTS = ("RMSProp", "RMSProp_1", "Momentum", "Adam", "Adam_1")
_STEPS = ("global_step", "beta1_power", "beta2_power")


@dataclass(frozen=True)
class Report:
    """What became of each variable of a checkpoint; whatever has no place in Keras is an error instead.

    Attributes:
        mapped: (variable, Keras weight) pairs, in the order of the network.
        averaged: how many of them came as their moving average.
        passed_over: variables that hold no weight, such as `global_step`, and those that their average replaces.
        dropped: what was cut off of a weight.
        parameters: numbers that went into the model.
    """

    mapped: tuple[tuple[str, str], ...]
    averaged: int
    passed_over: tuple[str, ...]
    dropped: tuple[str, ...]
    parameters: int

    def lines(self) -> list[str]:
        """The report in sentences."""
        told = [
            f"mapped {len(self.mapped)} variables, {self.parameters:,} parameters; "
            f"{self.averaged} of them as moving averages"
        ]
        if self.passed_over:
            kinds = sorted({_kind(name) for name in self.passed_over})
            told.append(f"passed over {len(self.passed_over)} that the network doesn't need: {', '.join(kinds)}")
        return told + [f"dropped: {line}" for line in self.dropped]


def read_checkpoint(
    path: Path | str,
    *,
    architecture: str | None = None,
    alpha: float | None = None,
    resolution: int = 224,
    classes: int = 1000,
    preprocessing: Preprocessing | None = None,
) -> tuple["keras.Model", Report]:
    """Convert a checkpoint.

    Args:
        path: the prefix that the checkpoint was saved under, one of its files, or a folder that holds one checkpoint.
        architecture: a name from `mbhelpers.models.weights.ARCHITECTURES`; by default what the variables say.
        alpha: width multiplier; likewise.
        resolution: input height and width of the model, in pixels; the variables fit any.
        classes: 1000 drops slim's first output, "background"; 1001 keeps it.
        preprocessing: value range built into the model; by default that of preset "slim", pixel / 127.5 - 1.

    Returns:
        A model as `families.build_imagenet` builds it, and what was mapped. Where a moving average of a variable is
        there, it is taken: slim's published accuracies are those of the averages.

    Raises:
        ValueError: no checkpoint, one of another network, or a variable that is missing, left over or of another
            shape; each is named.
    """
    reader, place = _open(path)
    shapes = {name: tuple(shape) for name, shape in reader.get_variable_to_shape_map().items()}
    scope = _scope(shapes, place)
    recognised = _recognise(shapes, scope, place)
    architecture = architecture or recognised[0]
    alpha = recognised[1] if alpha is None else alpha
    check_architecture(architecture, alpha)
    if (architecture, float(alpha)) != recognised:
        raise ValueError(f"{place} holds a {recognised[0]} {recognised[1]}, not a {architecture} {alpha}; ask for that")
    preprocessing = preprocessing or preset("slim", resolution)
    model = build_imagenet(architecture, alpha, resolution, "none", classes, preprocessing=preprocessing)
    return model, _fill(model.get_layer(NETWORK), reader, shapes, scope, place)


def is_checkpoint(path: Path | str) -> bool:
    """Whether `read_checkpoint` would find a checkpoint there, by the names of files."""
    return bool(_prefixes(Path(path)))


def scope_of(layer: str, scope: str) -> str:
    """Slim's name of a layer.

    Args:
        layer: Keras' name, such as "block_3_project_BN".
        scope: "MobilenetV2", "MobilenetV3" or "MobilenetEdgeTPU".

    Returns:
        Such as "MobilenetV2/expanded_conv_3/project/BatchNorm".
    """
    known = {"Conv1": "Conv", "bn_Conv1": "Conv/BatchNorm", "Conv_1": "Conv_1", "Conv_1_bn": "Conv_1/BatchNorm"}
    known |= {"predictions": _LOGITS, "logits": _LOGITS}
    if layer in known:
        return f"{scope}/{known[layer]}"
    norm = "/BatchNorm" if layer.lower().endswith("_bn") else ""
    stem = layer[:-3] if norm else layer
    if re.fullmatch(r"conv(_\d)?", stem):
        return f"{scope}/{stem.capitalize()}{norm}"
    match = re.fullmatch(
        r"(?:block|expanded_conv)(_\d+)?_(expand|depthwise|project|squeeze_excite)(?:_(conv\w*))?", stem
    )
    if match is None:
        raise ValueError(f"layer {layer!r} is of no MobileNet that slim publishes")
    inner = f"/{match[3].capitalize()}" if match[3] else ""
    return f"{scope}/expanded_conv{match[1] or ''}/{match[2]}{inner}{norm}"


def _prefixes(path: Path) -> list[Path]:
    """Prefixes of the checkpoints that a path may mean."""
    if path.is_dir():
        return sorted(f.with_suffix("") for f in path.glob("*.index"))
    if path.suffix in (".index", ".meta") or path.suffix.startswith(".data-"):
        path = path.with_suffix("")
    return [path] if path.with_name(path.name + ".index").is_file() else []


def _open(path: Path | str) -> tuple[Any, Path]:
    """A reader and the prefix that it reads.

    Raises:
        ValueError: there is none, there are several, or it is damaged.
    """
    found = _prefixes(Path(path))
    if not found:
        raise ValueError(f"no TF1 checkpoint at {path}; pass the prefix of its .index and .data files, or their folder")
    if len(found) > 1:
        raise ValueError(f"{path} has {len(found)} checkpoints, {', '.join(f.name for f in found)}; pass one of them")
    load_tensorflow()
    import tensorflow as tf

    prefix = found[0]
    for file in prefix.parent.glob(f"{prefix.name}.*"):
        if is_lfs_pointer(file):
            raise ValueError(f"{file} is a Git LFS pointer, not the file; run `git lfs pull`")
    try:
        return tf.train.load_checkpoint(str(prefix)), prefix
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"{prefix} cannot be read as a checkpoint ({str(error).splitlines()[0][:160]}); unpack the archive again"
        ) from error


def _scope(shapes: dict[str, tuple[int, ...]], place: Path) -> str:
    scopes = sorted({name.split("/")[0] for name in shapes} & set(_SCOPES))
    if len(scopes) != 1:
        roots = sorted({name.split("/")[0] for name in shapes})[:8]
        raise ValueError(
            f"{place} has variables under {', '.join(roots)}; expected one of {', '.join(_SCOPES)}, "
            "as TF-slim's MobileNets have"
        )
    return scopes[0]


def _recognise(shapes: dict[str, tuple[int, ...]], scope: str, place: Path) -> tuple[str, float]:
    """Architecture and width, by the shapes of a few variables."""

    def shape(name: str) -> tuple[int, ...]:
        if f"{scope}/{name}" not in shapes:
            raise ValueError(f"{place} lacks {scope}/{name}; it is not a whole checkpoint of a {scope}")
        return shapes[f"{scope}/{name}"]

    name, block = _SCOPES[scope], 16
    if scope == "MobilenetV2":
        widths = {112: 0.35, 160: 0.5, 240: 0.75, 320: 1.0, 416: 1.3, 448: 1.4}
    elif scope == "MobilenetEdgeTPU":
        block, widths = 21, {192: 1.0, 144: 0.75}
    else:
        large = f"{scope}/expanded_conv_14/project/weights" in shapes
        plain = not any("squeeze_excite" in variable for variable in shapes)
        name += f"_{'large' if large else 'small'}{'_minimalistic' if plain else ''}"
        block, widths = (14, {160: 1.0, 120: 0.75}) if large else (10, {96: 1.0, 72: 0.75})
    last = shape(f"expanded_conv_{block}/project/weights")[-1]
    if last not in widths:
        raise ValueError(
            f"{place} is a {name} with {last} channels after its last block, which no published width has; those "
            f"of {', '.join(map(str, ARCHITECTURES[name]))} can be converted"
        )
    return name, widths[last]


def _fill(network: "keras.Model", reader: Any, shapes: dict[str, tuple[int, ...]], scope: str, place: Path) -> Report:
    """Load every weight of a network; nothing is assigned before all of them are found.

    Raises:
        ValueError: variables are missing, left over or of another shape.
    """
    mapped, content, dropped, missing = [], [], [], []
    for layer in network.layers:
        for weight in layer.weights:
            kind = weight.path.rsplit("/", 1)[-1]
            depthwise = kind == "kernel" and type(layer).__name__ == "DepthwiseConv2D"
            name = f"{scope_of(layer.name, scope)}/{'depthwise_weights' if depthwise else _VARIABLES[kind]}"
            source = f"{name}/{EMA}" if f"{name}/{EMA}" in shapes else name
            if source not in shapes:
                missing.append(name)
                continue
            value, cut = _fit(_read(reader, source, place), tuple(weight.shape), source, place)
            mapped.append((source, weight.path))
            content.append((weight, value))
            dropped += cut
    used = {source for source, _ in mapped} | {source.removesuffix(f"/{EMA}") for source, _ in mapped}
    others = sorted(set(shapes) - used)
    strange = [name for name in others if not _no_weight(name, used)]
    if missing or strange:
        raise ValueError(
            f"{place} is not the checkpoint of a whole {network.count_params():,}-parameter {scope}: "
            + "; ".join(
                f"{what} {len(names)}: {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"
                for what, names in (("missing", missing), ("left over", strange))
                if names
            )
            + "; pass a checkpoint of slim's own training"
        )
    for weight, value in content:
        weight.assign(value)
    replaced = [name.removesuffix(f"/{EMA}") for name, _ in mapped if name.endswith(f"/{EMA}")]
    return Report(
        mapped=tuple(mapped),
        averaged=len(replaced),
        passed_over=tuple(sorted(others + [name for name in replaced if name in shapes])),
        dropped=tuple(dropped),
        parameters=sum(value.size for _, value in content),
    )


def _read(reader: Any, name: str, place: Path) -> np.ndarray:
    try:
        return np.asarray(reader.get_tensor(name))
    except Exception as error:  # the reader raises IndexError of a file cut short, and errors of its own
        raise ValueError(
            f"{place}: {name} cannot be read ({str(error).splitlines()[0][:160]}); unpack the archive again"
        ) from error


def _fit(value: np.ndarray, shape: tuple[int, ...], name: str, place: Path) -> tuple[np.ndarray, list[str]]:
    """A variable in the shape of a Keras weight; without "background" where the model has 1000 outputs."""
    dropped = []
    if _LOGITS in name:
        if value.shape[-1] == shape[-1] + 1:
            value, dropped = value[..., 1:], [f'output 0 of {name}, slim\'s "background"']
        if value.ndim == 4 and len(shape) == 2:  # MobileNetV2's last layer: a 1 x 1 convolution there, dense here
            value = value[0, 0]
    if value.shape != shape:
        raise ValueError(
            f"{place}: {name} has shape {value.shape}, the model needs {shape}; "
            + ("pass the right number of classes" if _LOGITS in name else "is it of another architecture or width?")
        )
    if not np.isfinite(value).all():
        raise ValueError(f"{place}: {name} holds numbers that are not finite; unpack the archive again")
    return value, dropped


def _no_weight(name: str, used: set[str]) -> bool:
    """Whether a variable is of the training: a counter, an optimizer's slot, or an average of its own."""
    owner, _, last = name.rpartition("/")
    return last in _STEPS or (last in (*_SLOTS, EMA) and (owner in used or owner.removesuffix(f"/{EMA}") in used))


def _kind(name: str) -> str:
    last = name.rsplit("/", 1)[-1]
    return {EMA: "moving averages", **dict.fromkeys(_SLOTS, "optimizer slots")}.get(
        last, last if last in _STEPS else "variables that their moving average replaces"
    )
