"""A small chart of lines in SVG, with its labels at the right end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from benchmarks.regret.picture import spread
from suggestion.problem.parameters import Array

LEFT, RIGHT, TOP, BOTTOM = 62, 560, 44, 352
WIDTH, HEIGHT = 780, 404
_GAP: Final = 16
_STYLE: Final = (
    "text{font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif}"
    ".title{font-size:15px;font-weight:600;fill:#111827}.mark{font-size:12.5px;fill:#4b5563}"
    ".label{font-size:12.5px}.grid{stroke:#e5e7eb}polyline{fill:none;stroke-linejoin:round}"
)


@dataclass(frozen=True, slots=True)
class Line:
    """One engine's line: its label, colour, and points (x, y)."""

    label: str
    colour: str
    ours: bool
    x: Array
    y: Array


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of values, its marks, and what they are."""

    low: float
    high: float
    marks: Sequence[float]
    label: str
    log: bool = False

    def share(self, value: float) -> float:
        """Where a value is between both ends, from 0 to 1."""
        inside = min(max(value, min(self.low, self.high)), max(self.low, self.high))
        if self.log:
            return math.log(inside / self.low) / math.log(self.high / self.low)
        return (inside - self.low) / (self.high - self.low)


def draw(title: str, lines: Sequence[Line], across: Axis, up: Axis) -> str:
    """Return the whole SVG document."""

    def x(value: float) -> float:
        return LEFT + across.share(value) * (RIGHT - LEFT)

    def y(value: float) -> float:
        return BOTTOM - up.share(value) * (BOTTOM - TOP)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="26" class="title">{escape(title)}</text>',
    ]
    for mark in up.marks:
        at = y(mark)
        out.append(f'<line x1="{LEFT}" x2="{RIGHT}" y1="{at:.1f}" y2="{at:.1f}" class="grid"/>')
        out.append(
            f'<text x="{LEFT - 8}" y="{at + 4:.1f}" class="mark" text-anchor="end">{mark:g}</text>'
        )
    for mark in across.marks:
        place = f'x="{x(mark):.1f}" y="{BOTTOM + 20}"'
        out.append(f'<text {place} class="mark" text-anchor="middle">{mark:g}</text>')
    out.append(
        f'<text x="{(LEFT + RIGHT) / 2:.0f}" y="{BOTTOM + 40}" class="mark" '
        f'text-anchor="middle">{escape(across.label)}</text>'
    )
    for line in sorted(lines, key=lambda each: each.ours):
        points = " ".join(
            f"{x(a):.1f},{y(b):.1f}" for a, b in zip(line.x.tolist(), line.y.tolist(), strict=True)
        )
        width = 3 if line.ours else 1.6
        out.append(f'<polyline points="{points}" stroke="{line.colour}" stroke-width="{width}"/>')
    ends = [y(float(line.y[-1])) for line in lines]
    for line, end, place_y in zip(lines, ends, spread(ends, _GAP), strict=True):
        out.append(
            f'<line x1="{RIGHT + 3}" x2="{RIGHT + 16}" y1="{end:.1f}" y2="{place_y:.1f}" '
            f'stroke="{line.colour}"/>'
        )
        weight = ' font-weight="bold"' if line.ours else ""
        out.append(
            f'<text x="{RIGHT + 20}" y="{place_y + 4:.1f}" class="label" fill="{line.colour}"'
            f"{weight}>{escape(line.label)}</text>"
        )
    return "\n".join([*out, "</svg>\n"])
