"""Draw the picture of the README from the stored results.

    python -m benchmarks.regret.picture [FILE]

Mean normalised regret of some engines against the number of trials, one at a time, on the held-out
problems: the means that ``python -m benchmarks.regret report --half b`` prints, at every trial.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import numpy as np

from benchmarks.regret import problems, report, results
from suggestion.problem.parameters import Array

FILE: Final = Path(__file__).resolve().parents[2] / "docs" / "regret.svg"
#: Trials at the left and right end: before, no engine has learned anything.
FIRST, TRIALS = 5, 50

# Edges of the plot's area and size of the whole picture, in pixels.
LEFT, RIGHT, TOP, BOTTOM = 62, 560, 62, 372
WIDTH, HEIGHT = 800, 424
LABEL_HEIGHT: Final = 17
#: Regrets at both ends of the logarithmic axis, and its marks.
HIGH, LOW = 0.6, 0.03
MARKS: Final = (0.5, 0.2, 0.1, 0.05)


@dataclass(frozen=True, slots=True)
class Line:
    """Describe how an engine is drawn; engines of this project are bold."""

    engine: str
    label: str
    colour: str
    ours: bool = False


LINES: Final = (
    Line("local:bayesianoptimization", "bayesianoptimization", "#c2410c", ours=True),
    Line("ours:multivariate-tpe", "multivariate-tpe", "#1d4ed8", ours=True),
    Line("optuna:gp", "Optuna GPSampler", "#6b7280"),
    Line("skopt:gp", "scikit-optimize", "#6b7280"),
    Line("optuna:tpe-multivariate", "Optuna TPE (multivariate)", "#6b7280"),
    Line("hyperopt:tpe", "hyperopt TPE", "#6b7280"),
    Line("random2x", "random search, twice the trials", "#a8a29e"),
)


def means(lines: Sequence[Line]) -> Array:
    """Average the normalised regret over seeds, then over problems: shape (lines, TRIALS)."""
    found = results.read_all("sequential")
    engines = [line.engine for line in lines]
    curves = report.shared_curves(found, engines, problems.select("b"), TRIALS)
    return np.asarray(np.mean([c.mean(axis=1) for c in curves.values()], axis=0))


def across(trial: int) -> float:
    """Give the x coordinate of a number of trials."""
    return LEFT + (trial - FIRST) / (TRIALS - FIRST) * (RIGHT - LEFT)


def down(regret: float) -> float:
    """Give the y coordinate of a regret."""
    return TOP + math.log(HIGH / regret) / math.log(HIGH / LOW) * (BOTTOM - TOP)


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Move labels apart, as little as their order allows.

    Args:
        wanted: The preferred y coordinate of each label.
        gap: The least distance between two labels.

    Returns:
        The y coordinate of each label, in the order of `wanted`.
    """
    order = sorted(range(len(wanted)), key=lambda k: wanted[k])
    groups: list[tuple[float, list[int]]] = []  # centre and members of a block
    for k in order:
        centre, block = wanted[k], [k]
        while groups and groups[-1][0] + gap * (len(groups[-1][1]) + len(block)) / 2 > centre:
            before, others = groups.pop()
            total = len(others) + len(block)
            centre = (before * len(others) + centre * len(block)) / total
            block = others + block
        groups.append((centre, block))
    places = [0.0] * len(wanted)
    for centre, block in groups:
        for n, k in enumerate(block):
            places[k] = centre + gap * (n - (len(block) - 1) / 2)
    return places


def elements(lines: Sequence[Line], curves: Array) -> Iterator[str]:
    """Yield the elements of the picture, from back to front."""
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
    yield (
        f'<text x="{LEFT}" y="28" class="title">Fewer trials for the same result: mean normalised '
        "regret, lower is better</text>"
    )
    yield (
        f'<text x="{LEFT}" y="47" class="note">10 problems that nothing was tuned on, 10 seeds '
        "each; 1 = median random draw, 0 = best known</text>"
    )
    for mark in MARKS:
        y = down(mark)
        yield f'<line x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" class="mark" text-anchor="end">{mark:g}</text>'
    for trial in (FIRST, 10, 20, 30, 40, 50):
        below = f'x="{across(trial):.1f}" y="{BOTTOM + 20}"'
        yield f'<text {below} class="mark" text-anchor="middle">{trial}</text>'
    yield (
        f'<text x="{(LEFT + RIGHT) / 2:.0f}" y="{BOTTOM + 40}" class="mark" text-anchor="middle">'
        "trials, one at a time</text>"
    )
    drawn = sorted(zip(lines, curves, strict=True), key=lambda pair: pair[0].ours)
    for line, curve in drawn:
        path = " ".join(
            f"{across(trial):.1f},{down(float(curve[trial - 1])):.1f}"
            for trial in range(FIRST, TRIALS + 1)
        )
        width = 3 if line.ours else 1.6
        yield f'<polyline points="{path}" stroke="{line.colour}" stroke-width="{width}"/>'
    ends = [down(float(curve[-1])) for curve in curves]
    for line, end, place in zip(lines, ends, spread(ends, LABEL_HEIGHT), strict=True):
        yield (
            f'<line x1="{RIGHT + 3}" x2="{RIGHT + 16}" y1="{end:.1f}" y2="{place:.1f}" '
            f'stroke="{line.colour}" stroke-width="1"/>'
        )
        weight = ' font-weight="bold"' if line.ours else ""
        yield (
            f'<text x="{RIGHT + 20}" y="{place + 4:.1f}" class="label" fill="{line.colour}"'
            f"{weight}>{line.label}</text>"
        )


def picture() -> str:
    """Return the whole SVG document."""
    curves = means(LINES)
    spoken = ", ".join(f"{x.label} {c[-1]:.3f}" for x, c in zip(LINES, curves, strict=True))
    style = (
        "text{font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif}"
        ".title{font-size:16px;font-weight:600;fill:#111827}.note{font-size:12.5px;fill:#4b5563}"
        ".mark{font-size:12.5px;fill:#4b5563}.label{font-size:13px}"
        ".grid{stroke:#e5e7eb;stroke-width:1}polyline{fill:none;stroke-linejoin:round}"
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" height="{HEIGHT}" role="img">',
            f"<title>Mean normalised regret after {TRIALS} trials: {spoken}</title>",
            f"<style>{style}</style>",
            *elements(LINES, curves),
            "</svg>\n",
        ]
    )


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default=FILE)
def main(file: Path) -> None:
    """Write the picture to FILE, docs/regret.svg by default."""
    file.write_text(picture())
    click.echo(f"wrote {file}")


if __name__ == "__main__":
    main()
