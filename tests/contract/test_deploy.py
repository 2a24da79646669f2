"""A folder for the board: the C array is the file, the vectors are LiteRT's, and infer.py says what mbhelpers says."""

import hashlib
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from mbhelpers.deployment.export import facts as facts_of_a_file
from mbhelpers.deployment.export.folder import FILES, deploy
from mbhelpers.files import write_json
from mbhelpers.inference.detect import detect_images
from mbhelpers.inference.predictor import Predictor
from mbhelpers.preprocessing import preset
from mbhelpers.quantization import tflite
from mbhelpers.records import Record, add_to_tflite

from . import tiny
from .test_cli import call
from .test_detector import content  # noqa: F401 - a fixture

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic")


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """A JPEG that is no square and lies on its side."""
    path = tmp_path_factory.mktemp("photo") / "photo.jpg"
    y, x = np.mgrid[:70, :90]
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.stack([x * 2, y * 3, 255 - x], -1).astype(np.uint8)).save(path, exif=exif, quality=92)
    return path


@pytest.fixture(scope="module")
def models(thin, content, tmp_path_factory):  # noqa: F811
    """One file of each kind, by name."""
    folder = tmp_path_factory.mktemp("models")
    binary = tiny.easy_model(2, binary=True)
    images = tiny.easy_images(24, 0, classes=2)[0]
    two = Record(("no person", "person"), preset("mbhelpers", tiny.SIDE))
    ints = {"input_type": "int8", "output_type": "int8"}
    made = {
        "int8": thin.int8.read_bytes(),
        "float": thin.float.read_bytes(),
        "all int8": tflite.to_int8(thin.model, thin.record, thin.images, **ints),
        "binary": tflite.to_int8(binary, two, images, output_type="uint8"),
        "detector": add_to_tflite(content, Record(("lamp",), preset("st", 64))),
        "bare": content,
    }
    paths = {name: folder / f"{name.replace(' ', '_')}.tflite" for name in made}
    for name, path in paths.items():
        path.write_bytes(made[name])
    return paths


@pytest.fixture(scope="module")
def folders(models, photo, tmp_path_factory):
    """The folder of each file with a record."""
    place = tmp_path_factory.mktemp("deployed")
    names = [name for name in models if name != "bare"]
    for name in names:
        deploy(models[name], place / name, images=[photo])
    return {name: place / name for name in names}


KINDS = ("int8", "float", "all int8", "binary", "detector")


def opened(path, reference: bool = False):
    """LiteRT itself, none of our code."""
    from ai_edge_litert import interpreter

    kernels = interpreter.OpResolverType.BUILTIN_REF if reference else interpreter.OpResolverType.AUTO
    made = interpreter.Interpreter(model_path=str(path), num_threads=1, experimental_op_resolver_type=kernels)
    made.allocate_tensors()
    return made


# ---- The C source


PROGRAM = """
#include <stdio.h>
#include "model_data.h"
#define TELL(end) {{ static const int shape[] = end##_SHAPE; static end##_TYPE first; int k; first = (end##_TYPE)-1; \\
    fprintf(stderr, "%d %lu %d %d %.9g |", (double)first < 0.0, (unsigned long)sizeof first, end##_SIZE, \\
            end##_ZERO_POINT, (double)end##_SCALE); \\
    for (k = 0; k < end##_RANK; k++) fprintf(stderr, " %d", shape[k]); \\
    fprintf(stderr, "\\n"); }}
int main(void) {{
    static const float mean[3] = MODEL_MEAN, deviation[3] = MODEL_STD;
    int k;
    fprintf(stderr, "%d %d %d %d\\n", MODEL_SIDE, MODEL_CLASSES, MODEL_OUTPUTS, (int)((uintptr_t)model_data % 16));
    for (k = 0; k < 3; k++) fprintf(stderr, "%.9g %.9g\\n", (double)mean[k], (double)deviation[k]);
    {tells}
    for (k = 0; k < MODEL_CLASSES; k++) fprintf(stderr, "%s\\n", model_labels[k]);
    return fwrite(model_data, 1, MODEL_DATA_LEN, stdout) == MODEL_DATA_LEN ? 0 : 1;
}}
"""


