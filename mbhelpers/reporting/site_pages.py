"""The pages of the gallery: an executed notebook as a page that needs nothing from outside."""

import base64
import io
import posixpath
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

from nbformat import NotebookNode

from mbhelpers import settings

THUMBNAIL = (480, 300)
"""Largest width and height of a lesson's picture in the index, in pixels."""

_WIDGET = "application/vnd.jupyter.widget-view+json"
_STATES = "application/vnd.jupyter.widget-state+json"
_DROPPED = {"header", "install", "injected-parameters"}  # the site has its own header; the rest is about running
_STYLE_OF_PANDAS = re.compile(r"<style.*?</style>", re.DOTALL)
_LINK = re.compile(r"(?<!!)(\]\()([^)\s#]+)")  # of Markdown, not of a picture

STYLE = """
.highlight, .output_area > pre, .output_subarea > pre { overflow-x: auto; }
.input_area { background: var(--soft); padding: .1rem .8rem; border-left: 3px solid var(--line); margin: 1rem 0 .4rem; }
pre { font-size: .84rem; line-height: 1.4; margin: .5rem 0; overflow-x: auto; }
pre code { padding: 0; }
.highlight { background: none !important; }
.output_error pre { background: var(--warn); }
.output_png img { display: block; margin: .8rem 0; }
.output_html table { font-size: .88rem; font-variant-numeric: tabular-nums; }
.cell.code_cell { margin: 1rem 0; }
.dataframe { border: 0; }
.dataframe th, .dataframe td { border-width: 0 0 1px; }
li, a { overflow-wrap: anywhere; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.5rem; margin: 1rem 0; font-size: .92rem; }
a { color: #0a58a8; }
.lessons { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1.5rem; padding: 0; }
.lessons li { list-style: none; border: 1px solid var(--line); border-radius: 6px; padding: .9rem; }
.lessons img { display: block; width: 100%; height: 9.5rem; object-fit: contain; background: #fff; }
.lessons p { margin: .3rem 0 0; font-size: .9rem; }
@media (prefers-color-scheme: dark) { a { color: #7db8f5; } }
@media (max-width: 40rem) { .output_png img { max-width: none; width: 40rem; } .output_png { overflow-x: auto; } }
"""


class Rendered(NamedTuple):
    """A lesson as HTML without its title, and its first figure as a PNG file's bytes, None where it has none."""

    body: str
    picture: bytes | None


def code_style() -> str:
    """The colours of code, on light and on dark."""
    from pygments.formatters import HtmlFormatter

    light, dark = (HtmlFormatter(style=name).get_style_defs(".highlight") for name in ("friendly", "github-dark"))
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


def render(notebook: NotebookNode, address: Callable[[str], str]) -> Rendered:
    """An executed notebook as HTML: text, code and outputs, widgets as what they showed.

    Args:
        notebook: executed; it is changed.
        address: what a relative link of its text leads to on the site.
    """
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    states = notebook.metadata.get("widgets", {}).get(_STATES, {}).get("state", {})
    kept = [cell for cell in notebook.cells[1:] if not _DROPPED & set(cell.metadata.get("tags", []))]
    for cell in kept:
        if cell.cell_type == "markdown":
            cell.source = _LINK.sub(lambda link: link[1] + address(link[2]), cell.source)
        elif cell.cell_type == "code":
            cell.outputs = [shown for output in cell.outputs for shown in _static(output, cell.outputs, states)]
    notebook.cells = kept
    notebook.metadata.pop("widgets", None)
    # "basic" is the body alone: no styles, scripts or fonts, which other templates load from elsewhere.
    exporter = HTMLExporter(
        config=Config({"CoalesceStreamsPreprocessor": {"enabled": True}}),  # of a progress bar, its end
        template_name="basic",
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )
    body, _ = exporter.from_notebook_node(notebook)
    return Rendered(body.replace("<img src=", '<img alt="Figure" src='), _first_picture(kept))


