import base64
import io
import re

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest
from PIL import Image

from mbhelpers.reporting import page

SHARP = "<script>alert('&')</script>"


@pytest.mark.parametrize(
    "piece",
    [
        page.paragraph(SHARP),
        page.paragraph(SHARP, "warning"),
        page.table([{SHARP: "a", "b": SHARP}]),
        page.table([{"a": SHARP}], text=True),
        page.details(SHARP, ""),
    ],
)
def test_names_and_texts_cannot_become_markup(piece):
    assert "<script" not in piece
    assert "&lt;script&gt;" in piece


def test_table():
    said = page.table([{"class": "cat", "n": "3"}, {"class": "dog", "n": "4"}])
    assert re.findall(r"<t[hd]>(.*?)</t[hd]>", said) == ["class", "n", "cat", "3", "dog", "4"]
    assert said.count("<tr>") == 3


@pytest.mark.parametrize(
    ("width", "wide", "why"),
    [(7, True, "shrunk to a phone its letters could not be read"), (3, False, "a small one fits as it is")],
)
def test_picture_holds_the_figure(width, wide, why):
    figure, axis = plt.subplots(figsize=(width, 2))
    axis.plot([0, 1])
    plt.close(figure)
    said = page.picture(figure, 'A "title"')
    assert 'alt="A &quot;title&quot;"' in said
    content = re.search(r'src="data:image/png;base64,([^"]+)"', said)
    assert content
    with Image.open(io.BytesIO(base64.b64decode(content[1]))) as image:
        assert image.format == "PNG"
        assert image.width > image.height
    assert ('class="wide"' in said) is wide, why


def test_write_page(tmp_path):
    path = page.write_page(tmp_path / "new" / "a.html", "<Title>", [page.paragraph("one"), page.paragraph("two")])
    text = path.read_text(encoding="utf-8")
    assert text.index("<h1>&lt;Title&gt;</h1>") < text.index("<p>one</p>") < text.index("<p>two</p>")
    assert text.startswith("<!doctype html>")
    assert text.endswith("</body></html>\n")
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"(src|href)=\"(?!data:)", text), "nothing is fetched from elsewhere"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.html"]


def test_a_failure_leaves_the_old_page(tmp_path):
    path = page.write_page(tmp_path / "a.html", "Old", [])

    def broken():
        yield "<p>first</p>"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        page.write_page(path, "New", broken())
    assert "Old" in path.read_text(encoding="utf-8")
    assert len(list(tmp_path.iterdir())) == 1
