"""A line plot as SVG, written by hand: no plotting library, readable on light and on dark paper.

Every line is told apart by its colour, by its dashes and by its name at its end, so that no reader needs
to see colours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 960, 440  # of the picture, in pixels
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 220, 66, 56  # around the lines
_TICKS = 4  # steps on the scale
_NAMED = 6  # labels along the bottom, at most
_LINE = 16  # between the names at the right, so that none covers another
_COLOURS: Final = ("a", "b", "c", "d", "e", "f")
_DASHES: Final = ("", "7 4", "2 3", "9 3 2 3", "4 4", "12 5")
_STYLE: Final = """
    text { font: 13px system-ui, sans-serif; fill: #1f2328; }
    .paper { fill: #ffffff; } .title { font-size: 15px; font-weight: 600; } .small { font-size: 12px; fill: #59636e; }
    .grid { stroke: #d1d9e0; stroke-width: 1; } path { fill: none; stroke-width: 2; }
    .a { stroke: #0969da; } .b { stroke: #bc4c00; } .c { stroke: #1a7f37; }
    .d { stroke: #8250df; } .e { stroke: #bf3989; } .f { stroke: #59636e; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; } .paper { fill: #0d1117; } .small { fill: #9198a1; } .grid { stroke: #2f3742; }
      .a { stroke: #4493f8; } .b { stroke: #db6d28; } .c { stroke: #3fb950; }
      .d { stroke: #ab7df8; } .e { stroke: #db61a2; } .f { stroke: #9198a1; }
    }
"""
Values = Sequence[float | None]


def line_plot(series: Mapping[str, Values], *, title: str, labels: Sequence[str], y: str) -> str:
    """The picture.

    Args:
        series: The lines by name, in order; each value belongs to the label at its place, None leaves a gap.
        title: What the picture shows.
        labels: Along the bottom, such as dates; the first, the last and some between are written.
        y: What is measured, with its unit.
    """
    top = _nice(max((value for values in series.values() for value in values if value is not None), default=0))
    count = max([len(labels), *(len(values) for values in series.values())])
    size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title">',
        f'<title id="title">{_text(title)}</title>',
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{_WIDTH}" height="{_HEIGHT}"/>',
        f'<text class="title" x="16" y="26">{_text(title)}</text>',
        f'<text class="small" x="16" y="46">{_text(y)}</text>',
        *_scale(top),
        *_bottom(labels, count),
        *_lines(series, top, count),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _nice(most: float) -> float:
    """The top of the scale: 1, 2, 4, 6, 8 or 10 times a power of ten, and no less than `most`."""
    power = 1.0
    while power * 10 < most:
        power *= 10
    while most and power > most:
        power /= 10
    return next((step * power for step in (1, 2, 4, 6, 8) if step * power >= most), 10 * power) if most > 0 else 1.0


def _scale(top: float) -> list[str]:
    found = []
    for step in range(_TICKS + 1):
        value = top * step / _TICKS
        at = _y(value, top)
        found.append(f'<line class="grid" x1="{_LEFT}" y1="{at}" x2="{_WIDTH - _RIGHT}" y2="{at}"/>')
        found.append(f'<text class="small" x="{_LEFT - 10}" y="{at + 4}" text-anchor="end">{_number(value)}</text>')
    return found


def _bottom(labels: Sequence[str], count: int) -> list[str]:
    last = len(labels) - 1
    steps = min(_NAMED, len(labels)) - 1
    named = sorted({last * step // steps for step in range(steps + 1)}) if steps > 0 else [*range(len(labels))]
    return [
        f'<text class="small" x="{_x(at, count)}" y="{_HEIGHT - _BOTTOM + 24}" text-anchor="middle">'
        f"{_text(labels[at])}</text>"
        for at in named
    ]


def _lines(series: Mapping[str, Values], top: float, count: int) -> list[str]:
    found: list[str] = []
    ends = {name: _end(values, top) for name, values in series.items()}
    below = 0.0
    for name in sorted(series, key=lambda each: ends[each]):
        at = list(series).index(name)
        kind, dashes = _COLOURS[at % len(_COLOURS)], _DASHES[at % len(_DASHES)]
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        below = max(ends[name] + 4, below + _LINE)
        x = _WIDTH - _RIGHT
        found += [
            f'<path class="{kind}"{dashed} d="{_path(series[name], top, count)}"/>',
            f'<path class="{kind}"{dashed} d="M{x + 8} {round(below - 4, 1)}H{x + 30}"/>',
            f'<text x="{x + 36}" y="{round(below, 1)}">{_text(name)}</text>',
        ]
    return found


def _path(values: Values, top: float, count: int) -> str:
    found, pen = [], "M"
    for at, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        found.append(f"{pen}{_x(at, count)} {_y(value, top)}")
        pen = "L"
    if len(found) == 1:
        found.append("h0.1")  # a single value is a dot, not nothing
    return "".join(found)


def _end(values: Values, top: float) -> float:
    return _y(next((value for value in reversed(values) if value is not None), 0), top)


def _x(at: int, count: int) -> float:
    return round(_LEFT + at / max(1, count - 1) * (_WIDTH - _LEFT - _RIGHT), 1)


def _y(value: float, top: float) -> float:
    return round(_HEIGHT - _BOTTOM - min(max(value, 0), top) / top * (_HEIGHT - _TOP - _BOTTOM), 1)


def _number(value: float) -> str:
    return f"{value:,.4g}" if value < 10_000 else f"{value:,.0f}"  # noqa: PLR2004 - where 4 digits end


def _text(value: str) -> str:
    """Names come from people and agents: markup in them is text, and what XML does not know is left out."""
    return escape("".join(char for char in value if char.isprintable()))
