"""The gallery in a browser that has no network: nothing is missing, on a desk, in the dark and on a phone."""

import nbformat
import pytest
from nbformat import v4

from mbhelpers import notebooks, settings
from mbhelpers.reporting import page, site

DRAW = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
TABLE = "import pandas as pd\npd.DataFrame({str(k): [k] for k in range(40)})"
SLIDER = "from ipywidgets import FloatSlider, interact\ninteract(lambda x: x, x=FloatSlider(0.5, max=1))"
VIEWS = {
    "desk": {"viewport": {"width": 1280, "height": 900}},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}},
}
LOADED = "images => images.map(image => image.complete && image.naturalWidth > 0)"


@pytest.fixture
def built(tmp_path):
    """A site of two notebooks that were executed here."""
    for name in ("10_first.ipynb", "20_second.ipynb"):
        cells = [v4.new_markdown_cell("# Draw\n\nSee a line."), *map(v4.new_code_cell, (DRAW, TABLE, SLIDER))]
        source = tmp_path / "notebooks" / name
        source.parent.mkdir(exist_ok=True)
        nbformat.write(v4.new_notebook(cells=cells), source)
        notebooks.execute(source, tmp_path / "executed" / name, {})
    card = page.write_page(tmp_path / "card.html", "A card", [page.table([{"a": "b" * 90}])])
    lessons = notebooks.contents(tmp_path / "notebooks")
    results = settings.results_folder()
    return site.build_site(
        tmp_path / "executed", tmp_path / "site", lessons=lessons, results=results, cards={"flowers/a": card}
    )


@pytest.mark.notebook
def test_the_site_needs_no_network(built, request):
    chromium = request.getfixturevalue("chromium")  # after the notebooks: its event loop lets no other run
    pages = sorted(built.parent.rglob("*.html"))
    wrong = []
    for name, view in VIEWS.items():
        context = chromium.new_context(offline=True, **view)
        shown = context.new_page()
        shown.on("console", lambda message: wrong.append(f"console: {message.text}"))
        shown.on("pageerror", lambda error: wrong.append(f"script: {error}"))
        shown.on("requestfailed", lambda request: wrong.append(f"failed: {request.url[:100]}"))
        shown.on("request", lambda request: request.url.startswith(("file:", "data:")) or wrong.append(request.url))
        for path in pages:
            shown.goto(path.as_uri())
            images = shown.locator("img").evaluate_all(LOADED)
            figures = {"index.html": 2, "10_first.html": 1, "20_second.html": 1}.get(path.name, 0)
            assert len(images) == figures and all(images), (name, path.name, images)
            wide, window = shown.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
            assert wide <= window, f"{path.name} on a {name} is {wide} wide, more than {window}"
        ground = shown.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, ground[4:-1].split(","))) < 200) == (name == "dark"), (name, ground)
        context.close()
    walk(chromium, built)
    assert not wrong, wrong


def walk(chromium, index):
    """From the index by its links to a lesson, the next one, the results and a card."""
    shown = chromium.new_context(offline=True).new_page()
    shown.goto(index.as_uri())
    for link, title in (("10 Draw", "Draw"), ("Next: Draw", "Draw"), ("Results", "Results"), ("flowers/a", "A card")):
        shown.get_by_role("link", name=link).first.click()
        shown.wait_for_load_state()
        assert shown.title() == title
    assert shown.url.endswith("/cards/card.html")
