"""The gallery: the executed notebooks, results and cards as a static site, `python -m mbhelpers.reporting.site`.

Without arguments every notebook whose executed copy in runs/site/ is missing or older than itself is executed, in smoke
mode, the cards of the committed results are made, and site/ is built from them. Open site/index.html; no server is
needed, and no network.
"""

import argparse
import html
import posixpath
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from mbhelpers import notebooks, settings
from mbhelpers.files import replacing
from mbhelpers.notebooks import Lesson
from mbhelpers.reporting import page
from mbhelpers.reporting.detection_facts import detector_lines
from mbhelpers.reporting.int8_facts import cost_lines
from mbhelpers.reporting.model_card import run_folders, write_card
from mbhelpers.reporting.site_pages import STYLE, Rendered, broken, code_style, render, thumbnail
from mbhelpers.reporting.training_facts import results_table

TITLE = "MobileNet on edge devices"
_RESULTS = "results.html"


def build_site(
    executed: Path, output: Path, *, lessons: Sequence[Lesson], results: Path, cards: Mapping[str, Path]
) -> Path:
    """Write the site, whole or not at all: index, a page a lesson, results, cards.

    Args:
        executed: folder of the executed notebooks, under their own names.
        output: the site's folder; what a former call wrote there is replaced.
        lessons: in the order of the site, see `notebooks.contents`.
        results: folder of the committed results, for the tables.
        cards: HTML files from `model_card.write_card`, by the name of what they are about.

    Returns:
        The index, an HTML file.

    Raises:
        ValueError: a notebook was not executed or failed, a page would load something or links to nothing, or
            `output` holds something else; nothing was written.
    """
    if output.exists() and not (output / "index.html").is_file() and (not output.is_dir() or any(output.iterdir())):
        raise ValueError(f"{output} is no site that could be replaced; choose a new folder")
    held = [_executed(executed, lesson) for lesson in lessons]
    rendered = [render(notebook, _address_on(lessons)) for notebook in held]
    files = {name: f"cards/{path.name}" for name, path in cards.items()}
    with replacing(output) as folder:
        style = STYLE + code_style()
        page.write_page(folder / "index.html", TITLE, _index(lessons, rendered), style=STYLE)
        page.write_page(folder / _RESULTS, "Results", _results(results, files), style=STYLE)
        for place, (lesson, shown) in enumerate(zip(lessons, rendered, strict=True)):
            around = _navigation(lessons, place)
            body = [around, *_told(lesson, held[place]), shown.body, around]
            page.write_page(folder / f"{lesson.path.stem}.html", lesson.title, body, style=style)
        for name, path in cards.items():
            _copy_card(path, folder / files[name])
        pages = {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in folder.rglob("*.html")}
        if problems := broken(pages):
            raise ValueError("the site would not stand alone: " + "; ".join(problems[:5]))
    return output / "index.html"


def execute_all(lessons: Sequence[Lesson], folder: Path) -> None:
    """Execute in smoke mode the notebooks whose copy in a folder is missing or older than they are.

    Raises:
        NotebookError: one failed; the copies that were made stay.
    """
    for lesson in lessons:
        target = folder / lesson.path.name
        if target.is_file() and target.stat().st_mtime > lesson.path.stat().st_mtime:
            continue
        print(f"executing {lesson.path.name}", flush=True)
        known = notebooks.parameter_defaults(lesson.path)
        notebooks.execute(lesson.path, target, {"smoke": True} if "smoke" in known else {})


