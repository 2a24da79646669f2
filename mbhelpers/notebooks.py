"""The notebooks as one collection: what is generated in them, the rules they keep, and how one is run.

`python -m mbhelpers.notebooks` writes the generated parts (navigation, Colab badge, install cell, the index
in README.md) and strips outputs; with `--check` it lists what is wrong instead, each line with its repair.
Everything comes from the files' names and first cells, so there is no second list to keep.
"""

import argparse
import ast
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode, v4

from mbhelpers import settings
from mbhelpers.files import replacing

# The one place that knows where the collection is published: set it, then `make notebooks`. The owner is a
# name that GitHub gives nobody (it has underscores), so that until then Colab installs no stranger's package.
REPOSITORY = "https://github.com/_owner_/mobilenet-notebooks"
BRANCH = "main"

SHARED_PARAMETERS = ("row", "data_dir", "weights", "out_dir", "seed", "smoke")
"""They mean the same in every notebook; any other parameter explains itself in a trailing comment."""

MAX_CODE_LINES = 15
"""Longest code cell, not counting blank lines and comments."""

_COLAB = "https://colab.research.google.com"
_NAME = re.compile(r"\d\d_\w+\.ipynb")
_BEGIN, _END = "<!-- notebooks:begin -->", "<!-- notebooks:end -->"
_METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# Colab's TensorFlow stays, which fits its GPU and what else is there; else pip replaces it to get the newest onnx.
_INSTALL = f"""# Installs the helpers on Google Colab, beside its own TensorFlow; does nothing elsewhere.
import importlib.metadata
import importlib.util
import sys

if "google.colab" in sys.modules and importlib.util.find_spec("mbhelpers") is None:
    kept = "tensorflow==" + importlib.metadata.version("tensorflow")
    %pip install -q "mbhelpers{{extras}} @ git+{REPOSITORY}@{BRANCH}" {{{{kept}}}}"""
_EXTRAS = {"41_footprint_and_latency": "[npu]"}  # what a notebook needs besides
_GENERATED = {1: "header", 3: "install"}  # place and tag of the generated cells
# A line magic or shell line; a `% b` that continues an expression has a space after the sign.
_MAGIC = re.compile(r"^(\s*)[%!]\S.*$", re.MULTILINE)


class NotebookError(ValueError):
    """A notebook stopped: a cell raised, ran past its time, or the kernel died."""


@dataclass(frozen=True)
class Lesson:
    """One notebook: its file, its place by the file's name, its H1, and the line below that."""

    path: Path
    number: int
    title: str
    goal: str


def contents(folder: Path) -> list[Lesson]:
    """The notebooks `NN_topic.ipynb` of a folder, by number.

    Raises:
        ValueError: one is no valid notebook.
    """
    return [_lesson(path) for path in sorted(folder.glob("*.ipynb")) if _NAME.fullmatch(path.name)]


def colab_address(lesson: Lesson) -> str:
    """Where Google Colab opens a lesson from the published repository."""
    repository = REPOSITORY.removeprefix("https://github.com/")
    return f"{_COLAB}/github/{repository}/blob/{BRANCH}/{_label(lesson.path)}"


def parameter_defaults(notebook: Path) -> dict[str, Any]:
    """Name and default of each parameter, in the order of the cell tagged `parameters`; empty without one.

    Raises:
        ValueError: the file is no notebook, or a default is no literal.
    """
    cell = next((cell for cell in _read(notebook).cells if "parameters" in _tags(cell)), None)
    try:
        return dict(_assignment(line) for line in ast.parse(cell.source).body) if cell else {}
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"{_label(notebook)}: parameters cell: {error}") from None


def write_headers(folder: Path, readme: Path | None = None) -> list[Path]:
    """Bring the generated cells, the format of the notebooks, and the README's index up to date.

    Outputs, execution counts, editors' metadata and empty cells go; text, code and tags stay.

    Args:
        folder: holds the notebooks.
        readme: has the index; README.md beside the folder if not given.

    Returns:
        The files that changed; none on a second call.

    Raises:
        ValueError: a file is no valid notebook, or the README lacks the index markers; nothing was written.
    """
    lessons, readme = contents(folder), readme or folder.parent / "README.md"
    wanted = {readme: _with_index(readme, lessons)}
    for lesson in lessons:
        wanted[lesson.path] = _text(_normalised(lesson, lessons, readme))
    changed = [path for path, text in wanted.items() if path.read_text(encoding="utf-8") != text]
    for path in changed:
        with replacing(path) as temporary:
            temporary.write_text(wanted[path], encoding="utf-8", newline="\n")
    return changed


