import json
from dataclasses import replace

import pytest

from mbhelpers.reporting import training_facts as facts
from mbhelpers.rows import Row
from mbhelpers.training.recipes import Recipe

RECIPE = Recipe(learning_rate=1e-3, epochs=10, min_steps=0)


def against(difference: float, half_width: float) -> dict:
    low, high = difference - half_width, difference + half_width
    return {"difference": difference, "interval": [low, high], "mcnemar_p": 0.2, "inside_noise": low <= 0 <= high}


def candidate(recipe: Recipe, *differences: float, epochs: int = 4) -> dict:
    """An entry as the benchmark writes it; the first candidate has no differences."""
    entry: dict = {
        "recipe": recipe.to_json(),
        "seconds": [1.0],
        "val_accuracy": [0.5 + 0.01 * k for k in range(epochs)],
    }
    for k, probe in enumerate(("plain", "shifted")):
        entry[probe] = {"n": 1194, "correct": 1027, "top1": 0.8601, "interval": [0.84, 0.88]}
        if differences:
            entry[probe]["against_first"] = against(differences[k], 0.01)
    return entry


def candidates() -> dict:
    return {
        "the base": candidate(RECIPE),
        "better": candidate(replace(RECIPE, epochs=20), 0.03, 0.02, epochs=8),
        "unclear": candidate(replace(RECIPE, dropout=0.5), 0.005, -0.002),
    }


@pytest.mark.parametrize(
    ("row", "names"),
    [
        ("flowers/mobilenet_v2_0.35_128_tfs", ["ours", "ST"]),
        ("custom/mobilenet_v2_0.35_128_tl", ["ours"]),  # nobody published a recipe for the user's own data
        ("flowers/mobilenet_v2_1.0_128_fft", ["ours"]),  # nor for this width
    ],
)
def test_recipes_beside_each_other(row, names):
    assert list(facts.recipes_beside(Row.parse(row))) == names


def test_differences_leave_out_what_is_alike_and_what_counts_for_nothing():
    falling = replace(RECIPE, factor=0.3, patience=5, monitor="none")
    watched = replace(
        RECIPE, schedule="plateau", factor=0.5, patience=7, augmentation=replace(RECIPE.augmentation, hue=0.1)
    )
    table = facts.differences({"falling": falling, "watched": watched})
    assert table.loc["factor"].tolist() == ["", "0.5"], "a cosine has no factor"
    assert table.loc["patience"].tolist() == ["", "7"], "without a monitor nothing waits"
    assert table.loc["augmentation: hue"].tolist() == ["0.0", "0.1"]
    assert not {"learning_rate", "momentum", "hold", "temperature"} & set(table.index)


def test_differences_take_recipes_as_the_results_hold_them():
    table = facts.differences({name: entry["recipe"] for name, entry in candidates().items()})
    assert table.index.tolist() == ["epochs", "dropout"]
    assert facts.differences({}).empty


def test_verdicts_name_only_what_is_no_chance():
    told = facts.verdicts(candidates())
    assert told[0] == "better (n = 1,194): +3.0 points on the plain pictures and +2.0 points on the shifted pictures"
    assert "cannot be told" in told[1]
    assert len(told) == 2, "the first is not compared with itself"


def test_a_file_that_is_not_there_says_so(tmp_path, capsys):
    assert facts.measured(tmp_path / "recipes.json") == {}
    assert "recipes.json is not here" in capsys.readouterr().out
    assert facts.step_sentences({}) == facts.transfer_sentences({}) == facts.verdicts({}) == []
    assert facts.results_table(tmp_path).empty


STEP = {
    "model": {"alpha": 0.35, "side": 128, "batch": 64},
    "machine": {"cores": 2},
    "images_per_second": {"keras": {"best": 50.0}, "ours": {"best": 125.0}},
    "profile": {
        "before": {"groups_ms": {"convolution": 200.0, "image warp": 100.0}},
        "after": {"groups_ms": {"convolution": 150.0, "something new": 10.0}},
    },
    "bound": {
        "step_gigabytes": 5.3,
        "step_gigabytes_per_second": 11.9,
        "copy_gigabytes_per_second": 7.6,
        "step_gigaflops": 16.3,
        "matrix_gigaflops": 99.7,
    },
}


def transfer(*times: float) -> dict:
    sides = {
        "keras": {"seconds": 160.0, "accuracy_last_epoch": 0.84},
        "ours": {"seconds": 17.4, "accuracy_last_epoch": 0.855},
    }
    return {
        "data": {"images": {"train": 1740, "validation": 249}},
        "recipe": {"epochs": 30, "passes": 10},
        "summary": {**sides, "times_as_fast_by_pairs": list(times)},
        "trainings": {"keras": [sides["keras"]], "ours": [sides["ours"]] * 3},
    }


def test_sentences_quote_the_files():
    assert "50 pictures a second in plain Keras, 125 here, 2.5 times as many" in facts.step_sentences(STEP)[0]
    assert "160 s in plain Keras, 17 s here with 10 augmented passes" in facts.transfer_sentences(transfer(8.3))[0]


@pytest.mark.parametrize(("times", "said"), [((8.3,), " 8.3 times"), ((9.1, 8.3), " 8.3 to 9.1 times")])
def test_how_many_times_as_fast(times, said):
    assert said in facts.transfer_sentences(transfer(*times))[0]


def test_results_table(tmp_path):
    for row in ("mobilenet_v2_0.35_128_tl", "mobilenet_v2_0.5_128_tl"):
        folder = tmp_path / "flowers" / row
        folder.mkdir(parents=True)
        measured = {"n": 494, "correct": 430, "top1": 430 / 494, "interval": [0.838, 0.897]}
        content = {"row": f"flowers/{folder.name}", "float": measured, "int8": measured}
        (folder / "metrics.json").write_text(json.dumps(content))
    (tmp_path / "recipes.json").write_text("{}")
    assert facts.results_table(tmp_path / "flowers").equals(facts.results_table(tmp_path))
    table = facts.results_table(tmp_path)
    assert table.columns.tolist() == ["row", "float", "int8", "n", "interval", "published"]
    assert table.iloc[0].tolist() == ["flowers/mobilenet_v2_0.35_128_tl", "87.0", "87.0", 494, "83.8 to 89.7", "88.0"]
    assert table["published"].tolist() == ["88.0", ""], "nothing is published for the second"
