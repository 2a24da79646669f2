"""What the numbers about a data set say, in sentences: one a figure, and the warnings."""

from typing import Any

from mbhelpers.reporting.box_facts import INPUTS
from mbhelpers.reporting.data_facts import LONG, TINY


def find_warnings(facts: dict[str, Any]) -> list[str]:
    """What a person should know before training, the gravest first; `facts` is what `summarize` gathers."""
    said: list[str] = []
    if background := facts.get("background"):
        said += _of_background(background)
    if kinds := facts.get("classes"):
        said += _of_classes(kinds)
    if copied := facts.get("copies"):
        said += _of_copies(copied)
    if "sizes" in facts:
        said += _of_images(facts)
    if boxes := facts.get("boxes"):
        said += _of_boxes(boxes)
    return said


def _of_background(score: dict[str, Any]) -> list[str]:
    if score["interval"][0] < score["chance"] + 0.15:
        return []
    return [
        f"eight border pixels alone tell the class of {percent(score['accuracy'])} of {score['n']} images "
        f"(chance {percent(score['chance'])}): the background gives it away"
    ]


def _of_classes(kinds: dict[str, Any]) -> list[str]:
    said = []
    if kinds["few"]:
        listed = [f"{name} {count(kinds['counts'][name], 'image')}" for name in kinds["few"]]
        said.append(f"too few to learn from or to measure on: {some(listed)}")
    if kinds["ratio"] >= 5:
        said.append(f"the largest class has {kinds['ratio']:.1f} times the images of the smallest")
    if kinds["differ_in_brightness"]:
        listed = [f"{name} ({'+' if d > 0 else '-'})" for name, d in kinds["differ_in_brightness"].items()]
        said.append(f"darker (-) or brighter (+) than the other classes, which a network may learn: {some(listed)}")
    return said


def _of_copies(copied: dict[str, Any]) -> list[str]:
    said = []
    if copied["across_classes"]:
        groups, exact = len(copied["across_classes"]), copied["across_classes_exact"]
        said.append(
            f"{count(groups, 'group')} of pictures that look the same have different labels, "
            f"{exact or 'none'} of them byte for byte; look whether one is wrong or they are only alike, "
            f"such as {' and '.join(copied['across_classes'][0][:2])}"
        )
    if copied["across_parts"]:
        said.append(
            f"{count(copied['across_parts'], 'group')} of copies on both sides of the split: the test part leaks"
        )
    return said


def _of_images(facts: dict[str, Any]) -> list[str]:
    said, sizes, shine = [], facts["sizes"], facts["brightness"]
    if facts["skipped"]:
        listed = [f"{entry['file']} ({entry['reason']})" for entry in facts["skipped"]]
        said.append(f"{count(len(listed), 'file')} left out: {some(listed, 2)}")
    if facts["tiny"]:
        listed = [f"{entry['file']} ({entry['width']} x {entry['height']})" for entry in facts["tiny"]]
        said.append(f"{count(len(listed), 'image')} with a side below {TINY} px: {some(listed, 2)}")
    if sizes["far_from_square"] >= 0.02:
        said.append(
            f"{percent(sizes['far_from_square'])} of the images are {LONG:g} times as long as wide, or more: "
            "stretched to a square they lose their shape; crop or pad"
        )
    for key, word in (("too_dark", "dark"), ("too_bright", "bright")):
        if shine[key] >= 0.02:
            said.append(f"{percent(shine[key])} of the images are very {word}")
    return said


def _of_boxes(boxes: dict[str, Any]) -> list[str]:
    said = []
    if boxes["without_boxes"]:
        said.append(f"no box of {count(len(boxes['without_boxes']), 'categor')}: {some(boxes['without_boxes'])}")
    if boxes["few"]:
        listed = [f"{name} {count(boxes['categories'][name], 'box')}" for name in boxes["few"]]
        said.append(f"too few boxes to learn from or to measure on: {some(listed)}")
    if boxes["problems"]["count"]:
        first = boxes["problems"]["first"][0]
        number = count(boxes["problems"]["count"], "problem")
        said.append(f"{number} in the annotations, such as {first['where']}: {first['why']}")
    if (lost := boxes["below"][str(INPUTS[0])]["8"]) >= 0.1:
        said.append(f"{percent(lost)} of the boxes are under 8 px at an input of {INPUTS[0]} px")
    return said


def percent(share: float) -> str:
    """A share 0..1 in percent, with a digit after the point where it is small."""
    value = 100 * share
    return f"{value:.0f} %" if value >= 9.95 or value == 0 else f"{value:.1f} %" if value >= 0.05 else "under 0.1 %"


def count(n: int, thing: str) -> str:
    """A number with its noun: "1 image", "3,000 images", "2 boxes", "2 categories" (from "categor")."""
    one, many = {"categor": ("category", "categories"), "box": ("box", "boxes"), "class": ("class", "classes")}.get(
        thing, (thing, f"{thing}s")
    )
    return f"{n:,} {one if n == 1 else many}"


def some(listed: list[str], most: int = 5) -> str:
    """The first few of a list, and how many more there are."""
    more = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {more} more" if more > 0 else "")


def of_balance(counts: dict[str, int], thing: str = "image") -> str:
    """What the balance of classes or categories is."""
    order = sorted(counts, key=lambda name: counts[name])
    low, high, total = order[0], order[-1], sum(counts.values())
    kinds = count(len(counts), "class") if thing == "image" else count(len(counts), "categor")
    if counts[low] == counts[high]:
        return f"{count(total, thing)} of {kinds}, {counts[low]:,} of each."
    return (
        f"{count(total, thing)} of {kinds}, from {counts[low]:,} of {low} to {counts[high]:,} of {high}, which alone "
        f"has {percent(counts[high] / total)} of them."
    )


