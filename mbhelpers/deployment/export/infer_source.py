"""`infer.py` of a deployed folder: one file, written from the source of this package's own modules.

There is no second copy of the image contract or of the way from outputs to answers: what the script needs is found by
following imports and names from its `main`, and copied definition by definition.
"""

import ast
import importlib
import inspect
import pprint
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MAINS = {
    "classifier": "mbhelpers.deployment.export.script_classifier",
    "detector": "mbhelpers.deployment.export.script_detector",
}
"""The modules whose `main` is the script's."""

ALLOWED = (*sys.stdlib_module_names, "numpy", "PIL")
"""What the script may import; LiteRT is imported by name when it runs."""

_TOP = '''#!/usr/bin/env python3
"""{title}

    python infer.py picture.jpg     {answers}
    python infer.py --check         replays vectors/: is this machine's answer the same to the last bit?

Needs Python 3.10 or newer with numpy, pillow and ai-edge-litert (tflite-runtime or tensorflow serve too), and
model.tflite beside this file. Written by `mbhelpers deploy` from the source of mbhelpers {version} (Apache-2.0), whose
own answers it gives; nothing of mbhelpers has to be installed.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 10):
    sys.exit("infer.py needs Python 3.10 or newer")

{imports}

MODEL: dict[str, Any] = {{
{model}}}
"""What is known of model.tflite: value = (number - zero_point) * scale; 0 where the numbers are the values. `step` is
the rounding of a float output that is computed in integers."""

'''

_END = """

if __name__ == "__main__":
    sys.exit(main(MODEL, Path(__file__).resolve().parent))
"""


@dataclass(frozen=True)
class _Part:
    """One definition of a module.

    Attributes:
        module: where it stands.
        names: what it defines.
        uses: names that occur in it.
        source: its lines, with the comment before it and the description behind it.
    """

    module: str
    names: tuple[str, ...]
    uses: frozenset[str]
    source: str


def write_script(task: str, model: dict[str, Any], version: str) -> str:
    """The source of `infer.py`.

    Args:
        task: one of `MAINS`.
        model: plain data that `script.Deployed` takes.
        version: of mbhelpers.

    Raises:
        ValueError: a module has grown an import that the script can't have, or two modules define one name.
    """
    parts, imports = _collect(MAINS[task])
    kept = _reached(parts, "main")
    used = frozenset[str]().union(*(part.uses for part in kept)) | {"sys", "Path", "Any"}
    body, module = [], ""
    for part in kept:
        if part.module != module:
            module = part.module
            body.append(f"\n# ---- {module}\n# {_first_line(module)}")
        body.append("\n" * part.source.startswith(("def", "class", "@")) + part.source)
    title = {"classifier": "Name what is in pictures, with model.tflite.", "detector": "Find objects in pictures."}
    answers = {"classifier": "its likeliest classes", "detector": "the objects in it: class, score, box"}
    return (
        _TOP.format(
            title=title[task],
            answers=answers[task],
            version=version,
            imports=_import_lines(imports, used),
            model="".join(f"    {key!r}: {_indented(value)},\n" for key, value in model.items()),
        )
        + "\n\n".join(body)
        + _END
    )


def _collect(name: str) -> tuple[list[_Part], set[tuple[str, str]]]:
    """The definitions of a module and of ours that it imports, those needed first; and (module, name) of its imports.

    The name is empty for `import module`.
    """
    done: dict[str, list[_Part]] = {}
    imports: set[tuple[str, str]] = set()

    def visit(module: str) -> None:
        if module in done:
            return
        source = inspect.getsource(importlib.import_module(module))
        tree = ast.parse(source)
        for needed, given in _imports_of(tree):
            if needed.split(".")[0] == "mbhelpers":
                visit(needed)
            elif needed.split(".")[0] in ALLOWED:
                imports.add((needed, given))
            else:
                raise ValueError(f"{module} imports {needed}, which infer.py can't; move that part to another module")
        done[module] = list(_parts(module, tree, source.splitlines()))

    visit(name)
    parts = [part for found in done.values() for part in found]
    names = [name for part in parts for name in part.names]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"{', '.join(sorted(twice))} is defined in two modules of infer.py; rename one")
    return parts, imports


def _imports_of(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(module, name) of each import; all of them at the top, and none under another name, but NumPy."""
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    if len(top) != sum(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(tree)):
        raise ValueError("a module of infer.py has an import inside a function; move it to the top")
    for node in top:
        for alias in node.names:
            if alias.asname and (alias.name, alias.asname) != ("numpy", "np"):
                raise ValueError(f"a module of infer.py imports {alias.name} as {alias.asname}; use its own name")
            yield (str(node.module), alias.name) if isinstance(node, ast.ImportFrom) else (alias.name, "")


def _parts(module: str, tree: ast.Module, lines: list[str]) -> Iterator[_Part]:
    """The definitions of a module; a string behind one describes it, and stays with it."""
    nodes = tree.body[1:]  # the first describes the module
    last = tree.body[0].end_lineno
    for k, node in enumerate(nodes):
        begin, last = last, node.end_lineno
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Expr):
            continue
        if k + 1 < len(nodes) and isinstance(nodes[k + 1], ast.Expr):
            last = nodes[k + 1].end_lineno
        yield _Part(
            module,
            tuple(_defined(node)),
            frozenset(part.id for part in ast.walk(node) if isinstance(part, ast.Name)),
            "\n".join(lines[begin:last]).strip("\n"),
        )


def _defined(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id
    else:
        raise ValueError(f"line {node.lineno} of a module of infer.py is no definition; put it into a function")


def _reached(parts: list[_Part], name: str) -> list[_Part]:
    """The definitions that a name needs, in their order."""
    by_name = {name: part for part in parts for name in part.names}
    wanted, seen = [name], set()
    while wanted:
        part = by_name.get(wanted.pop())
        if part and part.names not in seen:
            seen.add(part.names)
            wanted += part.uses
    return [part for part in parts if part.names in seen]


def _import_lines(imports: set[tuple[str, str]], used: frozenset[str]) -> str:
    """The imports that are used: the standard library's, and behind them NumPy and Pillow."""
    plain = sorted({module for module, name in imports if not name and (_bound(module) in used) and module != "sys"})
    lines = {module: f"import {module}{' as np' * (module == 'numpy')}" for module in plain}
    for module in sorted({module for module, name in imports if name}):
        names = sorted(name for held, name in imports if held == module and name in used)
        if names:
            lines[module] = f"from {module} import {', '.join(names)}"
    own = [line for module, line in lines.items() if module.split(".")[0] in sys.stdlib_module_names]
    others = [line for module, line in lines.items() if module.split(".")[0] not in sys.stdlib_module_names]
    return "\n".join([*own, "", *others])


def _indented(value: Any) -> str:
    written = pprint.pformat(value, width=100, compact=True, sort_dicts=False)
    return textwrap.indent(written, " " * 8).lstrip()


def _bound(module: str) -> str:
    return "np" if module == "numpy" else module.split(".")[0]


def _first_line(module: str) -> str:
    return (inspect.getdoc(importlib.import_module(module)) or "").splitlines()[0]
