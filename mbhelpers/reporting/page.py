"""One HTML file with its figures inside: readable offline, in light and dark, on a desk and on a phone."""

import base64
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mbhelpers.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fff; --line: #ccc; --soft: #f3f5f7; --warn: #fff3d6; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --paper: #16181b; --line: #444; --soft: #22262b; --warn: #4a3a10; }
  img { background: #fff; border-radius: 4px; }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .9rem .35rem 0; text-align: right; vertical-align: top; }
th:first-child, td:first-child, .text th, .text td { text-align: left; }
.text td { overflow-wrap: anywhere; min-width: 7rem; }
h1, h2, h3 { overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.5rem; }
dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 1rem 0; overflow-x: auto; }
img { max-width: 100%; height: auto; }
@media (max-width: 40rem) {
  img.wide { max-width: none; width: 40rem; }
  td:first-child { overflow-wrap: anywhere; min-width: 7rem; }
}
code { background: var(--soft); padding: .1rem .3rem; overflow-wrap: anywhere; }
summary { cursor: pointer; }
.warning { background: var(--warn); padding: .6rem .9rem; overflow-wrap: anywhere; }
.small { font-size: .88rem; }
"""


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text; `kind` is "", "small" or "warning"."""
    return f'<p class="{kind}">{html.escape(text)}</p>' if kind else f"<p>{html.escape(text)}</p>"


def table(lines: Sequence[Mapping[str, str]], *, text: bool = False) -> str:
    """A table whose head is the keys of the first line.

    Args:
        lines: one or more, with the same keys.
        text: sentences, set to the left; else numbers, to the right.
    """
    head = "".join(f"<th>{html.escape(name)}</th>" for name in lines[0])
    rows = ("".join(f"<td>{html.escape(v)}</td>" for v in line.values()) for line in lines)
    kind = ' class="text"' if text else ""
    return f"<table{kind}><tr>{head}</tr>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"


def heading(text: str, level: int = 2) -> str:
    """A heading of plain text; the page's title is of level 1."""
    return f"<h{level}>{html.escape(text)}</h{level}>"


def facts(named: Mapping[str, str]) -> str:
    """A list of names and what they are."""
    inside = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in named.items())
    return f"<dl>{inside}</dl>"


def details(summary: str, inside: str) -> str:
    """HTML that is folded away until its summary is clicked."""
    return f"<details><summary>{html.escape(summary)}</summary>{inside}</details>"


def picture(figure: "Figure", title: str) -> str:
    """A figure as an image within the page; on a phone it keeps a readable width and scrolls sideways."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, bbox_inches="tight")
    source = "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
    kind = ' class="wide"' if figure.get_figwidth() > 5 else ""
    return f'<figure><img{kind} alt="{html.escape(title)}" src="{source}"></figure>'


def write_page(path: Path, title: str, body: Iterable[str], *, style: str = "") -> Path:
    """Write the page, whole or not at all.

    Args:
        path: the HTML file.
        title: its heading, plain text.
        body: pieces of HTML, from `paragraph`, `table`, `picture` and the like.
        style: CSS of this page, after the common one.
    """
    named = html.escape(title)
    content = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{named}</title><style>{_STYLE}{style}</style></head><body>\n<h1>{named}</h1>\n" + "\n".join(body)
    )
    with replacing(path) as temporary:
        temporary.write_text(content + "</body></html>\n", encoding="utf-8")
    return path