def check(folder: Path, readme: Path | None = None) -> list[str]:
    """Every broken rule as one line, `notebooks/22_x.ipynb: what is wrong; its repair`; empty if all is well.

    Args:
        folder: holds the notebooks.
        readme: has the index; README.md beside the folder if not given.
    """
    readme = readme or folder.parent / "README.md"
    paths = sorted(folder.glob("[!.]*.ipynb"))
    taken = Counter(path.name[:2] for path in paths)
    problems = [f"{_label(p)}: not NN_topic.ipynb; rename it" for p in paths if not _NAME.fullmatch(p.name)]
    problems += [f"{_label(p)}: its number is used twice; rename one" for p in paths if taken[p.name[:2]] > 1]
    try:
        lessons = contents(folder)
        for lesson in lessons:
            broken = [*_stale(lesson.path, _normalised(lesson, lessons, readme)), *_broken_rules(lesson.path)]
            problems += [f"{_label(lesson.path)}: {problem}" for problem in broken]
        if _with_index(readme, lessons) != readme.read_text(encoding="utf-8"):
            problems.append(f"{readme.name}: stale index of notebooks; run: make notebooks")
    except ValueError as error:  # a file that can't be read hides what comes after it
        problems.append(str(error))
    return problems


def execute(
    notebook: Path, output: Path, parameters: dict[str, Any], *, timeout: int = 1800, cwd: Path | None = None
) -> Path:
    """Run a notebook in a fresh kernel of this Python and keep the executed copy.

    Args:
        notebook: the .ipynb to run; it is not changed.
        output: `name.ipynb`, where the executed copy goes once every cell has run. A run that fails leaves
            `name.failed.ipynb` beside it instead, with the error in place.
        parameters: values that replace the notebook's defaults.
        timeout: seconds that one cell may take.
        cwd: the kernel's folder; if not given the notebook's own, as in JupyterLab.

    Returns:
        `output`.

    Raises:
        ValueError: a parameter that the notebook does not have; nothing was run.
        NotebookError: a cell failed; the message names it, the error, and the copy that was kept.
    """
    valid = parameter_defaults(notebook)
    if unknown := [name for name in parameters if name not in valid]:
        known = ", ".join(valid) or "none"
        raise ValueError(f"{notebook.name} has no parameter {', '.join(unknown)}; choose from {known}")
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill import PapermillExecutionError, execute_notebook

    # papermill changes the working folder, and records the parameters as JSON, which knows no paths.
    target = output.absolute()
    values = {name: str(value) if isinstance(value, Path) else value for name, value in parameters.items()}
    failed = target.with_name(f"{target.stem}.failed.ipynb")
    failed.unlink(missing_ok=True)
    with replacing(target) as partial:
        try:
            executed = execute_notebook(
                notebook.absolute(),
                partial,
                values,
                kernel_name="python3",
                language="python",
                kernel_manager_class=_own_kernel_manager(),
                progress_bar=sys.stderr.isatty(),
                execution_timeout=timeout,
                cwd=cwd or notebook.absolute().parent,
            )
        except (PapermillExecutionError, CellTimeoutError, DeadKernelError) as error:
            os.replace(partial, failed)
            raise NotebookError(f"{_label(notebook)}: {_reason(error, notebook)}; see {failed}") from error
        # Names, not this machine's folders: executed copies are published.
        executed.metadata.papermill.update(input_path=notebook.name, output_path=target.name)
        nbformat.write(executed, partial)
    return output