def of_split(counts: dict[str, dict[str, int]]) -> str:
    """How many images each part has, and what the smallest class can be measured on."""
    totals = ", ".join(f"{sum(numbers.values()):,} in {part}" for part, numbers in counts.items())
    low = min(counts["test"], key=lambda name: counts["test"][name])
    return f"{totals}. The recall of {low} will be measured on {count(counts['test'][low], 'test image')}."


def of_sizes(sizes: dict[str, Any], n: int) -> str:
    """How large the images are, and what a square does to them."""
    width, height = sizes["smallest"]
    if sizes["different"] == 1:
        return f"All {count(n, 'image')} are {width} x {height}."
    return (
        f"{sizes['different']:,} sizes, from {width} x {height} to {sizes['largest'][0]} x {sizes['largest'][1]}; the "
        f"median picture is {sizes['median'][0]} x {sizes['median'][1]}. {percent(sizes['square'])} are square, "
        f"{percent(sizes['far_from_square'])} at least {LONG:g} times as long as wide."
    )


def of_modes(modes: dict[str, int]) -> str:
    """How colours are stored."""
    if list(modes) == ["RGB"]:
        return "All are RGB."
    return ", ".join(f"{mode} {n:,}" for mode, n in modes.items()) + "; all become RGB when read."


def of_brightness(facts: dict[str, Any]) -> str:
    """How bright the pictures are, and whether brightness tells the class."""
    shine, kinds = facts["brightness"], facts["classes"]
    means = sorted(kinds["brightness"].items(), key=lambda entry: entry[1])
    said = (
        f"The mean grey level is {shine['mean']:.0f} of 255; class means go from {means[0][1]:.0f} ({means[0][0]}) to "
        f"{means[-1][1]:.0f} ({means[-1][0]}). {percent(shine['too_dark'])} of the pictures lie in the dark band, "
        f"{percent(shine['too_bright'])} in the bright one. "
    )
    if differ := kinds["differ_in_brightness"]:
        listed = [f"{name} ({d:+.1f})" for name, d in differ.items()]
        return f"{said}In standard deviations away from the other classes: {some(listed)}."
    return said + "No class lies a standard deviation or more away from the others."


def of_copies(copied: dict[str, Any]) -> str:
    """How many copies there are."""
    if not copied["groups"]:
        return "No copies found, exact or near; strongly cropped ones would not be."
    said = (
        f"{count(copied['images'], 'image')} form {count(copied['groups'], 'group')} of copies, {copied['exact']:,} of "
        f"which hold exact ones. "
    )
    if copied["across_classes"]:
        number = count(len(copied["across_classes"]), "group")
        return f"{said}In {number} the labels differ: look which is wrong, or whether the pictures only look alike."
    return said + "The labels agree within each group."


def of_background(score: dict[str, Any]) -> str:
    """What eight border pixels know."""
    low, high = score["interval"]
    verdict = "the background tells nothing that chance doesn't"
    if low > score["chance"]:
        grave = low >= score["chance"] + 0.15
        verdict = "the background gives the class away" if grave else "the background tells a little"
    return (
        f"From four corners and four middles of the sides a random forest names the class of "
        f"{percent(score['accuracy'])} of {score['n']:,} images (95 % interval {percent(low)} to {percent(high)}); the "
        f"best constant answer gets {percent(score['chance'])}: {verdict}."
    )


def of_means(explained: tuple[float, float], n: int) -> str:
    """How much of the pixels the class explains; from `explained_by_class`."""
    border, inside = explained
    said = (
        f"Of {count(n, 'picture')}, the class explains {percent(border)} of the variance at the border and "
        f"{percent(inside)} in the middle. "
    )
    if max(border, inside) < 0.05:
        return said + "Little of either: no class is known by its average."
    if border > inside:
        return said + "More at the border: classes differ by their backgrounds."
    return said + "More in the middle, where the object is."


def of_boxes_per_image(boxes: dict[str, Any]) -> str:
    """How full the images are."""
    return (
        f"{count(boxes['boxes'], 'box')} in {count(boxes['images'], 'image')}: {boxes['per_image']['median']:g} in the "
        f"median image, {boxes['per_image']['most']} in the fullest, none in {boxes['empty_images']:,}. "
        f"{percent(boxes['crowd'])} of the boxes are drawn around crowds."
    )


def of_box_sizes(boxes: dict[str, Any]) -> str:
    """How large the objects are."""
    return (
        f"{percent(boxes['small'])} of the objects are small by COCO's rule, {percent(boxes['medium'])} medium, "
        f"{percent(boxes['large'])} large, in pixels of the images as stored."
    )


def of_box_shapes(boxes: dict[str, Any]) -> str:
    """How long the boxes are."""
    shape = boxes["aspect"]
    return (
        f"The median box is {shape['median']:.2f} times as wide as high; the middle 80 % go from {shape['low']:.2f} to "
        f"{shape['high']:.2f}: anchors have to cover that."
    )


def of_positions(boxes: dict[str, Any]) -> str:
    """Where the boxes are."""
    return (
        f"The median box has its middle {percent(boxes['middle']['x'])} from the left and "
        f"{percent(boxes['middle']['y'])} from the top; {percent(boxes['touching_border'])} touch the border."
    )


def of_small_at(boxes: dict[str, Any]) -> str:
    """What a resolution costs."""
    first, last = str(INPUTS[0]), str(INPUTS[-1])
    return (
        f"At an input of {first} px {percent(boxes['below'][first]['8'])} of the boxes have a side under 8 px and "
        f"{percent(boxes['below'][first]['4'])} one under 4 px; at {last} px {percent(boxes['below'][last]['8'])} and "
        f"{percent(boxes['below'][last]['4'])}. A detector can't be blamed for what its input does not show."
    )
