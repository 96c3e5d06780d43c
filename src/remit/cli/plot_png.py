"""The same picture as PNG: what `plot.line_plot` wrote, drawn with Pillow (the extra `plots`)."""

from __future__ import annotations

import io
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from remit.cli import plot
from remit.kernel.errors import ConfigInvalid

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

_SCALE: Final = 2  # so that lines and letters are smooth on any screen
_PAPER, _INK, _SMALL, _GRID = "#ffffff", "#1f2328", "#59636e", "#d1d9e0"
_COLOURS: Final = dict(zip("abcdef", ("#0969da", "#bc4c00", "#1a7f37", "#8250df", "#bf3989", "#59636e"), strict=True))
_SIZES: Final = {"title": 15, "small": 12}
_STEP: Final = re.compile(r"([MLHh])([-0-9.]+)(?: ([-0-9.]+))?")
Point = tuple[float, float]


def line_plot(series: Mapping[str, plot.Values], *, title: str, labels: Sequence[str], y: str) -> bytes:
    """The picture; arguments as of `plot.line_plot`.

    Raises:
        ConfigInvalid: Pillow is not installed.
    """
    try:
        from PIL import Image, ImageDraw  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigInvalid(
            "a PNG needs Pillow, which is not installed", try_="pip install 'remit[plots]', or write an .svg"
        ) from error
    # Our own text, made a moment ago: nobody else's XML is read here.
    root = ET.fromstring(plot.line_plot(series, title=title, labels=labels, y=y))  # noqa: S314 - our own text
    size = (int(root.get("width", "0")) * _SCALE, int(root.get("height", "0")) * _SCALE)
    image = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(image)
    for element in root:
        _drawn(draw, element)
    written = io.BytesIO()
    image.save(written, format="PNG", optimize=True)
    return written.getvalue()


def _drawn(draw: ImageDraw, element: ET.Element) -> None:
    kind = element.tag.rpartition("}")[2]
    if kind == "text":
        _text(draw, element)
    elif kind == "line":
        ends = [float(element.get(name, "0")) * _SCALE for name in ("x1", "y1", "x2", "y2")]
        draw.line(ends, fill=_GRID, width=1)
    elif kind == "path":
        dashes = [float(each) * _SCALE for each in element.get("stroke-dasharray", "").split()]
        for points in _strokes(element.get("d", "")):
            for dash in _dashed(points, dashes):
                draw.line(dash, fill=_COLOURS[element.get("class", "a")], width=2 * _SCALE, joint="curve")


def _text(draw: ImageDraw, element: ET.Element) -> None:
    from PIL import ImageFont  # noqa: PLC0415 - an extra

    style = element.get("class", "")
    font = ImageFont.load_default(size=_SIZES.get(style, 13) * _SCALE)
    at = (float(element.get("x", "0")) * _SCALE, float(element.get("y", "0")) * _SCALE)
    anchor = {"end": "rs", "middle": "ms"}.get(element.get("text-anchor", ""), "ls")
    draw.text(at, element.text or "", font=font, fill=_SMALL if style == "small" else _INK, anchor=anchor)


def _strokes(path: str) -> Iterator[list[Point]]:
    """The lines of a path that has no other commands than M, L, H and h."""
    points: list[Point] = []
    for command, one, other in _STEP.findall(path):
        x, y = points[-1] if points else (0.0, 0.0)
        if command == "M":
            if len(points) > 1:
                yield points
            points = [(float(one) * _SCALE, float(other) * _SCALE)]
        elif command == "L":
            points.append((float(one) * _SCALE, float(other) * _SCALE))
        else:
            points.append((float(one) * _SCALE + (x if command == "h" else 0), y))
    if len(points) > 1:
        yield points


def _dashed(points: list[Point], dashes: Sequence[float]) -> Iterator[list[Point]]:
    """The parts of a line that are drawn."""
    if not dashes:
        yield points
        return
    at, left, part = 0, dashes[0], [points[0]]
    for start, end in itertools.pairwise(points):
        length, gone = math.dist(start, end), 0.0
        while length - gone > left:
            gone += left
            share = gone / length
            turn = (start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share)
            if at % 2 == 0:
                yield [*part, turn]
            part, at = [turn], at + 1
            left = dashes[at % len(dashes)]
        left -= length - gone
        part.append(end)
    if at % 2 == 0 and len(part) > 1:
        yield part
