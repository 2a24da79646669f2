"""`infer.py` of a classifier: the likeliest classes of pictures."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from mbhelpers.deployment.export.script import Deployed, run
from mbhelpers.inference.raw import as_scores


def classify(deployed: Deployed, image: Path | str, top: int = 5) -> dict[str, Any]:
    """The likeliest classes of a picture file: class, index and score; of equal scores the lower index comes first."""
    [(_, values)], _ = deployed(image)
    scores = as_scores(values.reshape(1, -1))[0]
    if not np.isfinite(scores).all():
        raise ValueError("the model gives scores that are not finite; train or convert it again")
    best = np.argsort(-scores, kind="stable")[:top]
    guesses = [{"class": deployed.labels[k], "index": int(k), "score": float(scores[k])} for k in best]
    return {"image": str(image), "top": guesses}


def tell(result: dict[str, Any]) -> list[str]:
    """An answer in lines: percent, or numbers as they are where the model gives no shares."""
    shares = all(0 <= guess["score"] <= 1 for guess in result["top"])
    lines = [f"\n{result['image']}"]
    for guess in result["top"]:
        score = f"{100 * guess['score']:7.2f} %" if shares else f"{guess['score']:9.3f}"
        lines.append(f"{score}  {guess['class']} ({guess['index']})")
    return lines


def main(model: dict[str, Any], folder: Path) -> int:
    """The command line; see `run`."""
    parser = argparse.ArgumentParser(description="Name what is in pictures: the likeliest classes with their scores.")
    parser.add_argument("--top", type=int, default=5, help="how many classes to name (default 5)")

    def answer(deployed: Deployed, image: str, options: argparse.Namespace) -> dict[str, Any]:
        if options.top < 1:
            raise ValueError(f"--top must be 1 or more, not {options.top}")
        return classify(deployed, image, options.top)

    return run(model, folder, parser, answer, tell)