def thumbnail(picture: bytes) -> str:
    """A small copy of a picture, as the address of an image within the page."""
    from PIL import Image

    image = Image.open(io.BytesIO(picture)).convert("RGBA")
    small = Image.new("RGBA", image.size, "white")  # figures may be transparent
    small.alpha_composite(image)
    small.thumbnail(THUMBNAIL)
    stream = io.BytesIO()
    small.convert("RGB").quantize(128).save(stream, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def _first_picture(cells: list[NotebookNode]) -> bytes | None:
    outputs = (output for cell in cells for output in cell.get("outputs", []))
    pictures = (data["image/png"] for output in outputs if "image/png" in (data := output.get("data", {})))
    found = next(pictures, None)
    return base64.b64decode(found) if found else None


def _static(output: NotebookNode, beside: list[NotebookNode], states: dict[str, Any]) -> Iterator[NotebookNode]:
    """An output as a page without a kernel can show it.

    Args:
        output: of a cell.
        beside: all outputs of that cell.
        states: what the notebook keeps of each widget, by its id.
    """
    data = output.get("data", {})
    if _WIDGET in data:
        yield from _widget(data[_WIDGET]["model_id"], any("image/png" in o.get("data", {}) for o in beside), states)
        return
    if "text" in output:
        output.text = _without_folders(output.text)
    data.pop("application/javascript", None)
    for kind in ("text/html", "text/plain"):
        if kind in data:
            # A table's own style has colours for light pages only.
            data[kind] = _without_folders(_STYLE_OF_PANDAS.sub("", data[kind]) if kind == "text/html" else data[kind])
    yield output


def _widget(model: str, pictured: bool, states: dict[str, Any]) -> Iterator[NotebookNode]:
    """What a widget was set to in words, and what it showed unless the cell shows a picture anyway."""
    from nbformat import from_dict, v4

    held = states.get(model, {}).get("state", {})
    parts = [states.get(child.removeprefix("IPY_MODEL_"), {}).get("state", {}) for child in held.get("children", [])]
    settable = [part for part in (held, *parts) if "value" in part and part.get("description")]
    said = [f"{part['description']} = {part['value']:g} ({part['min']:g} to {part['max']:g})" for part in settable]
    what = "; ".join(said) or "a control"
    yield v4.new_output("stream", name="stdout", text=f"In JupyterLab this can be moved: {what}\n")
    if not pictured:
        yield from (from_dict(output) for part in parts for output in part.get("outputs", []))


def _without_folders(text: str) -> str:
    """Text without this machine's folders: the pages are published."""
    return text.replace(f"{settings.project_folder()}/", "").replace(str(Path.home()), "~")


class _Addresses(HTMLParser):
    """Collects what a page links to, and what it loads."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in ("src", "srcset", "href", "data", "poster", "action"):
                self.loaded.append(value or "")
        if tag in ("script", "iframe", "object", "embed"):
            self.loaded.append(f"<{tag}>")


def broken(pages: dict[str, str]) -> list[str]:
    """What is wrong with the links of a site: those to pages that it lacks, and all that a page would load.

    Args:
        pages: the HTML of each page by its address within the site, such as `cards/a.html`.

    Returns:
        One line for each, which names the page.
    """
    found = []
    for name, text in pages.items():
        parser = _Addresses()
        parser.feed(text)
        outside = [address for address in parser.loaded if not address.startswith("data:")]
        outside += re.findall(r"(?:url\(|@import)\s*['\"]?(?!data:)([^'\")\s]+)", "".join(_styles(text)))
        found += [f"{name} loads {address[:80]}" for address in outside]
        for link in parser.links:
            here = posixpath.normpath(posixpath.join(posixpath.dirname(name), link.partition("#")[0]))
            if not re.match(r"https?://|#|data:", link) and here not in pages:
                found.append(f"{name} links to {link}, which is not on the site")
    return found


def _styles(text: str) -> list[str]:
    return re.findall(r"<style[^>]*>(.*?)</style>", text, re.DOTALL)