def make_cards(results: Path, folder: Path) -> dict[str, Path]:
    """The cards of the results that come with their model, made if they are missing or older than the results.

    Returns:
        The HTML files by `DATASET/ROW`.
    """
    found = {}
    for run in run_folders([results]):
        if not (run / "model_int8.tflite").is_file():
            continue
        name = "/".join(run.parts[-2:])
        path = found[name] = folder / f"{name.replace('/', '_')}.html"
        if not path.is_file() or path.stat().st_mtime < (run / "metrics.json").stat().st_mtime:
            print(f"making the card of {name}", flush=True)
            write_card([run], path)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Execute the notebooks that need it, make the cards, build the site; 1 if a notebook failed."""
    parser = argparse.ArgumentParser(prog="python -m mbhelpers.reporting.site", description=main.__doc__)
    parser.add_argument("--executed", type=Path, help="take executed notebooks from this folder, and execute none")
    parser.add_argument("--output", type=Path, default=settings.project_folder() / "site", help="the site's folder")
    options = parser.parse_args(arguments)
    made = settings.runs_folder(smoke=False) / "site"
    results = settings.results_folder()
    try:
        lessons = notebooks.contents(settings.project_folder() / "notebooks")
        if options.executed is None:
            execute_all(lessons, made)
        cards = make_cards(results, made / "cards")
        print(build_site(options.executed or made, options.output, lessons=lessons, results=results, cards=cards))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _executed(folder: Path, lesson: Lesson) -> NotebookNode:
    """The executed copy of a lesson.

    Raises:
        ValueError: it is missing, was not executed to its end, or has an error in it.
    """
    path = folder / lesson.path.name
    failed = path.with_name(f"{path.stem}.failed.ipynb")
    if failed.is_file():
        raise ValueError(f"{path.name} failed, see {failed}; mend it and run: make site")
    if not path.is_file():
        raise ValueError(f"{path.name} was not executed: it is not in {folder}; run: make site")
    try:
        notebook = nbformat.read(path, as_version=4)
    except (ValueError, nbformat.ValidationError) as error:
        raise ValueError(
            f"{path} is no notebook ({str(error).splitlines()[0]}); delete it and run: make site"
        ) from None
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    for cell in code:
        for output in cell.outputs:
            if output.output_type == "error":
                raise ValueError(f"{path.name} failed with {output.ename}: {output.evalue}; mend it and run: make site")
    if not code or any(cell.execution_count is None for cell in code):
        raise ValueError(f"{path} was not executed to its end; delete it and run: make site")
    return notebook


def _address_on(lessons: Sequence[Lesson]):
    """What a relative link in a notebook leads to on the site; files that are not on it, to the repository."""
    known = {lesson.path.name: f"{lesson.path.stem}.html" for lesson in lessons} | {"../README.md": "index.html"}

    def address(link: str) -> str:
        if "://" in link or link in known:
            return known.get(link, link)
        inside = posixpath.normpath(posixpath.join("notebooks", link))
        return f"{notebooks.REPOSITORY}/blob/{notebooks.BRANCH}/{inside}"

    return address


def _link(address: str, text: str) -> str:
    return f'<a href="{html.escape(address)}">{html.escape(text)}</a>'


def _name(lesson: Lesson) -> str:
    return f"{lesson.number:02d} {lesson.title}"


def _navigation(lessons: Sequence[Lesson], place: int) -> str:
    """Links to the lesson before, the contents, the results and the lesson after."""
    links = [_link("index.html", "Contents"), _link(_RESULTS, "Results")]
    if place > 0:
        before = lessons[place - 1]
        links.insert(0, _link(f"{before.path.stem}.html", f"Previous: {before.title}"))
    if place + 1 < len(lessons):
        after = lessons[place + 1]
        links.append(_link(f"{after.path.stem}.html", f"Next: {after.title}"))
    return "<nav>" + "".join(links) + "</nav>"


def _told(lesson: Lesson, notebook: NotebookNode) -> list[str]:
    """The goal, where to run it, and how this copy was run."""
    said = [page.paragraph(lesson.goal), f"<p>{_link(notebooks.colab_address(lesson), 'Open in Colab')}</p>"]
    if notebook.metadata.get("papermill", {}).get("parameters", {}).get("smoke"):
        said.append(page.paragraph("Executed in smoke mode: short, on drawn pictures. It shows that every step works;"
                                   " its accuracies say nothing about photographs.", "warning"))  # fmt: skip
    return said


def _index(lessons: Sequence[Lesson], rendered: Sequence[Rendered]) -> list[str]:
    """The lessons in order, each with its first figure."""
    items = []
    for lesson, shown in zip(lessons, rendered, strict=True):
        picture = f'<img alt="" src="{thumbnail(shown.picture)}">' if shown.picture else ""
        items.append(
            f"<li>{picture}{_link(f'{lesson.path.stem}.html', _name(lesson))}{page.paragraph(lesson.goal)}</li>"
        )
    return [
        page.paragraph("From a data set to a quantized model with numbers one can trust: lessons, executed."),
        f"<nav>{_link(_RESULTS, 'Results: tables and model cards')}</nav>",
        f'<ol class="lessons">{"".join(items)}</ol>',
    ]


def _results(results: Path, cards: Mapping[str, str]) -> list[str]:
    """The tables of the README, and links to the cards."""
    trained = results_table(results).astype(str).to_dict("records")
    return [
        f"<nav>{_link('index.html', 'Contents')}</nav>",
        page.heading("Classifiers"),
        page.paragraph(
            "Float and int8 in percent of the n test images, with the 95 % interval of int8; published is ST's int8 "
            "validation accuracy for the whole data set, on pictures that also chose the epoch."
        ),
        page.table(trained),
        page.heading("What int8 costs"),
        page.paragraph("In points of top-1 against float on the same test images, with the 95 % interval."),
        page.table(_plain(cost_lines(results))),
        page.heading("Detectors"),
        page.paragraph("AP in percent, and points against float; intervals are those of drawing the images again."),
        page.table(_plain(detector_lines(results))),
        page.heading("Model cards"),
        "<ul>" + "".join(f"<li>{_link(path, name)}</li>" for name, path in cards.items()) + "</ul>",
    ]


def _plain(lines: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Lines of the README's tables without Markdown's marks of code."""
    return [{name: text.replace("`", "") for name, text in line.items()} for line in lines]


def _copy_card(card: Path, target: Path) -> None:
    """A card with a way back."""
    text = card.read_text(encoding="utf-8")
    back = f"<nav>{_link(f'../{_RESULTS}', 'Results')}</nav>"
    with replacing(target) as temporary:
        temporary.write_text(text.replace("<body>", f"<body>{back}", 1), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
