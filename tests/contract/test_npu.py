"""Vela itself, on files small enough for it to take half a second."""

import json
import shutil

import pytest
from ai_edge_litert import schema_py_generated as schema

from mbhelpers import cli_deploy
from mbhelpers.deployment import npu, vela
from mbhelpers.deployment.npu import compile_for_npu, published_milliseconds
from mbhelpers.models.complexity import complexity
from mbhelpers.models.tflite_graph import read_graph
from mbhelpers.quantization import tflite
from mbhelpers.quantization.formats import convert
from mbhelpers.reporting.npu_plots import BOUND_COLOURS, plot_npu

from .test_cli import call

WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


@pytest.fixture(scope="module")
def whole(thin, tmp_path_factory):
    """The thin model with integers at both ends."""
    path = tmp_path_factory.mktemp("whole") / "-whole model.tflite"  # Vela would take the dash for an option
    path.write_bytes(tflite.to_int8(thin.model, thin.record, thin.images, input_type="int8", output_type="int8"))
    return path


@pytest.fixture(scope="module")
def estimate(whole):
    return compile_for_npu(whole)


@pytest.fixture(scope="module")
def with_float_end(thin):
    return compile_for_npu(thin.int8, target="ethos-u55-128")


def test_integer_ends_leave_nothing_on_the_cpu(estimate, whole):
    graph = read_graph(whole)
    assert [(op.index, op.kind) for op in estimate.operators] == [(op.index, op.kind) for op in graph.operators]
    assert {op.place for op in estimate.operators} == {"NPU"}
    assert (estimate.calls, estimate.notes, estimate.model) == (1, (), whole.name)
    defaults = ("Ethos_U65_Client_Server", "Dedicated_Sram_384KB", 1_000_000_000)
    assert (estimate.system_config, estimate.memory_mode, estimate.clock) == defaults


def test_weighted_operators_count_as_ours_do(estimate, whole):
    """Vela counts pooling and softmax too, one a value that it looks at."""
    ours = {k: layer.macs for k, layer in enumerate(complexity(whole).layers) if layer.kind in WEIGHTED}
    assert {op.index: op.macs for op in estimate.operators if op.kind in WEIGHTED} == ours
    assert 0 < estimate.macs - sum(ours.values()) < 0.1 * estimate.macs


def test_operators_add_up_to_the_whole(estimate, with_float_end):
    for found in (estimate, with_float_end):
        assert sum(op.cycles for op in found.operators) == found.cycles > 0
        assert sum(op.macs for op in found.operators) == found.macs
        for name, cycles in found.cycles_by.items():
            assert sum((op.cycles_by or {}).get(name, 0) for op in found.operators) == cycles
        assert max(found.cycles_by.values()) <= found.cycles <= sum(found.cycles_by.values())
        assert all(max(op.cycles_by.values()) <= op.cycles for op in found.at("NPU"))
        assert found.milliseconds == 1000 * found.cycles / found.clock
        assert found.cycles >= found.macs / int(found.target.split("-")[-1]), "as many products a cycle as multipliers"


def test_a_float_end_stays_on_the_cpu_and_is_said(with_float_end, thin):
    [left] = with_float_end.at("CPU")
    assert (left.kind, left.index, left.reason) == ("DEQUANTIZE", 7, "Unsupported opType")
    assert [op.kind for op in with_float_end.at("merged")] == ["QUANTIZE"], "from uint8: the first convolution's work"
    first, second = with_float_end.notes
    assert first == "1 of 8 operators stay on the CPU, not in the time: DEQUANTIZE"
    assert "--input-type int8 --output-type int8" in second
    assert with_float_end.bandwidth == pytest.approx({"SRAM": 4e9, "flash": 0.5e9})