def compiled(folder, program: str, place, compiler: str = "gcc", flags=STRICT):
    """What a program that includes the header prints: standard output in bytes, standard error in lines."""
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler} here")
    (place / "main.c").write_text(program, encoding="utf-8")
    command = [compiler, *flags, f"-I{folder}", str(folder / "model_data.c"), str(place / "main.c"), "-o", "told"]
    built = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert (built.returncode, built.stderr) == (0, ""), "it compiles without a warning"
    ran = subprocess.run([place / "told"], capture_output=True, check=True)
    return ran.stdout, ran.stderr.decode().splitlines()


@pytest.mark.parametrize("kind", KINDS)
def test_the_c_source_is_the_file_and_what_litert_says_of_it(kind, folders, models, tmp_path):
    network = opened(models[kind])
    ends = network.get_input_details() + network.get_output_details()
    names = ["MODEL_INPUT_0", *(f"MODEL_OUTPUT_{k}" for k in range(len(ends) - 1))]
    program = PROGRAM.format(tells="\n".join(f"TELL({name})" for name in names))
    held, lines = compiled(folders[kind], program, tmp_path)
    assert held == models[kind].read_bytes(), "byte for byte"
    labels = (folders[kind] / "labels.txt").read_text(encoding="utf-8").splitlines()
    side = int(ends[0]["shape"][1])
    assert lines[0].split() == [str(side), str(len(labels)), str(len(ends) - 1), "0"], "the last: 16-byte aligned"
    contract = Predictor(models[kind]).preprocessing if kind != "detector" else preset("st", side)
    assert lines[1:4] == [f"{contract.mean:.9g} {contract.std:.9g}"] * 3
    for line, end in zip(lines[4:], ends, strict=False):
        numbers, shape = line.split("|")
        signed, size, count, zero, scale = numbers.split()
        kind_of = np.dtype(end["dtype"])
        assert (bool(int(signed)), int(size)) == (kind_of.kind != "u", kind_of.itemsize)
        assert [int(n) for n in shape.split()] == end["shape"].tolist() and int(count) == np.prod(end["shape"])
        assert (np.float32(scale), int(zero)) == (np.float32(end["quantization"][0]), end["quantization"][1])
    assert lines[4 + len(ends) :] == labels


def test_a_name_of_any_letters_survives_c_and_the_script(models, photo, tmp_path):
    names = ('a "b"', "back\\slash\\n", "what??/ ??= ???", "größe 日本 3", "\ttab 7", "%s {} '", "x" * 3000)
    labels = tmp_path / "names.txt"
    model = tiny.build(len(names))
    tiny.set_statistics(model, tiny.easy_images(24, 0)[0])
    path = tmp_path / "named.tflite"
    path.write_bytes(tflite.to_float(model, Record(names, preset("mbhelpers", tiny.SIDE))))
    deploy(path, tmp_path / "named")
    body = 'int k; for (k = 0; k < MODEL_CLASSES; k++) fprintf(stderr, "%s\\n", model_labels[k]); return 0;'
    program = f'#include <stdio.h>\n#include "model_data.h"\nint main(void) {{ {body} }}\n'
    assert compiled(tmp_path / "named", program, tmp_path, flags=(*STRICT, "-Wtrigraphs"))[1] == list(names)
    [told] = json.loads(infer(tmp_path / "named", photo, "--json", "--top", "7").stdout)
    assert {guess["index"]: guess["class"] for guess in told["top"]} == dict(enumerate(names))
    assert labels.exists() is False


def test_the_c_source_is_c_plus_plus_too(folders, tmp_path):
    flags = ("-std=c++11", "-Wall", "-Wextra", "-Werror", "-x", "c++")
    program = "#include \"model_data.h\"\nint main() { return model_data[4] == 'T' ? 0 : 1; }\n"
    compiled(folders["int8"], program, tmp_path, compiler="g++", flags=flags)


# ---- The vectors


