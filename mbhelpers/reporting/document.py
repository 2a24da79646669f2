"""A report as data: sections of text, tables and figures, written as one HTML file, as Markdown, or as both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mbhelpers.files import replacing
from mbhelpers.reporting import page

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Text:
    """A paragraph; `kind` is "", "small" or "warning"."""

    text: str
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """Lines with the same keys, which are its head; `text` sets sentences to the left."""

    lines: Sequence[Mapping[str, str]]
    text: bool = False


@dataclass(frozen=True)
class Facts:
    """Names and what they are; `summary`, where there is one, is what a click unfolds them from."""

    facts: Mapping[str, str]
    summary: str = ""


@dataclass(frozen=True)
class Picture:
    """A figure and what it shows."""

    figure: "Figure"
    title: str


Block = Text | Table | Facts | Picture


@dataclass(frozen=True)
class Section:
    """A heading and what is below it."""

    title: str
    blocks: Sequence[Block]
    level: int = 2


def write_html(path: Path, title: str, sections: Sequence[Section]) -> Path:
    """Write one HTML file with its figures inside."""
    body = []
    for section in sections:
        body.append(page.heading(section.title, section.level))
        body += [_html(block) for block in section.blocks]
    return page.write_page(path, title, body)


def _html(block: Block) -> str:
    if isinstance(block, Text):
        return page.paragraph(block.text, block.kind)
    if isinstance(block, Table):
        return page.table(block.lines, text=block.text)
    if isinstance(block, Picture):
        return page.picture(block.figure, block.title)
    inside = page.facts(block.facts)
    return page.details(block.summary, inside) if block.summary else inside


def write_markdown(path: Path, title: str, sections: Sequence[Section]) -> Path:
    """Write Markdown, and its figures as PNG files into a folder beside it, `<name>_figures`."""
    figures = path.with_name(f"{path.stem}_figures")
    lines = [f"# {title}"]
    count = 0
    with replacing(figures) as folder:
        folder.mkdir()
        for section in sections:
            lines.append(f"{'#' * section.level} {section.title}")
            for block in section.blocks:
                if isinstance(block, Picture):
                    count += 1
                    name = f"{count:02}.png"
                    block.figure.savefig(folder / name, dpi=110, bbox_inches="tight")
                    lines.append(f"![{block.title}]({figures.name}/{name})")
                else:
                    lines.append(_markdown(block))
    with replacing(path) as temporary:
        temporary.write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    return path


def _markdown(block: Text | Table | Facts) -> str:
    if isinstance(block, Text):
        return f"> **Note.** {block.text}" if block.kind == "warning" else block.text
    if isinstance(block, Facts):
        told = "\n".join(f"- {name}: {value}" for name, value in block.facts.items())
        return f"{block.summary}:\n\n{told}" if block.summary else told
    rows = [list(block.lines[0]), *([line[key] for key in block.lines[0]] for line in block.lines)]
    cells = [[cell.replace("|", "\\|") or " " for cell in row] for row in rows]
    cells.insert(1, ["---"] * len(cells[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)
