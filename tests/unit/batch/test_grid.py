"""Grids as they are written, and what is told of those that are wrong."""

import pytest

from mbhelpers import settings
from mbhelpers.batch.grid import make_grid, read_grid
from mbhelpers.batch.plan import chosen_jobs, plan_jobs, step_notebook

PRODUCT = {
    "datasets": ["flowers"],
    "architectures": ["mobilenet_v2"],
    "widths": [0.35],
    "resolutions": [128],
    "variants": ["tl", "fft"],
}
TL, FFT = "flowers/mobilenet_v2_0.35_128_tl", "flowers/mobilenet_v2_0.35_128_fft"
DETECTOR = "coco2017_person/ssd_mobilenet_v2_fpnlite_0.35_192"
SHIPPED = sorted((settings.project_folder() / "grids").glob("*.yaml"))


@pytest.mark.parametrize(
    ("content", "message", "why"),
    [
        ([1], "grid g must be a mapping with keys from settings, products, rows", "a list"),
        ({}, "grid g names no row; list some under rows", "empty"),
        (None, "must be a mapping", "an empty file"),
        ({"row": [TL]}, "grid g: unknown key row; choose from settings, products, rows", "a typing error"),
        (
            {"rows": [TL], "settings": {"sead": 1}},
            "settings: unknown key sead; choose from data_dir, weights",
            "likewise",
        ),
        ({"rows": [TL], "settings": {"seed": "7"}}, "seed is '7'; give a whole number", "a number in quotes"),
        ({"rows": [TL], "settings": {"seed": -1}}, "seed is -1; give one from 0 to 4294967295", "numpy takes none"),
        ({"rows": [TL], "settings": {"seed": True}}, "seed is True; give a whole number", "YAML's yes"),
        ({"rows": [TL], "settings": {"smoke": 1}}, "smoke is 1; give true or false", "a number"),
        ({"rows": [TL], "settings": {"recipe": "xt"}}, "unknown recipe 'xt'; choose from ours, st, slim", "recipe"),
        ({"rows": [TL], "settings": {"data_dir": "absent"}}, "data_dir: nothing at /", "no such folder"),
        ({"rows": TL}, "rows must be a list", "one alone"),
        ({"rows": ["flower/mobilenet_v2_0.35_128_tl"]}, "unknown dataset 'flower'", "a typing error in a name"),
        ({"rows": ["flowers/mobilenet_v2_0.35_128"]}, "names no variant; add _tfs, _tl or _fft", "no variant"),
        ({"rows": ["flowers/mobilenet_v2_0.36_128_tl"]}, "has no width 0.36; choose from 0.35", "no such width"),
        ({"rows": [f"{DETECTOR}_tl"]}, "detectors have no variants", "a detector's variant"),
        ({"rows": ["imagenet/mobilenet_v2_1.0_224_tl"]}, "ImageNet rows are measured, not trained", "likewise"),
        ({"rows": [TL, TL]}, f"names {TL} more than once", "twice"),
        ({"rows": [TL], "products": [PRODUCT]}, f"names {TL} more than once", "in both"),
        ({"products": [{**PRODUCT, "widths": []}]}, "a product needs datasets", "an axis without values"),
        ({"products": [{**PRODUCT, "widths": ["x"]}]}, "a width is a number such as 0.35, not 'x'", "no number"),
        ({"products": [{**PRODUCT, "alpha": 1}]}, "products: unknown key alpha; choose from datasets", "its old name"),
        ({"rows": [TL], "formats": ["int4"]}, "unknown format 'int4'; choose from int8, int8_per_tensor", "format"),
        ({"rows": [TL], "overrides": [{"rows": "*_224_*", "seed": 1}]}, "match none of the grid's rows", "idle"),
        ({"rows": [TL], "overrides": [{"rows": "*", "row": 1}]}, "overrides: unknown key row", "a typing error"),
        ({"rows": [TL, FFT], "overrides": [{"rows": FFT, "smoke": True}]}, "smoke and real rows", "mixed"),
        ({"rows": [TL], "parameters": {"30_int8_tflite": 1}}, "parameters are given by notebook", "no mapping"),
        (
            {"rows": [TL], "parameters": {"30_int8_tflite": {"sizes": [1]}}},
            "30_int8_tflite has no parameter sizes to set here; choose from calibration_sizes",
            "unknown parameter",
        ),
        (
            {"rows": [TL], "parameters": {"30_int8_tflite": {"seed": 1}}},
            "has no parameter seed to set here",
            "a shared one, which belongs under settings",
        ),
        (
            {"rows": [TL], "parameters": {"33_onnx_int8": {"opsets": [7]}}},
            f"{TL} does not go through it, but through 22_transfer_learning, 30_int8_tflite, 40",
            "of a notebook that is not run",
        ),
        ({"rows": [TL], "notebooks": ["41_footprint"]}, "no notebook '41_footprint'; choose from 00_", "half a name"),
        (
            {"rows": [TL], "settings": {"recipe": "st"}, "formats": ["int8", "onnx"]},
            "goes through no notebook (those teach our recipe)",
            "a published recipe has no notebooks",
        ),
        ({"rows": [TL], "execute": "fast"}, "unknown way to execute 'fast'; choose from notebooks, stages", "name"),
        (
            {"rows": ["imagenet/mobilenet_v2_1.0_224"], "execute": "stages"},
            "is measured by a notebook",
            "ImageNet rows have no stages",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 30 else "",
)
def test_what_is_wrong_is_named(tmp_path, content, message, why):
    with pytest.raises(ValueError) as raised:
        plan_jobs(make_grid(content, "g", tmp_path))
    assert message in str(raised.value), why


@pytest.mark.parametrize(("text", "message"), [("a: [", "is no YAML"), (b"\xff\xfe\x00", "is no YAML")])
def test_a_broken_file_is_named(tmp_path, text, message):
    path = tmp_path / "grid.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=message):
        read_grid(path)
    with pytest.raises(ValueError, match=r"no grid at .*absent\.yaml; the project has grids/.*sample\.yaml"):
        read_grid(tmp_path / "absent.yaml")


def test_a_product_multiplies_and_overrides_win(tmp_path):
    (tmp_path / "pictures").mkdir()
    grid = make_grid(
        {
            "settings": {"data_dir": "pictures", "weights": "sample", "seed": 5},
            "products": [{**PRODUCT, "resolutions": [128, 224]}],
            "rows": [DETECTOR],
            "formats": ["int8", "onnx"],
            "overrides": [
                {"rows": "*_224_*", "weights": "imagenet", "formats": ["int8"]},
                {"rows": DETECTOR, "seed": 6},
            ],
        },
        folder=tmp_path,
    )
    told = {row.name: (row.weights, row.seed, row.formats) for row in grid.rows}
    assert list(told) == [TL, FFT, TL.replace("128", "224"), FFT.replace("128", "224"), DETECTOR]
    assert told[TL] == ("sample", 5, ("int8", "onnx"))
    assert told[FFT.replace("128", "224")] == ("imagenet", 5, ("int8",))
    assert told[DETECTOR][1] == 6
    assert {row.data_dir for row in grid.rows} == {str(tmp_path / "pictures")}


def test_jobs_are_behind_what_they_need():
    jobs = {job.name: job for job in plan_jobs(make_grid({"rows": [FFT, TL, DETECTOR]}))}
    assert [name for name in jobs if "10_data" in name] == ["flowers/10_data_flowers"], "data is prepared once"
    train = jobs[f"{FFT}/23_full_fine_tuning"]
    assert train.after == ("flowers/10_data_flowers", f"{TL}/22_transfer_learning"), "fft needs its tl"
    assert jobs[f"{TL}/22_transfer_learning"].split_of == FFT, "the split that the data's job made"
    assert [step_notebook(job) for job in jobs.values() if job.row == DETECTOR] == ["51_train_ssd", "52_detection_ap"]
    assert jobs[f"{TL}/30_int8_tflite"].after == (f"{TL}/22_transfer_learning",)


def test_a_part_of_a_grid_brings_what_it_needs():
    grid = make_grid({"rows": [TL, FFT, DETECTOR]})
    jobs = plan_jobs(grid)
    assert chosen_jobs(jobs, grid, None) == jobs
    assert {job.row for job in chosen_jobs(jobs, grid, "*_fft")} == {"flowers", TL, FFT}
    needed = [step_notebook(job) for job in chosen_jobs(jobs, grid, "*_fft") if job.row == TL]
    assert needed == ["22_transfer_learning"], "not its evaluation"
    assert {job.row for job in chosen_jobs(jobs, grid, DETECTOR)} == {"coco2017_person", DETECTOR}
    with pytest.raises(ValueError, match=f"none of the 3 rows of grid grid matches 'food\\*'; one is {TL}"):
        chosen_jobs(jobs, grid, "food*")


def test_from_scratch_a_larger_size_waits_for_the_smaller():
    rows = ["flowers/mobilenet_v2_0.35_224_tfs", "flowers/mobilenet_v2_0.35_128_tfs"]
    jobs = {job.name: job for job in plan_jobs(make_grid({"rows": rows}))}
    assert f"{rows[1]}/21_train_from_scratch" in jobs[f"{rows[0]}/21_train_from_scratch"].after


def test_a_published_recipe_runs_the_stages():
    jobs = plan_jobs(make_grid({"rows": [TL], "settings": {"recipe": "st", "smoke": True}}))
    assert [(job.kind, job.step) for job in jobs] == [("notebook", "10_data_flowers"), ("stages", "stages")]
    assert jobs[1].parameters["recipe"] == "st"


def test_imagenet_rows_are_measured():
    [job] = plan_jobs(make_grid({"rows": ["imagenet/mobilenet_v2_1.4_224"], "settings": {"smoke": True}}))
    told = {"architecture": "mobilenet_v2", "alpha": 1.4, "resolution": 224, "out_dir": "imagenet/mobilenet_v2_1.4_224"}
    assert job.notebook == "24_imagenet_weights.ipynb"
    assert told.items() <= job.parameters.items()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_grids_can_be_planned(path):
    assert path.read_text(encoding="utf-8").startswith("# "), "it says what it covers"
    jobs = plan_jobs(read_grid(path))
    assert len({job.name for job in jobs}) == len(jobs) > 0


def test_there_is_a_grid_for_each_card():
    cards = {"sample", "st_classification", "st_detection", "nxp_eiq", "tf_slim", "onnx_zoo"}
    assert {path.stem for path in SHIPPED} == cards