@pytest.mark.parametrize("kind", KINDS)
def test_the_vectors_are_what_litert_gives(kind, folders, models):
    place = folders[kind] / "vectors"
    told = json.loads((place / "vectors.json").read_text(encoding="utf-8"))
    assert [vector["name"] for vector in told["vectors"]] == ["ramp", "noise", "extremes", "image0_photo"]
    assert told["model"]["sha256"] == hashlib.sha256(models[kind].read_bytes()).hexdigest()
    assert told["kernels"] == ["default", "reference"] and not told["missing"]

    def held(file):
        held_there = (place / file["file"]).read_bytes()
        assert hashlib.sha256(held_there).hexdigest() == file["sha256"]
        return np.frombuffer(held_there, file["type"]).reshape(file["shape"])

    for kernels in told["kernels"]:
        network = opened(models[kind], reference=kernels == "reference")
        for vector in told["vectors"]:
            network.set_tensor(network.get_input_details()[0]["index"], held(vector["input"]))
            network.invoke()
            ends = network.get_output_details()
            assert len(ends) == len(vector["outputs"][kernels])
            for end, file in zip(ends, vector["outputs"][kernels], strict=True):
                found = network.get_tensor(end["index"])
                assert found.dtype == file["type"] and found.tobytes() == held(file).tobytes()
    extremes = held(told["vectors"][2]["input"]).astype(np.float64)
    assert len(np.unique(extremes)) == 2 and len(np.unique(held(told["vectors"][1]["input"]))) > 200


def test_a_picture_is_prepared_by_the_files_contract(folders, models, photo):
    predictor = Predictor(models["int8"])
    held = np.fromfile(folders["int8"] / "vectors" / "image0_photo_input.bin", np.uint8)
    np.testing.assert_array_equal(held.reshape(1, 32, 32, 3)[0], predictor.preprocessing.load(photo))


def test_a_folder_of_pictures_is_taken_in_order(models, thin_folder, tmp_path):
    made = deploy(models["int8"], tmp_path / "out", images=[thin_folder / "red"])
    assert (
        made["vectors"][3:5]
        == [f"image{k}_{file.stem}" for k, file in enumerate(sorted((thin_folder / "red").iterdir()))][:2]
    )
    assert len(made["vectors"]) == 13


# ---- infer.py, in a process where importing anything but its three packages fails


