"""One report in two forms: the same headings, words, cells and pictures."""

import matplotlib.pyplot as plt
import pytest

from mbhelpers.reporting.document import Facts, Picture, Section, Table, Text, write_html, write_markdown


@pytest.fixture
def sections():
    figure, axis = plt.subplots(figsize=(2, 1))
    axis.plot([0, 1])
    plt.close(figure)
    return [
        Section(
            "First & foremost", [Text("A <b> is no tag."), Text("Take care.", "warning"), Picture(figure, "A line")]
        ),
        Section("Numbers", [Table([{"name": "a|b", "value": "1"}, {"name": "", "value": "2"}])], level=3),
        Section("Facts", [Facts({"seed": "7"}), Facts({"rate": "0.1"}, "The recipe")]),
    ]


def test_html(sections, tmp_path):
    text = write_html(tmp_path / "report.html", "Title", sections).read_text()
    for piece in (
        "<h1>Title</h1>",
        "<h2>First &amp; foremost</h2>",
        "A &lt;b&gt; is no tag.",
        '<p class="warning">Take care.</p>',
        "<h3>Numbers</h3>",
        "<td>a|b</td><td>1</td>",
        "<dt>seed</dt><dd>7</dd>",
        "<details><summary>The recipe</summary>",
    ):
        assert piece in text
    assert text.count("<img") == 1 and "http" not in text


def test_markdown(sections, tmp_path):
    text = write_markdown(tmp_path / "report.md", "Title", sections).read_text()
    for piece in (
        "# Title\n",
        "## First & foremost\n",
        "> **Note.** Take care.",
        "### Numbers\n",
        "| name | value |\n| --- | --- |\n| a\\|b | 1 |\n|   | 2 |",
        "- seed: 7",
        "The recipe:\n\n- rate: 0.1",
        "![A line](report_figures/01.png)",
    ):
        assert piece in text
    assert (tmp_path / "report_figures" / "01.png").stat().st_size > 500
    assert {path.name for path in tmp_path.iterdir()} == {"report.md", "report_figures"}