def test_what_is_kept_on_the_cpu_splits_the_network(whole):
    split = compile_for_npu(whole, keep_on_cpu=("DEPTHWISE_CONV_2D",))
    assert [(op.kind, op.reason) for op in split.at("CPU")] == [("DEPTHWISE_CONV_2D", "as asked")]
    assert split.calls == 2 and "started 2 times" in split.notes[-1]


def test_all_in_sram_counts_weights_as_sram(whole, estimate):
    alone = compile_for_npu(whole, memory_mode="Sram_Only")
    assert set(alone.memory) == set(alone.traffic) == {"SRAM"}
    assert alone.memory["SRAM"] > alone.weights[1] and {"SRAM", "DRAM"} == set(estimate.memory)


def test_a_configuration_of_ones_own(whole, tmp_path):
    text = vela.Configurations().path.read_text(encoding="utf-8")
    board = tmp_path / "board.ini"
    board.write_text(text.replace("Ethos_U65_High_End", "Board").replace("0.234375", "0.46875"), encoding="utf-8")
    assert compile_for_npu(whole, config=board, system_config="Board").bandwidth["DRAM"] == pytest.approx(7.5e9)


def test_the_compiled_file_is_kept_with_its_estimate(whole, tmp_path, estimate):
    kept = compile_for_npu(whole, output=tmp_path / "new" / "board")
    assert kept.compiled == tmp_path / "new" / "board" / "-whole model_vela.tflite"
    assert [op.kind for op in read_graph(kept.compiled).operators] == [npu.NPU_OPERATOR]
    said = json.loads(kept.compiled.with_suffix(".json").read_text(encoding="utf-8"))
    assert said == json.loads(json.dumps(kept.to_json()))
    assert said["cycles"] == estimate.cycles and said["operators"][0]["bound"] in BOUND_COLOURS
    assert len(list(kept.compiled.parent.iterdir())) == 2
    with pytest.raises(ValueError, match="is compiled for an Ethos-U already"):
        compile_for_npu(kept.compiled)


