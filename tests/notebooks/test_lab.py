"""JupyterLab in a browser: the first notebook is opened, run by the menu, and its slider moved."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import papermill.parameterize
import psutil
import pytest
from papermill.iorw import load_notebook_node, write_ipynb

PROJECT = Path(__file__).resolve().parents[2]
NAME = "00_start_here.ipynb"
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},  # else cells out of sight are not in the page
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
IDLE = '.jp-Notebook-ExecutionIndicator[data-status="idle"]'
OUTPUT = ".jp-OutputArea-output"
ENDED = """() => {
  const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(prompt => prompt.textContent);
  const failed = [...document.querySelectorAll('.jp-OutputArea-output pre')].some(
    output => output.textContent.includes('Traceback (most recent'));
  return failed || (prompts.length > 10 && prompts.every(prompt => /\\[\\d+\\]/.test(prompt)));
}"""


@pytest.fixture
def server(tmp_path):
    """The address of a JupyterLab server of its own, on a copy of the notebook with few things to do."""
    work, home = tmp_path / "work", tmp_path / "home"
    work.mkdir()
    parameters = {"row": "flowers/mobilenet_v2_0.35_128_tl", "smoke": True, "out_dir": str(tmp_path / "runs")}
    notebook = load_notebook_node(str(PROJECT / "notebooks" / NAME))
    write_ipynb(papermill.parameterize.parameterize_notebook(notebook, parameters), str(work / NAME))
    for name, values in SETTINGS.items():
        path = home / "config" / "lab" / "user-settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(values), encoding="utf-8")
    environment = {
        **os.environ,
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        **{f"JUPYTER_{kind.upper()}_DIR": str(home / kind) for kind in ("config", "data", "runtime")},
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "PYTHONPATH": str(PROJECT),
    }
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0", "--IdentityProvider.token="]
    command = [sys.executable, "-m", "jupyterlab", *options, f"--ServerApp.root_dir={work}"]
    with (tmp_path / "lab.log").open("w") as log:
        process = subprocess.Popen(command, cwd=work, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        yield address_of(process, home / "runtime", tmp_path / "lab.log")
    finally:
        stop(process)


def address_of(process: subprocess.Popen, runtime: Path, log: Path) -> str:
    """Where the server listens, as it says in a file once it does."""
    for _ in range(600):
        if process.poll() is not None:
            break
        for path in runtime.glob("jpserver-*.json"):
            try:
                return json.loads(path.read_text(encoding="utf-8"))["url"]
            except ValueError:  # not written to its end yet
                break
        time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not start: {log.read_text(encoding='utf-8')[-2000:]}")


def stop(process: subprocess.Popen) -> None:
    """End the server and whatever it started, kernels too."""
    try:
        started = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        started = []
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _, left = psutil.wait_procs(started, timeout=5)
    for child in left:
        child.kill()


@pytest.mark.notebook
def test_start_here_in_the_browser(chromium, server):
    page = chromium.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(90_000)
    page.goto(f"{server}lab/tree/{NAME}")
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    # Told to run before the notebook has its kernel, JupyterLab asks for one.
    page.locator(".jp-Toolbar-kernelName").get_by_text("Python 3").wait_for()
    page.locator(IDLE).first.wait_for(state="attached")
    page.locator(".lm-MenuBar-itemLabel").get_by_text("Run", exact=True).click()
    page.locator(".lm-Menu-itemLabel").get_by_text("Run All Cells", exact=True).click()
    page.wait_for_function(ENDED, timeout=400_000)

    errors = page.locator(f"{OUTPUT} pre", has_text="Traceback (most recent").all_inner_texts()
    assert not errors, errors[0]
    widths = page.locator(f"{OUTPUT} img").evaluate_all("images => images.map(image => image.naturalWidth)")
    cells = [cell for cell in load_notebook_node(str(PROJECT / "notebooks" / NAME)).cells if "plots." in cell.source]
    assert len(widths) >= len(cells) and min(widths) > 100, f"{len(cells)} cells draw; the images' widths: {widths}"

    slider = page.locator(".jupyter-widgets.widget-slider")
    readout = slider.locator(".widget-readout")
    said = page.locator(".widget-output pre", has_text="answers").first
    before, figure = readout.inner_text(), page.locator(".widget-output img").first
    figure.wait_for()
    assert before == "50" and said.is_visible()
    drawn = said.inner_text()
    slider.locator(".noUi-handle").focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    readout.get_by_text("90", exact=True).wait_for()
    page.wait_for_function(
        "before => document.querySelector('.widget-output pre').innerText !== before", arg=drawn
    )  # the kernel answered
    figure.wait_for()