ALONE = """
import runpy, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"mbhelpers", "tensorflow", "keras", "tflite_runtime", "onnx", "scipy", "typer"}:
            raise ImportError(f"{name} is not there")
sys.meta_path.insert(0, Blocked())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def infer(folder, *arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, "-I", "-c", ALONE, str(folder / "infer.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "detector"])
def test_infer_gives_the_predictors_scores(kind, folders, models, photo, tmp_path):
    place = tmp_path / "copied elsewhere"
    shutil.copytree(folders[kind], place)
    predictor = Predictor(models[kind])
    [scores] = predictor.predict(predictor.preprocessing.load(photo)[None])
    ended = infer(place, photo, "--json")
    assert ended.returncode == 0, ended.stderr
    [told] = json.loads(ended.stdout)
    assert told["image"] == str(photo)
    order = np.argsort(-scores, kind="stable")
    expected = [{"class": predictor.classes[k], "index": int(k), "score": float(scores[k])} for k in order]
    assert told["top"] == expected, "the same to the last bit"
    assert len(expected) == predictor.class_count


def test_infer_finds_what_the_detector_finds(folders, models, tmp_path):
    bright, dark = tmp_path / "bright.jpg", tmp_path / "dark.jpg"
    for path, grey in ((bright, 250), (dark, 5)):
        Image.fromarray(np.full((100, 210, 3), grey, np.uint8)).save(path)
    for options, arguments in (({}, ()), ({"threshold": 0.2, "limit": 3}, ("--threshold", "0.2", "--limit", "3"))):
        told = json.loads(infer(folders["detector"], bright, dark, "--json", *arguments).stdout)
        assert told == detect_images(models["detector"], [bright, dark], **options)["results"]
        assert told[0]["found"] and not told[1]["found"]
    plain = infer(folders["detector"], bright).stdout.splitlines()
    assert plain[1] == f"{bright}: 1 found" and "%  lamp  " in plain[2]


@pytest.mark.parametrize("kind", ["all int8", "detector"])
def test_check_replays_the_vectors(kind, folders, tmp_path):
    ended = infer(folders[kind], "--check")
    assert ended.returncode == 0, ended.stderr
    assert [line for line in ended.stdout.splitlines() if "kernels" in line] == [
        "default kernels: bit-exact",
        "reference kernels: bit-exact",
    ]
    told = json.loads(infer(folders[kind], "--check", "--json").stdout)
    assert (told["vectors"], told["differences"]) == (4, [])


def altered(folder, place, by: int):
    """A copy of a folder whose first output of the noise is off by some steps, and says so nowhere."""
    shutil.copytree(folder, place)
    told = json.loads((place / "vectors" / "vectors.json").read_text(encoding="utf-8"))
    file = told["vectors"][1]["outputs"]["default"][0]
    held = np.fromfile(place / "vectors" / file["file"], file["type"])
    held[1] += by
    (place / "vectors" / file["file"]).write_bytes(held.tobytes())
    file["sha256"] = hashlib.sha256(held.tobytes()).hexdigest()
    write_json(place / "vectors" / "vectors.json", told)
    return place


def test_check_tells_a_difference_in_steps(folders, tmp_path):
    place = altered(folders["all int8"], tmp_path / "altered", 2)
    ended = infer(place, "--check")
    assert ended.returncode == 1
    assert "default kernels: DIFFERENT" in ended.stdout and "reference kernels: bit-exact" in ended.stdout
    assert "1 values differ, by 2 step(s) at most" in ended.stdout
    [apart] = json.loads(infer(place, "--check", "--json").stdout)["differences"]
    assert (apart["kernels"], apart["vector"], apart["values"], apart["largest"]) == ("default", "noise", 1, 2.0)


def test_infer_ends_with_one_line(folders, photo, tmp_path):
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(photo.read_bytes()[:300])
    place = tmp_path / "damaged"
    shutil.copytree(folders["int8"], place)
    with (place / "vectors" / "ramp_input.bin").open("r+b") as stream:
        stream.write(b"\x07\x07")
    changed = tmp_path / "changed"
    shutil.copytree(folders["int8"], changed)
    shutil.copy(folders["float"] / "model.tflite", changed / "model.tflite")
    table = [
        (folders["int8"], (tmp_path / "none.jpg",), "no image at", "no such picture"),
        (folders["int8"], (cut,), "is not a readable image", "a broken picture"),
        (folders["int8"], (photo, "--top", "0"), "--top must be 1 or more", "no class"),
        (folders["detector"], (photo, "--iou", "7"), "--iou is from 0 to 1", "no share"),
        (place, ("--check",), "ramp_input.bin is not the file", "a vector that was damaged on the way"),
        (changed, (photo,), "model.tflite is not the file", "another model beside the script"),
    ]
    for folder, arguments, message, why in table:
        ended = infer(folder, *arguments)
        assert ended.returncode == 2 and not ended.stdout, why
        [line] = [line for line in ended.stderr.splitlines() if not line.startswith("INFO: ")]  # LiteRT's own
        assert line.startswith("error: ") and message in line, why


# ---- The folder


def test_the_folder_holds_what_it_says_and_is_the_same_each_time(models, photo, tmp_path):
    first, second = (deploy(models["int8"], tmp_path / name, images=[photo]) for name in ("first", "second"))
    again = deploy(models["int8"], tmp_path / "second", images=[photo])
    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == sorted(FILES)
    for path in sorted((tmp_path / "first").rglob("*")):
        other = tmp_path / "second" / path.relative_to(tmp_path / "first")
        assert path.is_dir() or path.read_bytes() == other.read_bytes(), path.name
    assert {**first, "folder": ""} == {**second, "folder": ""} == {**again, "folder": ""}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"], "nothing else is left"
    assert (tmp_path / "first" / "labels.txt").read_text() == "blue\ngreen\nred\n"


def test_nothing_is_left_of_a_folder_that_failed(models, photo, tmp_path):
    deploy(models["int8"], tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(photo.read_bytes()[:300])
    for name in ("out", "new"):
        with pytest.raises(ValueError, match="is not a readable image"):
            deploy(models["float"], tmp_path / name, images=[cut])
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.jpg", "out"]


def test_a_folder_of_others_is_not_replaced(models, tmp_path):
    ours = tmp_path / "ours"
    deploy(models["int8"], ours)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(ours)
    (tmp_path / "empty").mkdir()
    shutil.copytree(ours, tmp_path / "more")
    (tmp_path / "more" / "notes.txt").write_text("mine")
    shutil.copytree(ours, tmp_path / "vectors too")
    (tmp_path / "vectors too" / "vectors" / "own.bin").write_text("mine")
    (tmp_path / "alike").mkdir()
    (tmp_path / "alike" / "README.md").write_text("mine")
    for name, message, why in [
        ("more", "notes.txt, which would be lost", "a file of the user's"),
        ("vectors too", "own.bin, which would be lost", "a vector of the user's"),
        ("alike", "files of another origin", "known names are not enough"),
        ("file", "is a file", "a file"),
        ("link", "is a link", "a link, whose end would stay as it is"),
        ("file/below", "cannot write", "no folder can be made there"),
    ]:
        with pytest.raises(ValueError, match=message):
            deploy(models["int8"], tmp_path / name)
        assert (tmp_path / name).exists() == (name != "file/below"), why
    deploy(models["float"], tmp_path / "empty")
    deploy(ours / "model.tflite", ours)
    assert (ours / "model.tflite").read_bytes() == models["int8"].read_bytes(), "onto itself"


@pytest.fixture(scope="module")
def strange(thin, models, tmp_path_factory):
    """Files that can't be deployed, by name."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("strange")

    def converted(name, function, *shapes):
        told = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
        concrete = tf.function(function, input_signature=told).get_concrete_function()
        path = folder / f"{name}.tflite"
        path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete], function).convert())
        return path

    whole = thin.int8.read_bytes()
    written = {"cut": whole[:-800], "short": whole[:60], "text": b"no model at all", "empty": b""}
    for name, damaged in written.items():
        (folder / f"{name}.tflite").write_bytes(damaged)
    (folder / "pointer.tflite").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n")
    (folder / "model.onnx").write_bytes(b"")
    (folder / "picture.txt").write_text("")
    (folder / "two.txt").write_text("one\ntwo\n")
    paths = {path.stem: path for path in folder.iterdir()}
    return paths | {
        "open": converted("open", lambda x: tf.reduce_mean(x, (1, 2)), (1, None, None, 3)),
        "two inputs": converted("two_inputs", lambda x, y: tf.reduce_mean(x + y, (1, 2)), *[(1, 8, 8, 3)] * 2),
        "wide": converted("wide", lambda x: tf.reduce_mean(x, (1, 2)), (1, 8, 16, 3)),
        "pixels": converted("pixels", lambda x: x * 2.0, (1, 8, 8, 3)),
        "two ends": converted("two_ends", lambda x: (x[:, 0, 0], x[:, 1, 1]), (1, 8, 8, 3)),
        "infinite": converted("infinite", lambda x: 1 / (0 * tf.reduce_mean(x, (1, 2))), (1, 8, 8, 3)),
        "keras": thin.keras,
        "int8": thin.int8,
        "bare detector": models["bare"],
    }