def main(arguments: list[str] | None = None) -> int:
    """Write what is generated, or with `--check` list the problems; 1 if there are any."""
    parser = argparse.ArgumentParser(prog="python -m mbhelpers.notebooks", description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, list what is wrong")
    options = parser.parse_args(arguments)
    folder = settings.project_folder() / "notebooks"
    try:
        problems = check(folder) if options.check else []
        for path in [] if options.check else write_headers(folder):
            print(f"wrote {path}")
    except ValueError as error:
        problems = [str(error)]
    print(*problems, sep="\n", end="\n" if problems else "", file=sys.stderr)
    return 1 if problems else 0


def _own_kernel_manager() -> type:
    """A kernel manager that starts this Python, whichever one is registered on the machine as `python3`."""
    from ipykernel.kernelspec import get_kernel_dict
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class OwnKernelManager(AsyncKernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(**get_kernel_dict(["--log-level=ERROR"]))

    return OwnKernelManager


def _reason(error: Exception, notebook: Path) -> str:
    """What stopped a run, in one line; papermill's own count includes the cell that it injects."""
    from papermill import PapermillExecutionError

    if not isinstance(error, PapermillExecutionError):
        return " ".join(str(error).split()) or type(error).__name__
    cells = _read(notebook).cells
    place = next((str(n) for n, cell in enumerate(cells) if cell.source == error.source), "of the parameters")
    return f"cell {place} raised {error.ename}: {error.evalue}"


def _label(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def _text(notebook: NotebookNode) -> str:
    return nbformat.writes(notebook) + "\n"


def _read(path: Path) -> NotebookNode:
    """The notebook in format 4.5; a cell without an id gets the same one at every reading."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        ids = {cell.get("id") for cell in content["cells"]}
        for cell in content["cells"]:
            if "id" not in cell:
                cell["id"] = next(name for n in count() if (name := f"cell-{n:02d}") not in ids)
                ids.add(cell["id"])
        content.update(nbformat=4, nbformat_minor=5)
        nbformat.validate(content)
    except (ValueError, KeyError, TypeError, AttributeError, nbformat.ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{_label(path)}: no valid notebook ({reason}); mend it or restore it from git") from None
    return nbformat.reads(json.dumps(content), as_version=4)


def _lesson(path: Path) -> Lesson:
    """Title and goal from the first cell; the file's name where it has none, which `check` reports."""
    cells = _read(path).cells
    lines = [line.strip() for line in cells[0].source.splitlines() if line.strip()] if cells else []
    title = lines[0][2:].strip() if lines and lines[0].startswith("# ") else path.stem
    return Lesson(path, int(path.name[:2]), title, lines[1] if len(lines) > 1 else "")


def _header(lesson: Lesson, lessons: list[Lesson], readme: Path) -> str:
    """Colab badge, and links to the previous notebook, the contents and the next one."""
    place = lessons.index(lesson)
    links = [f"Previous: [{other.title}]({other.path.name})" for other in lessons[max(place - 1, 0) : place]]
    links += [f"[Contents]({_relative(readme, lesson.path.parent)})"]
    links += [f"Next: [{other.title}]({other.path.name})" for other in lessons[place + 1 : place + 2]]
    badge = f"[![Open in Colab]({_COLAB}/assets/colab-badge.svg)]({colab_address(lesson)})"
    return f"{badge}\n\n{' | '.join(links)}"


def _relative(path: Path, start: Path) -> str:
    return Path(os.path.relpath(path, start)).as_posix()


def _with_index(readme: Path, lessons: list[Lesson]) -> str:
    """The README's text with a current index of the notebooks between its markers."""
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    head, begin, rest = text.partition(_BEGIN)
    _, end, tail = rest.partition(_END)
    if not end:
        raise ValueError(f"{readme.name}: no place for the index; add the lines {_BEGIN} and {_END}")
    table = ["| Notebook | Goal |", "|---|---|"]
    for lesson in lessons:
        link = f"[{lesson.number:02d} {lesson.title}]({_relative(lesson.path, readme.parent)})"
        table.append("| " + " | ".join(text.replace("|", r"\|") for text in (link, lesson.goal)) + " |")
    return "\n".join([head + begin, *table, end + tail])


def _normalised(lesson: Lesson, lessons: list[Lesson], readme: Path) -> NotebookNode:
    """The notebook as it should stand in git."""
    generated = set(_GENERATED.values())
    cells = [c for c in _read(lesson.path).cells if c.source.strip() and not generated & set(_tags(c))]
    for cell in cells:
        cell.metadata = {"tags": _tags(cell)} if _tags(cell) else {}
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
    header = _header(lesson, lessons, readme)
    install = _INSTALL.format(extras=_EXTRAS.get(lesson.path.stem, ""))
    cells.insert(1, v4.new_markdown_cell(header, id="header", metadata={"tags": ["header"]}))
    cells.insert(3, v4.new_code_cell(install, id="install", metadata={"tags": ["install"]}))
    return v4.new_notebook(cells=cells, metadata=_METADATA)


def _stale(path: Path, wanted: NotebookNode) -> Iterator[str]:
    """Differences between a notebook and its normalised form; the specific ones first."""
    cells = _read(path).cells
    specific = False
    for place, tag in _GENERATED.items():
        if [c.source for c in cells[place : place + 1]] != [c.source for c in wanted.cells[place : place + 1]]:
            specific = True
            yield f"stale {tag}; run: make notebooks"
    if any(cell.get("outputs") or cell.get("execution_count") for cell in cells):
        specific = True
        yield "committed outputs; run: make notebooks"
    if not specific and path.read_text(encoding="utf-8") != _text(wanted):
        yield "ids, metadata or layout of the file are not as generated; run: make notebooks"


@dataclass(frozen=True)
class _Code:
    """A hand-written code cell."""

    place: int
    source: str
    tags: list[str]
    tree: ast.Module


def _broken_rules(path: Path) -> Iterator[str]:
    """Broken rules of the hand-written cells, in their order of reading."""
    cells = _read(path).cells
    yield from _broken_layout(cells)
    code = []
    for place, cell in enumerate(cells):
        if cell.cell_type == "code" and "install" not in _tags(cell):
            try:
                tree = ast.parse(_MAGIC.sub(r"\1pass", cell.source))
            except SyntaxError as error:
                yield f"cell {place}: {error.msg} in line {error.lineno}; correct it"
                return
            code.append(_Code(place, cell.source, _tags(cell), tree))
    tagged = {tag: [cell for cell in code if tag in cell.tags] for tag in ("parameters", "check")}
    for tag, found in tagged.items():
        if len(found) != 1:
            yield f"{len(found)} code cells tagged {tag!r}; tag exactly one"
    for cell in tagged["parameters"]:
        yield from _broken_parameters(cell, [other for other in code if other.place > cell.place])
    importing = [cell.place for cell in code if _has(cell, ast.Import, ast.ImportFrom)]
    for cell in code:
        yield from (f"cell {cell.place}: {problem}" for problem in _broken_code(cell, importing))


def _broken_layout(cells: list[NotebookNode]) -> Iterator[str]:
    first = [line for line in cells[0].source.splitlines() if line.strip()] if cells else []
    if len(first) != 2 or not first[0].startswith("# "):
        yield "cell 0 is not a title and a goal; write `# Title`, an empty line, one line of goal"
    markdown = [cell.source if cell.cell_type == "markdown" else "" for cell in cells]
    fences = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)  # `# ` in there is a comment
    headings = re.findall(r"^##? ", fences.sub("", "\n".join(markdown)), re.MULTILINE)
    if headings.count("# ") != 1:
        yield f"{headings.count('# ')} H1 headings; keep one, in cell 0, and use ## for sections"
    if "## " not in headings:
        yield "no section headings; begin each section with `## Verb ...`"
    for place, content in (
        (2, "what you will learn, needs, produces, minutes"),
        (-1, "what to remember, next"),
    ):
        if len(cells) < 4 or not markdown[place]:
            yield f"cell {place} is not Markdown; write there: {content}"


def _broken_parameters(cell: _Code, later: list[_Code]) -> Iterator[str]:
    names = (node for other in later for node in ast.walk(other.tree) if isinstance(node, ast.Name))
    read = {name.id for name in names if isinstance(name.ctx, ast.Load)}
    for statement in cell.tree.body:
        line = cell.source.splitlines()[statement.lineno - 1]
        rest = line.encode()[statement.end_col_offset :].strip()  # offsets count UTF-8 bytes
        try:
            name, _ = _assignment(statement)
        except ValueError as error:
            yield f"cell {cell.place}: {error}"
            continue
        if statement.lineno != statement.end_lineno or (rest and not rest.startswith(b"#")):
            yield f"cell {cell.place}: {name} is not alone on one line; write one `name = literal` a line"
        elif name not in SHARED_PARAMETERS and not rest:
            yield f"cell {cell.place}: {name} is no shared parameter; explain it in a trailing comment"
        if name not in read:
            yield f"parameter {name} is read by no later cell; use it or drop it"


def _broken_code(cell: _Code, importing: list[int]) -> Iterator[str]:
    lines = [line for line in cell.source.splitlines() if line.strip() and not line.strip().startswith("#")]
    if len(lines) > MAX_CODE_LINES:
        yield f"{len(lines)} lines of code, at most {MAX_CODE_LINES}; split it or move code to mbhelpers"
    if cell.place in importing[1:]:
        yield f"imports; move them to the import cell, cell {importing[0]}"
    if _has(cell, ast.Global):
        yield "`global`; pass values as arguments"
    if "check" in cell.tags and not _has(cell, ast.Assert):
        yield "a check cell without assert; assert what was learned"
    if "check" not in cell.tags and _has(cell, ast.Assert):
        yield "assert outside the check cell; move it there"
    tests = [node.test for node in ast.walk(cell.tree) if isinstance(node, ast.If | ast.IfExp | ast.While)]
    names = {getattr(node, "id", getattr(node, "attr", "")) for test in tests for node in ast.walk(test)}
    if {"smoke", "SMOKE"} & names:
        yield "branches on smoke; let the configuration depend on it, in mbhelpers"


def _assignment(statement: ast.stmt) -> tuple[str, Any]:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            with suppress(ValueError):
                return name, ast.literal_eval(value)
    raise ValueError(f"`{ast.unparse(statement)}` is no parameter; write one `name = literal` a line")


def _has(cell: _Code, *kinds: type[ast.AST]) -> bool:
    return any(isinstance(node, kinds) for node in ast.walk(cell.tree))


if __name__ == "__main__":
    sys.exit(main())
