"""What is told of training beside its figures: recipes next to each other, and what long runs have measured."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mbhelpers.files import read_json
from mbhelpers.rows import Row, published
from mbhelpers.training.published_recipes import published_recipe, run_recipe
from mbhelpers.training.recipes import Recipe

if TYPE_CHECKING:
    import pandas as pd

_COUNTS_WITH = {
    "descent": ("schedule", ("cosine",)),
    "hold": ("schedule", ("cosine",)),
    "end_rate": ("schedule", ("cosine",)),
    "factor": ("schedule", ("plateau", "exponential")),
    "every": ("schedule", ("plateau", "exponential")),
    "momentum": ("optimizer", ("sgd", "rmsprop")),
    "decay": ("optimizer", ("rmsprop",)),
    "epsilon": ("optimizer", ("adam", "adamw", "rmsprop")),
    "patience": ("monitor", ("val_loss", "val_accuracy")),
}
"""Fields that count for some values of another field only."""


def measured(path: Path) -> dict[str, Any]:
    """The results of a long run, from a file of the repository; empty, saying so, where the file is not there."""
    if path.is_file():
        return read_json(path)
    print(f"{path.name} is not here: a checkout of the repository has the long runs' results, an installed package not")
    return {}


def recipes_beside(row: Row) -> dict[str, Recipe]:
    """Our recipe for a row, and the one that its authors published, if they did."""
    found = {"ours": run_recipe(row, "ours")}
    try:
        return found | {"ST": published_recipe(row, "st")}
    except ValueError:
        return found


def differences(recipes: Mapping[str, Recipe | dict[str, Any]]) -> "pd.DataFrame":
    """The fields in which recipes differ, a line a field, a column a recipe.

    A field that counts for nothing in a recipe, such as the factor of a plateau where the rate follows a cosine, is
    left empty there.

    Args:
        recipes: name to a recipe, or to what its `to_json` gives.
    """
    import pandas as pd

    columns = {name: _flat(recipe if isinstance(recipe, dict) else asdict(recipe)) for name, recipe in recipes.items()}
    table = pd.DataFrame(columns).fillna("").astype(str)
    return table[table.nunique(axis=1) > 1].rename_axis("field")


def _flat(recipe: dict[str, Any]) -> dict[str, Any]:
    """One level, and nothing in fields that don't count."""
    found = {key: value for key, value in recipe.items() if key != "augmentation"}
    for key, (other, values) in _COUNTS_WITH.items():
        if found.get(other) not in values or not found.get(key):
            found[key] = ""
    if not found.get("teacher"):
        found["temperature"] = ""
    return found | {f"augmentation: {key}": value for key, value in recipe["augmentation"].items()}


def verdicts(candidates: dict[str, Any]) -> list[str]:
    """One sentence a candidate: on which probes it differs from the first by more than chance.

    Args:
        candidates: of one variant, from `results/flowers/recipes.json`.
    """
    found = []
    for name, entry in candidates.items():
        probes = {probe: entry[probe].get("against_first") for probe in ("plain", "shifted")}
        if None in probes.values():
            continue
        clear = [
            f"{100 * pair['difference']:+.1f} points on the {probe} pictures"
            for probe, pair in probes.items()
            if not pair["inside_noise"]
        ]
        told = " and ".join(clear) or "cannot be told from the first on this many pictures"
        found.append(f"{name} (n = {entry['plain']['n']:,}): {told}")
    return found


def step_sentences(result: dict[str, Any]) -> list[str]:
    """What bounds a training step, in words.

    Args:
        result: the content of `benchmarks/results/training_step.json`, or nothing.
    """
    if not result:
        return []
    rates, bound, model = result["images_per_second"], result["bound"], result["model"]
    keras, ours = rates["keras"]["best"], rates["ours"]["best"]
    return [
        f"MobileNetV2 {model['alpha']} at {model['side']} px, {model['batch']} pictures a step, on "
        f"{result['machine']['cores']} cores: {keras:.0f} pictures a second in plain Keras, {ours:.0f} here, "
        f"{ours / keras:.1f} times as many.",
        f"A step moves {bound['step_gigabytes']:.1f} GB between memory and cores, "
        f"{bound['step_gigabytes_per_second']:.1f} GB a second; copying arrays, the machine manages "
        f"{bound['copy_gigabytes_per_second']:.1f}.",
        f"Its arithmetic runs at {bound['step_gigaflops']:.0f} of the {bound['matrix_gigaflops']:.0f} billion "
        "operations a second that a product of large matrices reaches.",
    ]


def transfer_sentences(result: dict[str, Any]) -> list[str]:
    """What transfer learning takes and gives in both ways, in words.

    Args:
        result: the content of `benchmarks/results/transfer_learning.json`, or nothing.
    """
    if not result:
        return []
    keras, ours = result["summary"]["keras"], result["summary"]["ours"]
    pairs = [f"{times:.1f}" for times in sorted(result["summary"]["times_as_fast_by_pairs"])]
    images, runs = result["data"]["images"], result["trainings"]
    return [
        f"{result['recipe']['epochs']} epochs over {images['train']:,} pictures: {keras['seconds']:.0f} s in plain "
        f"Keras, {ours['seconds']:.0f} s here with {result['recipe']['passes']} augmented passes, "
        f"{' to '.join(dict.fromkeys((pairs[0], pairs[-1])))} times as fast side by side.",
        f"On {images['validation']} validation pictures, mean accuracy after the last epoch: Keras "
        f"{100 * keras['accuracy_last_epoch']:.1f} % (runs: {len(runs['keras'])}), here "
        f"{100 * ours['accuracy_last_epoch']:.1f} % (runs: {len(runs['ours'])}).",
    ]


def results_table(folder: Path) -> "pd.DataFrame":
    """The trained rows of classifiers that lie below a folder, each measured on its own test part.

    Args:
        folder: such as `results/flowers`, or `results`; every `<data set>/<row>/metrics.json` below it is a row.

    Returns:
        row, float and int8 (top-1 in percent), n (test images), interval (95 %, of int8), published (int8, in
        percent, of the whole data set; empty where nothing is). Where no row is there yet it says so, and has no lines.
    """
    import pandas as pd

    lines = []
    for path in sorted(folder.rglob("metrics.json")):
        metrics = read_json(path)
        if "top1" not in metrics["int8"]:  # a detector's
            continue
        low, high = (100 * bound for bound in metrics["int8"]["interval"])
        lines.append(
            {
                "row": "/".join(path.parts[-3:-1]),
                "float": f"{100 * metrics['float']['top1']:.1f}",
                "int8": f"{100 * metrics['int8']['top1']:.1f}",
                "n": metrics["int8"]["n"],
                "interval": f"{low:.1f} to {high:.1f}",
                "published": f"{value:.1f}" if (value := published(Row.parse(metrics["row"])).get("int8")) else "",
            }
        )
    if not lines:
        print(f"no trained rows in {folder.parent.name}/{folder.name} here")
    return pd.DataFrame(lines, columns=["row", "float", "int8", "n", "interval", "published"])