@pytest.mark.parametrize(
    ("model", "options", "message", "why"),
    [
        ("missing", {}, "no model at", "no such file"),
        ("keras", {}, "mbhelpers quantize .*model.keras", "a Keras model is converted first"),
        ("model", {}, "mbhelpers quantize the .keras model", "an ONNX model is not converted"),
        ("picture", {}, "is no model for a board", "another file"),
        ("text", {}, "is not a .tflite file", "the name alone"),
        ("empty", {}, "is not a .tflite file", "nothing in it"),
        ("pointer", {}, "git lfs pull", "the file was not fetched"),
        ("short", {}, "is not a whole .tflite file", "a download that broke off early"),
        ("cut", {}, "cut.tflite is not a whole|cut.tflite cannot be loaded", "a download that broke off late"),
        ("open", {}, "has an open shape, \\(1, -1, -1, 3\\)", "no buffer can be set aside for it"),
        ("two inputs", {}, "has 2 inputs", "no picture classifier"),
        ("wide", {}, "maps .*a classifier maps", "no square"),
        ("pixels", {}, "expected scores, offsets and anchors", "neither classes nor boxes"),
        ("two ends", {}, "expected scores, offsets and anchors", "likewise"),
        ("infinite", {}, "not finite", "a network that is broken"),
        ("int8", {"labels": "two"}, "carries its own class names", "two truths"),
        ("infinite", {"labels": "two"}, "has 2 names, .* tells 3", "too few names"),
        ("infinite", {"labels": "missing"}, "no list of names at", "no such list"),
        ("bare detector", {"labels": "two"}, "one is the background; name 1 classes", "names of something else"),
        ("int8", {"preset": "slim"}, "carries its own preprocessing", "two truths"),
        ("infinite", {"preset": "nonesuch"}, "unknown preprocessing 'nonesuch'; choose", "no such preset"),
        ("int8", {"images": ["missing"]}, "no image at", "no such picture"),
        ("int8", {"images": ["two"]}, "is not a readable image", "no picture"),
        ("int8", {"images": ["."]}, "holds no pictures", "a folder without any"),
    ],
)
def test_what_cannot_be_deployed_is_refused(model, options, message, why, strange, tmp_path):
    def place(name):
        return strange.get(name, tmp_path if name == "." else tmp_path / "absent.tflite")

    given = dict(options)
    if "labels" in given:
        given["labels"] = place(given["labels"])
    if "images" in given:
        given["images"] = [place(name) for name in given["images"]]
    with pytest.raises(ValueError, match=message) as raised:
        deploy(place(model), tmp_path / "out", **given)
    assert len(str(raised.value).splitlines()) == 1, why
    assert not list(tmp_path.iterdir()), "nothing is left"


