"""What a card says of a run's accuracy: its table, and what int8 costs in words."""

from typing import Any

FILES = {"float": "model.keras", "float_tflite": "model_float.tflite", "int8": "model_int8.tflite"}
"""The files that a run measures, in the order of the table."""

PUBLISHED = {
    "classifier": "Published figures are the authors' own, on a validation split that also picked their checkpoint; "
    "ours are measured on a test part that nothing was selected on.",
    "detector": "The published figure is the authors' own, on other images, by the same protocol but for a pixel that "
    "they add to every box; ours is measured on a test part that nothing was selected on.",
}
"""What must be known before a published figure is compared with ours."""

FEW = 20
"""Images below which an interval that comes from drawing them again is not to be trusted."""


def summary_table(metrics: dict[str, Any]) -> list[dict[str, str]]:
    """A card's table, ready to print: float in Keras and in LiteRT, and int8.

    Args:
        metrics: what `stages.evaluate` gives.

    Returns:
        Lines with the columns model, top-1 (of a detector AP), 95 % interval, n, published, file, size.
    """
    lines = []
    measure = measure_of(metrics)
    for kind, file in FILES.items():
        result = metrics[kind]
        low, high = (f"{100 * bound:.1f}" for bound in result["interval"])
        value = metrics["published"].get(kind)
        lines.append(
            {
                "model": kind.replace("_tflite", " in LiteRT"),
                measure: f"{100 * result['ap' if measure == 'AP' else 'top1']:.1f} %",
                "95 % interval": f"{low} to {high} %",
                "n": str(result["n"]),
                "published": f"{value:.1f} %" if value is not None else "-",
                "file": file,
                "size": f"{metrics['sizes'][file] / 1024:,.0f} KiB",
            }
        )
    return lines


def measure_of(metrics: dict[str, Any]) -> str:
    """What the figures of a run are: "top-1" of a classifier, "AP" of a detector."""
    return "AP" if "ap" in metrics["int8"] else "top-1"


def paired_sentence(metrics: dict[str, Any]) -> str:
    """What int8 costs, in words that claim no more than the images show."""
    pair = metrics["paired"]
    tested = "mcnemar_p" in pair  # of classifiers; AP has no such test
    if not tested and pair["n"] < FEW:
        verdict = "drawing so few images again says next to nothing"
    elif pair["inside_noise"]:
        verdict = "the interval holds zero: on these images the two can't be told apart"
    elif not tested or pair["mcnemar_p"] < 0.05:
        verdict = "the interval leaves out zero: more than chance would usually make it"
    else:
        verdict = "the interval just leaves out zero, the test does not: borderline"
    low, high = (100 * bound for bound in pair["interval"])
    told = f"95 % interval {low:+.1f} to {high:+.1f}"
    if tested:
        p = f"= {pair['mcnemar_p']:.2f}" if pair["mcnemar_p"] >= 0.01 else "< 0.01"
        told += f"; {pair['only_first']} images only float got right, {pair['only_second']} only int8; McNemar p {p}"
    points = f"{100 * pair['difference']:+.1f} points{'' if tested else ' of AP'}"
    return f"int8 minus float on the same {pair['n']} images: {points} ({told}); {verdict}."
