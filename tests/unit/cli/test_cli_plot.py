"""The plot: whole XML whatever names stand in it, every value inside, gaps left open."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from remit.cli import plot_png
from remit.cli.plot import line_plot

VALUES = st.lists(st.none() | st.integers(0, 10**9) | st.floats(0, 1e6), max_size=20)
SVG = "{http://www.w3.org/2000/svg}"


def paths(picture: str) -> list[str]:
    """What is drawn of each series; the samples beside the names left out."""
    found = [path.attrib["d"] for path in ET.fromstring(picture).iter(f"{SVG}path")]  # noqa: S314 - our own
    return [path for path in found if "H" not in path]


@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=7), st.text(), st.lists(st.text(max_size=9), max_size=20))
def test_it_is_whole_and_inside_the_picture(
    series: dict[str, list[float | None]], text: str, labels: list[str]
) -> None:
    picture = line_plot(series, title=text, labels=labels, y=text)
    root = ET.fromstring(picture)  # noqa: S314 - our own
    assert root.tag == f"{SVG}svg"
    drawn = paths(picture)
    assert len(drawn) == len(series)
    for path in drawn:
        for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path):
            assert 84 <= float(x) <= 740
            assert 66 <= float(y) <= 384


@pytest.mark.parametrize("most", [0, 1, 7, 10, 41, 99, 100, 1234, 10**12, 0.003])
def test_the_scale_ends_at_a_round_number_above_everything(most: float) -> None:
    (path,) = paths(line_plot({"a": [0, most]}, title="t", labels=["x", "y"], y=""))
    assert path.startswith("M84.0 384")
    assert float(path.rpartition(" ")[2]) >= 66
    if most:
        assert float(path.rpartition(" ")[2]) < 384 - 0.45 * (384 - 66), "at least half of the paper is used"


def test_what_is_not_known_is_a_gap_and_one_value_is_a_dot() -> None:
    gap, dot = paths(line_plot({"a": [1, 2, None, 4], "b": [None, 3]}, title="t", labels=["w", "x", "y", "z"], y=""))
    assert (gap.count("M"), gap.count("L")) == (2, 1)
    assert dot.endswith("h0.1")


def test_names_do_not_cover_each_other_and_can_do_nothing() -> None:
    picture = line_plot({"<script>": [5], "b": [5], "c\x00\u202e": [5]}, title="a & b", labels=["x"], y="")
    assert "<script>" not in picture
    assert "&lt;script&gt;" in picture
    assert "\x00" not in picture
    heights = [float(each) for each in re.findall(r'<text x="776" y="([\d.]+)"', picture)]
    assert len(heights) == 3
    assert all(below - above >= 16 for above, below in pairwise(heights))


def test_few_labels_are_written_and_the_first_and_last_are_among_them() -> None:
    labels = [f"day {at}" for at in range(400)]
    picture = line_plot({"a": list(range(400))}, title="t", labels=labels, y="")
    written = re.findall(r">(day \d+)<", picture)
    assert (len(written), written[0], written[-1]) == (6, "day 0", "day 399")


def test_it_is_made_for_light_and_dark_and_loads_nothing() -> None:
    picture = line_plot({"a": [1, 2]}, title="t", labels=["x", "y"], y="")
    assert "prefers-color-scheme: dark" in picture
    assert re.search(r"url\((?!#)|@import|href=|<script|<image", picture) is None
    assert picture == line_plot({"a": [1, 2]}, title="t", labels=["x", "y"], y="")


def test_the_same_picture_as_png() -> None:
    series: dict[str, list[float | None]] = {"one": [1.0, None, 3.0, 2.0], "two": [4.0, 4.0, 4.0, 4.0]}
    picture = plot_png.line_plot(series, title="Privilege", labels=["a", "b", "c", "d"], y="per cent")
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    image = Image.open(io.BytesIO(picture))
    assert image.size == (1920, 880)
    colours = {pixel for _, pixel in image.getcolors(maxcolors=1 << 20) or ()}
    assert {(255, 255, 255), (9, 105, 218), (188, 76, 0)} <= colours, "the paper and both lines"
