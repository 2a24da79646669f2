"""Logs of the boards' tools, in the forms that their versions print, written here with figures of our own."""

import pytest

from mbhelpers.deployment.board_logs import benchmark_command, read_log

LITERT = """INFO: STARTING!
INFO: Loaded model model.tflite
INFO: Initialized session in 8.125ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
INFO: count=11 first=50210 curr=47000 min=46900 max=50210 avg=47380.5 std=900

INFO: Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
INFO: count=52 first=47013 curr=47111 min=46800 max=49020 avg=47250.5 std=310 p5=46900 median=47200 p95=48000

INFO: Inference timings in us: Init: 8125, First inference: 50210, Warmup (avg): 47380.5, Inference (avg): 47250.5
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE.
INFO: Memory footprint delta from the start of the tool (MB): init=3.5 overall=7.25
INFO:
============================== Summary by node type ==============================
\t             [Node type]\t  [count]\t  [avg ms]\t    [avg %]\t    [cdf %]\t  [mem KB]\t[times called]
\t                 CONV_2D\t       35\t    31.500\t    66.667%\t    66.667%\t     0.000\t       35
\t       DEPTHWISE_CONV_2D\t       17\t    15.750\t    33.333%\t   100.000%\t     0.000\t       17

Timings (microseconds): count=52 first=47000 curr=47100 min=46790 max=49000 avg=47241.1 std=305
Memory (bytes): count=0
2 nodes observed
"""
ANALYZE = """ST Edge AI Core v2.0.0
 target/series      :   stm32h7
 macc               :   18,950,129
 weights (ro)       :   416,616 B (406.85 KiB) (1 segment) / -1,220,000(-74.5%) vs float model
 activations (rw)   :   230,576 B (225.17 KiB) (1 segment) *
 ram (total)        :   230,576 B (225.17 KiB) = 230,576 + 0 + 0
 model: macc=1,234 weights=5,678 activations=-- io=--
"""
VALIDATE = """ <Stm32com id=0x1 - CONNECTED(COM6/115200) devid=0x450/STM32H743/53/50xx and STM32H747 msg=1.0>
  0x450/STM32H747 @400MHz/200MHz (FPU is present) lat=4
 Results for 10 inference(s) @400/200MHz (macc:18950129)
 duration    : 101.405 ms (average)
 CPU cycles  : 40562000 (average)
 cycles/MACC : 2.14 (average for all layers)
"""


def written(folder, text):
    path = folder / "board.log"
    path.write_text(text, encoding="utf-8")
    return path


def test_benchmark_model(tmp_path):
    found = read_log(written(tmp_path, LITERT))
    assert (found.tool, found.latency_ms, found.runs) == ("benchmark_model", 47.2505, 52)
    assert (found.spread_ms, found.first_ms, found.memory_mib) == (0.31, 50.21, 7.25)
    assert found.operators == {"CONV_2D": 31.5, "DEPTHWISE_CONV_2D": 15.75}
    assert "weights" not in found.to_json()


def test_an_old_build_and_large_numbers(tmp_path):
    old = "Timings (microseconds): count=20 first=2000000 curr=1 min=1 max=2 avg=1.25e+06 std=7"
    assert read_log(written(tmp_path, old)).latency_ms == 1250


def test_reports_of_cube_ai(tmp_path):
    found = read_log(written(tmp_path, ANALYZE))
    assert (found.weights, found.activations, found.macs, found.latency_ms) == (416616, 230576, 18950129, None)
    found = read_log(written(tmp_path, VALIDATE))
    assert (found.latency_ms, found.runs, found.board) == (101.405, 10, "STM32H747 at 400 MHz")
    both = read_log(written(tmp_path, ANALYZE + VALIDATE))
    assert (both.weights, both.latency_ms) == (416616, 101.405)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "neither the timings of benchmark_model nor a report"),
        ("STARTING!\nInference timings in us: Init: 4", "cut off before the timings"),
        ("weights: many", "pass the whole of what"),
    ],
)
def test_no_figures(tmp_path, text, told):
    with pytest.raises(ValueError, match=told):
        read_log(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "board", "runs", "macs", "why"),
    [
        (
            "  0x450/STM32H743/53/50xx and STM32H745/55/47/57xx @480MHz/240MHz (FPU is present)\n"
            ' Results for "network", 16 inferences @480/240MHz (complexity: 18947072 MACC)\n'
            " duration : 84.1 ms (average)",
            "STM32H745/55/47/57xx at 480 MHz", 16, 18947072, "the test application of version 8 on",
        ),
        (
            " STM32N6570 @800/400MHz\n nb sample(s)  :   10\n duration      :   14.5 ms by sample (14.4/14.6)",
            "STM32N6570 at 800 MHz", 10, None, "the validation of ST Edge AI",
        ),
    ],
)  # fmt: skip
def test_newer_forms_of_cube_ai(tmp_path, text, board, runs, macs, why):
    found = read_log(written(tmp_path, text))
    assert (found.board, found.runs, found.macs) == (board, runs, macs), why
    assert found.latency_ms in (84.1, 14.5)


def test_no_log(tmp_path):
    with pytest.raises(ValueError, match=r"no log at .*gone\.log"):
        read_log(tmp_path / "gone.log")


def test_the_command_names_the_file_as_it_is_on_the_board():
    command = benchmark_command("runs/my model.tflite", threads=2, delegate="/usr/lib/libethosu_delegate.so")
    assert "'--graph=my model.tflite' --num_threads=2" in command
    assert "--external_delegate_path=/usr/lib/libethosu_delegate.so" in command
    assert command.endswith("| tee 'my model'.log")
