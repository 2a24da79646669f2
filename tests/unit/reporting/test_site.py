"""The site on two small executed notebooks; tests/notebooks/test_site.py opens one in a browser."""

import base64
import io
import os

import nbformat
import pytest
from nbformat import v4
from PIL import Image

from mbhelpers import notebooks, settings
from mbhelpers.reporting import site, site_pages

NAMES = ("10_first.ipynb", "20_second.ipynb")
VIEW, STATES = site_pages._WIDGET, site_pages._STATES


def png(colour="teal", size=(640, 320)):
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, format="PNG")
    return base64.b64encode(stream.getvalue()).decode()


def executed_cells():
    """A lesson after its run: a table, a figure, a progress bar, and links."""
    table = (
        '<style scoped>.dataframe {color: black}</style><table border="1" class="dataframe"><tr><td>7</td></tr></table>'
    )
    bar = v4.new_output("stream", text=f"10 %\r100 %\nin {settings.project_folder()}/runs/smoke\n")
    first = v4.new_output("execute_result", {"text/html": table, "text/plain": "7"}, execution_count=1)
    second = v4.new_output("display_data", {"image/png": png(), "text/plain": "<Figure>"})
    return [
        v4.new_markdown_cell("# A & B\n\nSee <it>."),
        v4.new_markdown_cell("[![Open](https://example.org/badge.svg)](x)", metadata={"tags": ["header"]}),
        v4.new_code_cell("%pip install x", metadata={"tags": ["install"]}, execution_count=1),
        v4.new_markdown_cell("Go to [20](20_second.ipynb), [home](../README.md), [data](../data/README.md)."),
        v4.new_code_cell("table", outputs=[first], execution_count=2),
        v4.new_code_cell("figure", outputs=[bar, second], execution_count=3),
    ]


@pytest.fixture
def executed(tmp_path):
    """Two executed notebooks, in `executed`, of the same names as their sources."""
    folder = tmp_path / "executed"
    folder.mkdir()
    for name in NAMES:
        nbformat.write(v4.new_notebook(cells=executed_cells()), folder / name)
    return folder


@pytest.fixture
def build(tmp_path, executed):
    """Builds the site of what lies in `executed`."""
    card = tmp_path / "card.html"
    site.page.write_page(card, "A card", ["<p>one</p>"])

    def build_here(lessons=None, output=tmp_path / "site"):
        lessons = lessons or notebooks.contents(executed)
        return site.build_site(
            executed, output, lessons=lessons, results=settings.results_folder(), cards={"flowers/a": card}
        )

    return build_here


def test_a_site_has_lessons_in_order_results_and_cards(build, tmp_path):
    index = build()
    assert index == tmp_path / "site" / "index.html"
    names = {path.relative_to(index.parent).as_posix() for path in index.parent.rglob("*.*")}
    assert names == {"index.html", "results.html", "10_first.html", "20_second.html", "cards/card.html"}
    text = index.read_text("utf-8")
    assert text.index("10 A &amp; B") < text.index("20 A &amp; B") and text.count("data:image/png") == 2
    results = (index.parent / "results.html").read_text("utf-8")
    assert "flowers/mobilenet_v2_0.35_128_fft" in results and 'href="cards/card.html"' in results
    assert "`" not in results, "the README's tables are Markdown, this is none"
    assert 'href="../results.html"' in (index.parent / "cards" / "card.html").read_text("utf-8")


def test_a_lesson_is_its_text_code_and_outputs(build):
    text = (build().parent / "10_first.html").read_text("utf-8")
    assert text.count("<h1") == 1 and 'href="20_second.html">Next: A &amp; B' in text and "Previous" not in text
    assert 'href="20_second.html">20</a>' in text and 'href="index.html">home</a>' in text
    assert f'href="{notebooks.REPOSITORY}/blob/main/data/README.md"' in text
    assert "badge.svg" not in text and "%pip" not in text, "the site has its own header"
    assert "<style scoped>" not in text, "pandas' own style is for light pages"
    assert "100 %" in text and "10 %\r" not in text and ">10 %" not in text, "the end of a progress bar is enough"
    assert str(settings.project_folder()) not in text and "in runs/smoke" in text
    assert text.count(png()) == 1 and "<script" not in text
    assert "smoke mode" not in text


def test_a_short_run_says_so(build, executed):
    path = executed / NAMES[0]
    notebook = nbformat.read(path, 4)
    notebook.metadata["papermill"] = {"parameters": {"smoke": True}}
    nbformat.write(notebook, path)
    assert "smoke mode" in (build().parent / "10_first.html").read_text("utf-8")


