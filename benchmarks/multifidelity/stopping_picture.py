"""The picture of docs/early-stopping.md: epochs saved against loss lost, a point for each rule."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final

from benchmarks.regret.picture import spread

# Edges of the plot's area and size of the whole picture, in pixels.
LEFT, RIGHT, TOP, BOTTOM = 62, 470, 62, 372
WIDTH, HEIGHT = 720, 424
LABEL_HEIGHT: Final = 17
#: Per cent of epochs saved at both ends of the axis.
FIRST, LAST = 40, 100
_COLOURS: Final = {
    "asha": "#c2410c",
    "hyperband": "#1d4ed8",
    "medianstop": "#15803d",
    "percentilestop": "#7c3aed",
}
_STYLE: Final = (
    "text{font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif}"
    ".title{font-size:16px;font-weight:600;fill:#111827}.note{font-size:12.5px;fill:#4b5563}"
    ".mark{font-size:12.5px;fill:#4b5563}.label{font-size:13px}"
    ".grid{stroke:#e5e7eb;stroke-width:1}"
)


def draw(points: Mapping[str, tuple[float, float]]) -> str:
    """Return an SVG document.

    Args:
        points: By rule, epochs saved and loss lost, both in per cent.
    """
    spoken = ", ".join(f"{name} {x:.0f} and {y:.1f}" for name, (x, y) in points.items())
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" height="{HEIGHT}" role="img">',
            f"<title>Per cent of epochs saved and of loss lost: {spoken}</title>",
            f"<style>{_STYLE}</style>",
            *_elements(points),
            "</svg>\n",
        ]
    )


def _elements(points: Mapping[str, tuple[float, float]]) -> Iterator[str]:
    """Yield the elements of the picture, from back to front."""
    top = 5 * math.ceil(max(y for _, y in points.values()) / 5) or 5

    def across(saved: float) -> float:
        return LEFT + (saved - FIRST) / (LAST - FIRST) * (RIGHT - LEFT)

    def down(lost: float) -> float:
        return BOTTOM - lost / top * (BOTTOM - TOP)

    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
    yield (
        f'<text x="{LEFT}" y="28" class="title">Epochs saved against loss lost: further right and '
        "further down is better</text>"
    )
    yield (
        f'<text x="{LEFT}" y="47" class="note">Excess of the least loss over that without '
        "stopping, per cent</text>"
    )
    for height in (top * part / 5 for part in range(6)):
        y = down(height)
        yield f'<line x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>'
        place = f'x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end"'
        yield f'<text {place} class="mark">{height:g}</text>'
    for mark in range(FIRST, LAST + 1, 10):
        below = f'x="{across(mark):.1f}" y="{BOTTOM + 20}"'
        yield f'<text {below} class="mark" text-anchor="middle">{mark}</text>'
    yield (
        f'<text x="{(LEFT + RIGHT) / 2:.0f}" y="{BOTTOM + 40}" class="mark" text-anchor="middle">'
        "epochs saved, per cent</text>"
    )
    places = _raised(spread([down(y) for _, y in points.values()], LABEL_HEIGHT))
    for (name, (saved, lost)), at in zip(points.items(), places, strict=True):
        x, y, colour = across(saved), down(lost), _COLOURS[name.partition(",")[0]]
        yield (
            f'<line x1="{x:.1f}" x2="{RIGHT + 16}" y1="{y:.1f}" y2="{at:.1f}" stroke="{colour}" '
            'stroke-width="0.7" stroke-opacity="0.5"/>'
        )
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>'
        yield f'<text x="{RIGHT + 20}" y="{at + 4:.1f}" class="label" fill="{colour}">{name}</text>'


def _raised(places: list[float]) -> list[float]:
    """Move labels that would stand below the plot's area up, and those above them as needed."""
    lowest = float(BOTTOM)
    raised = list(places)
    for index in sorted(range(len(places)), key=lambda k: -places[k]):
        raised[index] = min(places[index], lowest)
        lowest = raised[index] - LABEL_HEIGHT
    return raised