@pytest.mark.parametrize(
    ("options", "message", "why"),
    [
        ({"target": "ethos-u85-256"}, "unknown target 'ethos-u85-256'; choose from ethos-u55-32, ", "another NPU"),
        ({"system_config": "Ethos_U55_Deep_Embedded"}, "choose from Ethos_U65_Embedded, ", "another target's"),
        ({"memory_mode": "Dedicated"}, "unknown memory mode 'Dedicated' in vela.ini; choose from Sram_Only, ", "typo"),
        ({"config": "none.ini"}, "no configuration of Vela in none.ini", "no such file"),
        ({"keep_on_cpu": ("SOFTMAXX",)}, "Vela 5.* cannot compile .*Unrecognised ignore_ops value 'SOFTMAXX'", "typo"),
        ({"system_config": "Ethos_U65_Embedded"}, "cannot compile .*arena_mem_area=OffChipFlash", "don't fit"),
        ({"output": "{file}"}, "cannot write .*choose another folder", "a file where the folder is to be"),
    ],
)
def test_what_cannot_be_asked_for(options, message, why, whole, tmp_path):
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    options = {key: tmp_path / "file" if value == "{file}" else value for key, value in options.items()}
    if "config" in options:
        options["config"] = type(whole)(options["config"])
    with pytest.raises(ValueError, match=message):
        compile_for_npu(whole, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["file"], why


def test_what_cannot_be_compiled(thin, whole, tmp_path):
    convert(thin.model, thin.record, "dynamic_range", None).save(tmp_path / "dynamic.tflite")
    (tmp_path / "text.tflite").write_text("this is no model", encoding="utf-8")
    content = whole.read_bytes()
    (tmp_path / "cut.tflite").write_bytes(content[: len(content) // 2])
    (tmp_path / "two.tflite").write_bytes(doubled(content))
    for path, message in {
        thin.float: "it computes in float; quantize its activations too: `mbhelpers quantize",
        tmp_path / "dynamic.tflite": "it computes in float",
        thin.keras: "is no .tflite file, which Vela takes",
        tmp_path / "none.tflite": "no model at",
        tmp_path / "text.tflite": "is not a .tflite file",
        tmp_path / "cut.tflite": "is not a whole .tflite file",
        tmp_path / "two.tflite": "it has 2 graphs, where one was expected",
    }.items():
        with pytest.raises(ValueError, match=message):
            compile_for_npu(path)
    everything = sorted({op.kind for op in read_graph(whole).operators})
    with pytest.raises(ValueError, match=r"nothing of .* can run on the NPU: CONV_2D \(as asked\); "):
        compile_for_npu(whole, keep_on_cpu=everything)


def doubled(content: bytes) -> bytes:
    """The same file with its graph twice."""
    import flatbuffers

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    model.subgraphs = [*model.subgraphs, *model.subgraphs]
    builder = flatbuffers.Builder(2 * len(content))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def test_a_crash_of_vela_is_one_error(monkeypatch, whole, tmp_path):
    crash = tmp_path / "python"
    crash.write_text("#!/bin/sh\nkill -SEGV $$\n", encoding="utf-8")
    crash.chmod(0o755)
    monkeypatch.setattr(vela.sys, "executable", str(crash))
    with pytest.raises(ValueError, match=r"cannot compile .*whole model.tflite: it crashed \(signal 11\)$"):
        compile_for_npu(whole)


def test_without_vela_the_error_names_the_command(monkeypatch, whole):
    def absent(name):
        raise vela.PackageNotFoundError(name)

    monkeypatch.setattr(vela, "distribution", absent)
    with pytest.raises(ValueError, match=r'pip install "mbhelpers\[npu\]"'):
        compile_for_npu(whole)


def test_the_command_says_what_the_library_says(with_float_end, thin, tmp_path):
    ended = call("npu", thin.int8, "--target", "ethos-u55-128", "--json")
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told.pop("published_milliseconds") == {}
    assert told == json.loads(json.dumps(with_float_end.to_json()))
    text = "\n".join(cli_deploy._npu_lines(with_float_end))
    for part in (
        f"time      {with_float_end.milliseconds:.3f} ms",
        "6 on the NPU, 1 merged with others, 1 on the CPU",
        "7 DEQUANTIZE           Unsupported opType",
        "note: 1 of 8 operators",
    ):
        assert part in text


def test_the_published_time_is_that_of_the_board():
    assert published_milliseconds("ethos-u65-256") == {"mobilenet_v2_1.0_224, i.MX 93": 3.46}
    assert published_milliseconds("ethos-u55-128") == {}


def test_the_figure_shows_every_operator_and_the_whole(estimate, with_float_end):
    left, right = plot_npu({"float end": with_float_end, "whole": estimate}, {"published": 3.46}).axes
    heights = {round(bar.get_x() + bar.get_width() / 2): bar.get_height() for bar in left.patches}
    wanted = {op.index: 1e6 * op.cycles / with_float_end.clock for op in with_float_end.at("NPU")}
    assert heights == pytest.approx(wanted)
    assert list(left.lines[0].get_xdata()) == [7], "the operator on the CPU"
    ends: dict[float, float] = {}
    for bar in right.patches:
        row = round(bar.get_y() + bar.get_height() / 2)
        ends[row] = max(ends.get(row, 0), bar.get_x() + bar.get_width())
    assert ends == pytest.approx({0: with_float_end.milliseconds, 1: estimate.milliseconds})
    assert (list(right.lines[0].get_xdata()), list(right.lines[0].get_ydata())) == ([3.46], [2])


def test_vela_finds_no_leftovers(whole, tmp_path, monkeypatch):
    """Nothing is written beside the model or where the command was called."""
    mine = shutil.copy(whole, tmp_path / "model.tflite")
    monkeypatch.chdir(tmp_path)
    compile_for_npu(type(whole)(mine))
    assert [path.name for path in tmp_path.iterdir()] == ["model.tflite"]