@pytest.mark.parametrize("label", ["two\nlines", "cut\0off", " ", "x" * 4096])
def test_a_name_that_is_no_line_is_refused(label, thin):
    with pytest.raises(ValueError, match="can't be a line of labels"):
        facts_of_a_file._check_labels(thin.int8, ("first", label))


def test_a_detector_without_a_record_takes_names_and_a_preset(models, tmp_path):
    named = tmp_path / "names.txt"
    named.write_text("lamp\n")
    told = deploy(models["bare"], tmp_path / "out", labels=named, preset="st")
    assert told["warnings"] == [] and (tmp_path / "out" / "labels.txt").read_text() == "lamp\n"
    header = (tmp_path / "out" / "model_data.h").read_text()
    network = opened(models["bare"])
    widths = [int(end["shape"][-1]) for end in network.get_output_details()]
    assert f"#define MODEL_SCORES_OUTPUT {widths.index(2)}\n" in header and "#define MODEL_BACKGROUND 1 " in header
    told = deploy(models["bare"], tmp_path / "out")
    assert len(told["warnings"]) == 2 and (tmp_path / "out" / "labels.txt").read_text() == "class 0\n"


def test_the_readme_says_what_is_known(thin, tmp_path):
    path = tmp_path / "model_int8.tflite"
    data = {"dataset": "flowers", "source": "folder", "images": {"train": 10, "test": 30}}
    record = Record(
        tiny.CLASSES, preset("mbhelpers", tiny.SIDE), {"command": "mbhelpers run x", "seed": 7, "data": data}
    )
    path.write_bytes(tflite.to_int8(thin.model, record, thin.images))
    deploy(path, tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text()
    for words in ("`mbhelpers run x`", "seed: 7", "10 train, 30 test", "Creative Commons", "accuracy is not known"):
        assert words in text, words
    assert "| input | `image` | (1, 32, 32, 3) | uint8 | 0.0078125 | 128 |" in text and "AddDepthwiseConv2D();" in text
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    result = {"n": 30, "correct": 27, "top1": 0.9, "interval": [0.74, 0.97]}
    metrics = {"row": "flowers/x", "int8": result, "sha256": {"model_int8.tflite": digest}, "warnings": ["Few images."]}
    write_json(tmp_path / "metrics.json", metrics)
    deploy(path, tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text()
    assert text.startswith("# flowers/x\n") and "- Few images\n" in text
    assert "top-1 90.0 % (27 of n = 30 images of the test part, 95 % interval 74.0 to 97.0 %)" in text
    write_json(tmp_path / "metrics.json", metrics | {"sha256": {"model_int8.tflite": "0" * 64}})
    deploy(path, tmp_path / "out")
    assert "accuracy is not known" in (tmp_path / "out" / "README.md").read_text(), "another file's figures"


def test_the_command(models, photo, tmp_path):
    ended = call("deploy", models["bare"], "-o", tmp_path / "out", "--images", photo, "--images", photo)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["warning"] * 2
    assert (
        lines[2] == f"{tmp_path / 'out'}: detector, 5 test vectors (ramp, noise, extremes, image0_photo, image1_photo)"
    )
    assert [line.split()[-1] for line in lines[3:-1]] == list(FILES)
    told = call("deploy", models["int8"], "-o", tmp_path / "out", "--json")
    assert json.loads(told.stdout) == deploy(models["int8"], tmp_path / "out")
    refused = call("deploy", tmp_path / "none.tflite", "-o", tmp_path / "new")
    assert refused.returncode == 2 and refused.stderr.startswith("error: no model at") and not refused.stdout
