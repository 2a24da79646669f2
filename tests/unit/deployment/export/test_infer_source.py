"""infer.py as a text: one file, everything it needs, nothing of ours to import."""

import ast
import builtins
import runpy
import sys

import pytest

from mbhelpers.deployment.export import infer_source
from mbhelpers.deployment.export.infer_source import MAINS, write_script

MODEL = {"sha256": "0" * 64, "labels": ("a", "größe \"'\\"), "input": {"scale": 0.1, "shape": (1, 2)}, "outputs": [{}]}


@pytest.mark.parametrize("task", MAINS)
def test_the_script_is_whole(task, tmp_path):
    source = write_script(task, MODEL, "1.2.3")
    tree = ast.parse(source, feature_version=(3, 10))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= {*sys.stdlib_module_names, "numpy", "PIL"}
    (tmp_path / "infer.py").write_text(source, encoding="utf-8")
    names = runpy.run_path(str(tmp_path / "infer.py"), run_name="elsewhere")
    assert names["MODEL"] == MODEL
    top = {part.id for node in tree.body for part in ast.walk(node) if isinstance(part, ast.Name)}
    local = {part.id for part in ast.walk(tree) if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load)}
    local |= {part.arg for part in ast.walk(tree) if isinstance(part, ast.arg)}
    local |= {
        part.name for part in ast.walk(tree) if isinstance(part, ast.FunctionDef | ast.ExceptHandler) and part.name
    }
    assert top <= {*names, *dir(builtins), "__file__"} | local, "no name is left behind"
    assert "mbhelpers 1.2.3" in source and max(map(len, source.splitlines())) <= 120
    assert ("def nms" in source) == (task == "detector"), "a classifier carries no boxes"
    assert "PRESETS" not in source and "def encode" not in source, "nor what nothing calls"


@pytest.mark.parametrize(
    ("lines", "message", "why"),
    [
        ("import tensorflow", "imports tensorflow, which infer.py can't", "not one of its three packages"),
        ("def main():\n    import json", "an import inside a function", "it would not be found"),
        ("from json import loads as read", "imports loads as read; use its own name", "two names for one"),
        ("print('hello')\nif 1:\n    x = 2", "is no definition", "it would run where nobody sees it"),
        (
            "from mbhelpers.detection.nms import nms\ndef nms():\n    pass\ndef main():\n    nms()",
            "nms is defined in two",
            "twice",
        ),
    ],
)
def test_a_module_that_cannot_be_copied_is_refused(lines, message, why, monkeypatch, tmp_path):
    (tmp_path / "grown.py").write_text(f'"""A module."""\n{lines}\n')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(infer_source.MAINS, "classifier", "grown")
    monkeypatch.setattr(infer_source.importlib, "import_module", loaded(tmp_path))
    with pytest.raises(ValueError, match=message):
        write_script("classifier", MODEL, "1")


def loaded(folder):
    """An `import_module` that does not run the module of that folder."""
    import importlib
    import types

    real = importlib.import_module

    def load(name):
        if name != "grown":
            return real(name)
        module = types.ModuleType(name)
        module.__file__ = str(folder / "grown.py")
        return module

    return load
