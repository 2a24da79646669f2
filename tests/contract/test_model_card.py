"""The card of committed runs: ours, counted and published figures side by side; and what is refused."""

import json
import shutil

import numpy as np
import pytest

from mbhelpers import settings
from mbhelpers.deployment.board_logs import Measured
from mbhelpers.reporting.model_card import figures_of, run_folders, write_card

from .test_cli import call

RESULTS = settings.project_folder() / "results"
FLOWERS = RESULTS / "flowers" / "mobilenet_v2_0.35_128_fft"
PERSONS = RESULTS / "coco2017_person" / "ssd_mobilenet_v2_fpnlite_0.35_192"


def test_a_classifiers_card(tmp_path):
    """Every published figure of its row is there, beside ours with n and interval."""
    log = Measured(
        "STM32Cube.AI", "board.log", latency_ms=99.5, weights=416_620, activations=230_574, board="STM32H747"
    )
    page, text = write_card([FLOWERS], tmp_path / "card.html", tmp_path / "card.md", logs=[log])
    metrics = json.loads((FLOWERS / "metrics.json").read_text())
    markdown = text.read_text()
    for piece in (
        "# flowers/mobilenet_v2_0.35_128_fft",
        f"{100 * metrics['int8']['top1']:.1f} % | 86.0 to 91.5 % | 492 | 91.0 %",
        "| counted here | 406.9 KiB | 224.0 KiB |",
        "| reported by STM32Cube.AI, board.log | 406.9 KiB | 225.2 KiB |",
        "| published: STM32H7, STM32Cube.AI 8.1.0 | 406.9 KiB | 225.2 KiB |",
        "| STM32H747 | 99.50 | measured: STM32Cube.AI |",
        "| STM32H747I-DISCO, 1 CPU | 101.11 | published: STM32Cube.AI 8.1.0 |",
        "| STM32MP135F-DK2 | 73 | estimated, error unknown: outside the published networks |",
        metrics["made"]["data"]["fingerprint"],
        metrics["made"]["command"],
        metrics["sha256"]["model_int8.tflite"],
        metrics["warnings"][0],
    ):
        assert piece in markdown
    assert "STM32H747I-DISCO | 1" not in markdown, "what is published is not estimated"
    assert (
        page.read_text().count("<img") == markdown.count("![") == len(list((tmp_path / "card_figures").iterdir())) == 7
    )


def test_a_detectors_card_says_which_ap(tmp_path):
    text = write_card([PERSONS], tmp_path / "card.md")[0].read_text()
    assert "every-point AP at IoU 0.4" in text and "40.7 %" in text
    assert "STM32Cube.AI 9.1.0 | 984.2 KiB | 711.5 KiB" in text


def test_several_runs_side_by_side(tmp_path):
    both = [RESULTS / "flowers" / "mobilenet_v2_0.35_128_tl", FLOWERS]
    text = write_card(both, tmp_path / "card.md")[0].read_text()
    assert "| flowers/mobilenet_v2_0.35_128_fft | top-1 | 89.6 % | 89.0 % |" in text
    assert text.index("## flowers/mobilenet_v2_0.35_128_tl") < text.index("## flowers/mobilenet_v2_0.35_128_fft")
    assert text.count("### Accuracy") == 2
    assert len(run_folders([RESULTS / "flowers"])) == 7


def test_what_lies_in_a_run_is_no_other_run(tmp_path):
    for place in ("flowers/a", "flowers/a/qat_tensor", "flowers/b"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "metrics.json").write_text("{}")
    for asked in (tmp_path, tmp_path / "flowers"):
        assert run_folders([asked]) == [tmp_path / "flowers" / "a", tmp_path / "flowers" / "b"]
    assert run_folders([tmp_path / "flowers" / "a"]) == [tmp_path / "flowers" / "a"]


def test_figures_for_a_program():
    found = figures_of(FLOWERS)
    assert found["accuracy"]["int8"]["n"] == 492 and found["published"]["accuracy_percent"]["int8"] == 91.01
    assert found["footprint"]["flash"] == 416_636
    assert found["published"]["memory_kib"][0]["weights_flash"] == "406.86"
    assert found["latency"]["here"]["median_ms"] > 0
    assert [line["latency_ms"] for line in found["published"]["latency"]] == ["101.11", "47.57"]
    json.dumps(found)


def test_figures_without_the_model(tmp_path):
    """As most of `results/` are kept: the card says that nothing was counted, and a table of such runs still comes."""
    runs = sorted((RESULTS / "plant_village").iterdir())
    text = write_card(runs, tmp_path / "card.md")[0].read_text()
    assert "model_int8.tflite is not kept here" in text and "98.3 %" in text
    assert "footprint" not in figures_of(runs[0])


def test_a_copied_run_is_told_of_without_its_pictures(tmp_path):
    """Its data folder is not there any more."""
    shutil.copytree(FLOWERS, tmp_path / "flowers" / FLOWERS.name)
    folder = tmp_path / "flowers" / FLOWERS.name
    held = {"row": f"flowers/{FLOWERS.name}", "data": "/nowhere", "weights": "imagenet", "seed": 1, "smoke": False}
    (folder / "row.json").write_text(json.dumps(held))
    np.savez(folder / "predictions.npz", paths=["a.jpg"], labels=[0], int8=[[0.0, 1, 0, 0, 0]])
    assert "pictures can't be shown" in write_card([folder], tmp_path / "card.md")[0].read_text()


def test_the_command(tmp_path):
    told = call("card", str(FLOWERS), "-o", str(tmp_path / "out"))
    assert told.returncode == 0, told.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"card.html", "card.md", "card_figures"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda folder: (folder / "metrics.json").unlink(), "holds no metrics.json"),
        (lambda folder: (folder / "metrics.json").write_text("{"), "is not valid JSON"),
        (lambda folder: (folder / "metrics.json").write_text('{"row": "flowers"}'), "lacks classes, float, int8"),
        (lambda folder: (folder / "model_int8.tflite").write_text("nothing"), "is not the file that row"),
        (
            lambda folder: shutil.copy(FLOWERS.with_name("mobilenet_v2_0.35_128_tl") / "model_int8.tflite", folder),
            "is not the file that row's metrics.json measured",
        ),
        (shutil.rmtree, "no folder at"),
    ],
)
def test_folders_without_a_card(tmp_path, change, told):
    folder = tmp_path / "row"
    folder.mkdir()
    for name in ("metrics.json", "model_int8.tflite"):
        shutil.copy(FLOWERS / name, folder)
    change(folder)
    with pytest.raises(ValueError, match=told):
        write_card([folder], tmp_path / "card.html")
    assert not (tmp_path / "card.html").exists()


def test_wrong_calls(tmp_path):
    with pytest.raises(ValueError, match=r"\.html or an \.md file"):
        write_card([FLOWERS], tmp_path / "card.pdf")
    with pytest.raises(ValueError, match="log is about one model; 7 runs"):
        write_card([RESULTS / "flowers"], tmp_path / "card.md", logs=[Measured("STM32Cube.AI", "x.log")])
    with pytest.raises(ValueError, match=r"x\.log is of a network of 300,000,000 multiply-accumulates"):
        write_card([FLOWERS], tmp_path / "card.md", logs=[Measured("STM32Cube.AI", "x.log", macs=300_000_000)])
