"""One picture of all rows that have a floor, as SVG written by hand: no plotting library, light and dark.

All rows share one logarithmic scale on which every floor is one line and every aim the other: how far a bar
reaches says how far the measurement came from its floor to its aim, whatever its unit and direction.
"""

from __future__ import annotations

import math
from typing import Any
from xml.sax.saxutils import escape

_WIDTH, _LEFT, _RIGHT = 960, 390, 130  # of the picture, its names and its numbers, in pixels
_TOP, _LINE, _BAR = 64, 30, 14
_WORST, _BEST = -1.0, 2.0  # what the scale shows, in steps from floor (0) to aim (1)
_LEGEND = "Longer is better. Logarithmic; all rows share one floor line and one aim line. One run."
_STYLE = """
    text { font: 13px system-ui, sans-serif; fill: #1f2328; }
    .paper { fill: #ffffff; } .small { font-size: 12px; fill: #59636e; } .track { fill: #eff2f5; }
    .best { fill: #1a7f37; } .good { fill: #0969da; } .bad { fill: #cf222e; }
    .line { stroke: #59636e; stroke-width: 1; stroke-dasharray: 3 3; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; } .paper { fill: #0d1117; } .small { fill: #9198a1; } .track { fill: #212830; }
      .best { fill: #3fb950; } .good { fill: #4493f8; } .bad { fill: #f85149; } .line { stroke: #9198a1; }
    }
"""


def reach(row: dict[str, Any]) -> float:
    """Where a measurement stands: 0 at its floor, 1 at its aim, on a logarithmic scale."""
    if row["median"] <= 0:
        return _BEST if row["less_is_better"] else _WORST
    return math.log(row["median"] / row["floor"]) / math.log(row["aim"] / row["floor"])


def svg(rows: list[dict[str, Any]]) -> str:
    """The picture."""
    shown = [row for row in rows if row["floor"] is not None]
    height = _TOP + _LINE * len(shown) + 16
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title">',
        '<title id="title">Each measurement between its floor and its aim</title>',
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{_WIDTH}" height="{height}"/>',
        f'<text class="small" x="16" y="24">{_LEGEND}</text>',
        *(part for at, row in enumerate(shown) for part in _bar(row, _TOP + _LINE * at)),
        *(part for name, at in (("floor", 0.0), ("aim", 1.0)) for part in _mark(name, _x(at), height)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _x(reached: float) -> float:
    inside = min(max(reached, _WORST), _BEST)
    return round(_LEFT + (inside - _WORST) / (_BEST - _WORST) * (_WIDTH - _LEFT - _RIGHT), 1)


def _bar(row: dict[str, Any], top: int) -> list[str]:
    reached = reach(row)
    kind = "best" if reached >= 1 else "good" if row["met"] else "bad"
    length = max(2.0, _x(reached) - _LEFT)
    more = " ▸" if reached > _BEST else ""
    middle = top + _LINE // 2 + 4
    number = f"{row['median']:,.4g} {row['unit']}{more}"
    return [
        f'<text x="{_LEFT - 12}" y="{middle}" text-anchor="end">{escape(_name(row))}</text>',
        f'<rect class="track" x="{_LEFT}" y="{top + 8}" width="{_WIDTH - _LEFT - _RIGHT}" height="{_BAR}" rx="3"/>',
        f'<rect class="{kind}" x="{_LEFT}" y="{top + 8}" width="{length:.1f}" height="{_BAR}" rx="3"/>',
        f'<text x="{_WIDTH - _RIGHT + 12}" y="{middle}">{escape(number)}</text>',
    ]


def _name(row: dict[str, Any]) -> str:
    return str(row["what"]).strip()


def _mark(name: str, x: float, height: int) -> list[str]:
    return [
        f'<line class="line" x1="{x}" y1="{_TOP - 8}" x2="{x}" y2="{height - 12}"/>',
        f'<text class="small" x="{x}" y="{_TOP - 14}" text-anchor="middle">{name}</text>',
    ]