@pytest.mark.parametrize("pictured", [False, True])
def test_a_widget_becomes_what_it_showed(pictured):
    figure = {"output_type": "display_data", "data": {"image/png": png("red")}, "metadata": {}}
    states = {
        "box": {"state": {"children": ["IPY_MODEL_slider", "IPY_MODEL_shown"]}},
        "slider": {"state": {"description": "score", "value": 0.4, "min": 0.05, "max": 0.95}},
        "shown": {"state": {"outputs": [figure]}},
    }
    outputs = [v4.new_output("display_data", {VIEW: {"model_id": "box"}, "text/plain": "interactive(...)"})]
    if pictured:
        outputs.append(v4.new_output("display_data", {"image/png": png("blue")}))
    cells = [v4.new_markdown_cell("# A\n\nB."), v4.new_code_cell("interact()", outputs=outputs)]
    notebook = v4.new_notebook(cells=cells, metadata={"widgets": {STATES: {"state": states}}})
    shown = site_pages.render(notebook, str)
    assert "score = 0.4 (0.05 to 0.95)" in shown.body and "interactive(" not in shown.body
    assert shown.body.count("<img") == 1, "once, from the widget or from the cell"
    assert png("blue" if pictured else "red") in shown.body


def fail(cells):
    cells[4].outputs = [v4.new_output("error", ename="KeyError", evalue="'x'", traceback=[])]


WRONG = [
    (lambda path, nb: path.unlink(), r"20_second\.ipynb was not executed", "missing"),
    (
        lambda path, nb: path.with_name("20_second.failed.ipynb").touch(),
        r"20_second\.ipynb failed, see",
        "left by a run",
    ),
    (lambda path, nb: path.write_text("{"), r"20_second\.ipynb is no notebook", "cut off"),
    (lambda path, nb: fail(nb.cells), r"20_second\.ipynb failed with KeyError: 'x'", "an error among outputs"),
    (lambda path, nb: nb.cells[5].update(execution_count=None), "not executed to its end", "stopped in the middle"),
]


@pytest.mark.parametrize(("change", "problem", "why"), WRONG, ids=[row[2] for row in WRONG])
def test_what_was_not_executed_is_named_and_nothing_written(build, executed, tmp_path, change, problem, why):
    lessons = notebooks.contents(executed)
    path = executed / NAMES[1]
    notebook = nbformat.read(path, 4)
    before = path.read_bytes()
    change(path, notebook)
    if path.is_file() and path.read_bytes() == before:
        nbformat.write(notebook, path)
    with pytest.raises(ValueError, match=problem):
        build(lessons)
    assert not (tmp_path / "site").exists()


def test_a_folder_of_other_things_is_not_replaced(build, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").touch()
    with pytest.raises(ValueError, match="no site that could be replaced"):
        build(output=other)
    assert (other / "thesis.tex").is_file()
    assert build().stat().st_mtime_ns != build().stat().st_mtime_ns, "a site is"


@pytest.mark.parametrize(
    ("inside", "problem", "why"),
    [
        ('<img src="data:image/png;base64,AA==">', None, "within the page"),
        ('<a href="https://example.org/">x</a>', None, "a link loads nothing"),
        ('<a href="b/two.html#part">x</a>', None, "a page of the site"),
        ('<a href="#part">x</a>', None, "a place on the page"),
        ('<a href="three.html">x</a>', "links to three.html", "no such page"),
        ('<img src="https://example.org/a.png">', "loads https://example.org/a.png", "a picture from outside"),
        ('<link rel="stylesheet" href="a.css">', "loads a.css", "a style beside the page"),
        ("<script>1</script>", "loads <script>", "no page needs one"),
        ("<style>@import 'x.css'; a { background: url(y.png) }</style>", "loads y.png", "a style's picture"),
    ],
)
def test_pages_stand_alone(inside, problem, why):
    found = site_pages.broken({"one.html": inside, "b/two.html": '<a href="../one.html">back</a>'})
    assert any(problem in line for line in found) if problem else found == [], (found, why)


def test_only_stale_notebooks_are_executed(executed, tmp_path, monkeypatch):
    sources = tmp_path / "sources"
    sources.mkdir()
    for name in NAMES:
        parameters = v4.new_code_cell("smoke = None", metadata={"tags": ["parameters"]})
        nbformat.write(v4.new_notebook(cells=[v4.new_markdown_cell("# A\n\nB."), parameters]), sources / name)
    os.utime(sources / NAMES[0], (1, 1))  # older than its executed copy
    ran = []
    monkeypatch.setattr(site.notebooks, "execute", lambda *arguments: ran.append(arguments))
    os.utime(executed / NAMES[1], (1, 1))
    site.execute_all(notebooks.contents(sources), executed)
    assert ran == [(sources / NAMES[1], executed / NAMES[1], {"smoke": True})]


def test_command_names_the_notebook_that_was_not_executed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(site, "make_cards", lambda results, folder: {})
    assert site.main(["--executed", str(tmp_path), "--output", str(tmp_path / "site")]) == 1
    assert "00_start_here.ipynb was not executed" in capsys.readouterr().err
