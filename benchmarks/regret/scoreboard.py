"""``python -m benchmarks.regret.scoreboard``: writes docs/scoreboard.md from stored results.

The page and its pictures are a function of `results/` and `rivals.json`: nothing is run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import numpy as np

from benchmarks.regret import chart, report, results, sample
from benchmarks.regret.results import Result
from benchmarks.regret.rivals import environments
from suggestion.problem.parameters import Array

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
#: A run has solved its problem when its regret is at most this.
SOLVED: Final = 0.05

NAMES: Final[Mapping[str, str]] = {
    "local:bayesianoptimization": "bayesianoptimization",
    "local:multivariate-tpe": "multivariate-tpe",
    "local:tpe": "tpe",
    "local:cmaes": "cmaes",
    "optuna:default": "Optuna, its default",
    "optuna:gp": "Optuna GPSampler",
    "optuna:tpe-multivariate": "Optuna TPE, multivariate",
    "optuna:tpe-univariate": "Optuna TPE, univariate",
    "optuna:cmaes": "Optuna CMA-ES",
    "smac:hpo": "SMAC3",
    "smac:blackbox": "SMAC3, black box",
    "hebo:hebo": "HEBO",
    "ax:default": "Ax",
    "vizier:gp": "Vizier GP bandit",
    "hyperopt:tpe": "hyperopt TPE",
    "hyperopt:anneal": "hyperopt annealing",
    "skopt:gp": "scikit-optimize GP",
    "cmaes:catcma": "CatCMA",
    "syne-tune:cqr": "Syne Tune CQR",
    "syne-tune:bore": "Syne Tune BORE",
    "random2x": "random, twice the trials",
    "random": "random",
}
_OURS: Final = "local:"
#: Colours of the project's own lines, and of the others in their order.
_BOLD: Final = ("#c2410c", "#1d4ed8", "#15803d", "#86198f")
_PALE: Final = ("#6b7280", "#a16207", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f", "#a8a29e")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: problems of one kind in one mode."""

    title: str
    key: str
    half: str
    mode: str
    trials: Sequence[int]


SECTIONS: Final = (
    Section("Real trainings, one trial at a time", "trainings", "d", "sequential", (25, 50)),
    Section("Functions, one trial at a time", "functions", "f", "sequential", (25, 50)),
    Section("Real trainings, batches of 8", "trainings-batch", "d", "batch", (24, 48, 96)),
    Section("Functions, batches of 8", "functions-batch", "f", "batch", (24, 48, 96)),
)

_HEAD: Final = """# The scoreboard

How good are the suggestions on problems that this project did not choose? Real trainings that
others have collected (the tables of HPOBench, FCNet and NAS-Bench-201; the pools of LCBench and
HPO-B, where a point takes the loss of the nearest configuration that was trained) and the
functions of COCO (BBOB in 5 to 40 dimensions, with integers, with noise). The data sets and
functions are split into a half to choose by and a half to report on; this page is the half to
report on. The programs are in `benchmarks/regret`.

**NR** is the normalised regret: 0 is the best known loss, 1 the median of random draws. Under
noise it is that of the trial that the engine recommends, judged without the noise: this project's
by [their model](bayesopt.md#noise-which-trial-to-use), Ax by its own (`get_best_parameterization`);
others return the trial with the lowest loss, and so do runs of the former from before they
recommended. **Ranks** are among
the engines of a table, for each problem and seed; 1 is the best. Brackets are 90 % bootstrap
intervals over problems and seeds. The best value of a column is bold.

**The sample** is the beginning of an order of problems and seeds that was fixed before any result
(`benchmarks/regret/sample.py`). Expensive engines have run less of it than cheap ones. So there
are two tables where the engines differ: one of all engines on the few runs that all have, one of
those that have run most. An order of the engines follows only where brackets are apart.

`make rivals` builds an environment for each rival, `python -m benchmarks.regret grow --engine
NAME` runs more of the sample, `make scoreboard` writes this page from the stored results.
"""


def page(folder: Path = results.FOLDER) -> dict[str, str]:
    """Return the text of each file below docs/, by its name."""
    files: dict[str, str] = {}
    parts = [_HEAD]
    for section in SECTIONS:
        parts += _section(section, folder, files)
    parts += _rivals()
    files["scoreboard.md"] = "\n".join(parts)
    return files


def _section(section: Section, folder: Path, files: dict[str, str]) -> Iterator[str]:
    names = sample.ordered(section.half)
    last = section.trials[-1]
    found = [r for r in results.read_all(section.mode, folder) if r.problem in set(names)]
    counts = runs_of(found, last)
    if not counts:
        return
    yield f"## {section.title}\n"
    most = max(counts.values())
    wide = [engine for engine, count in counts.items() if 2 * count > most]
    for engines in [wide] if len(wide) == len(counts) else [wide, list(counts)]:
        yield table(found, engines, names, section.trials)
    yield by_family(found, wide, names, last)
    yield losses(found, wide, names, last)
    curves = report.shared_curves(found, wide, names, last)
    for kind, draw in (("rank", _ranks), ("solved", _solved)):
        file = f"scoreboard-{section.key}-{kind}.svg"
        files[file] = draw(section.title, wide, curves, found)
        what = "Mean rank against trials" if kind == "rank" else "Share solved against CPU time"
        yield f"![{what}: {section.title.lower()}]({file})\n"


def runs_of(found: Sequence[Result], trials: int) -> dict[str, int]:
    """Return how many runs of so many trials each engine has, by its name, ordered as `NAMES`."""
    counts = dict.fromkeys(NAMES, 0)
    for result in found:
        counts[result.engine] += len(result.reaching(trials))
    return {engine: count for engine, count in counts.items() if count}


def label(engine: str) -> str:
    """Return an engine's name on the page."""
    return f"`{NAMES[engine]}`" if engine.startswith(_OURS) else NAMES[engine]


def table(
    found: Sequence[Result], engines: Sequence[str], names: Sequence[str], trials: Sequence[int]
) -> str:
    """Return the ranks and regrets of `engines` after each number of `trials`."""
    rows = {t: {row.engine: row for row in report.table(found, engines, names, t)} for t in trials}
    curves = report.shared_curves(found, engines, names, trials[-1])
    runs = sum(each.shape[1] for each in curves.values())
    heads = [f"rank at {t}" for t in trials] + [f"NR at {t}" for t in trials]
    lines = [
        f"{len(engines)} engines; problems: {len(curves)}; runs of each engine: {runs}.\n",
        "| engine | " + " | ".join(heads) + " | CPU s a suggestion |",
        "|---" * (len(heads) + 2) + "|",
    ]
    last = rows[trials[-1]]
    for engine in sorted(engines, key=lambda e: last[e].rank[0]):
        cells = []
        for values in ({e: r.rank for e, r in rows[t].items()} for t in trials):
            cells.append(_cell(values, engine, 2))
        for values in ({e: r.late for e, r in rows[t].items()} for t in trials):
            cells.append(_cell(values, engine, 3))
        lines.append(f"| {label(engine)} | " + " | ".join(cells) + f" | {last[engine].cpu:.3g} |")
    return "\n".join(lines) + "\n"


def _cell(values: Mapping[str, tuple[float, float, float]], engine: str, digits: int) -> str:
    centre, low, high = values[engine]
    text = f"{centre:.{digits}f}"
    best = min(each[0] for each in values.values())
    shown = f"**{text}**" if centre == best else text
    return f"{shown} [{low:.{digits}f}-{high:.{digits}f}]"


def by_family(
    found: Sequence[Result], engines: Sequence[str], names: Sequence[str], trials: int
) -> str:
    """Return the mean regret of each engine on each collection of problems."""
    means = _means(found, engines, names, trials)
    families = list(dict.fromkeys(sample.family(name) for name in means))
    lines = [
        f"Mean NR after {trials} trials, by collection:\n",
        "| engine | " + " | ".join(families) + " |",
        "|---" * (len(families) + 1) + "|",
    ]
    values = np.array(
        [
            np.mean([m for name, m in means.items() if sample.family(name) == family], axis=0)
            for family in families
        ]
    ).round(3)
    for k, engine in enumerate(engines):
        cells = [f"**{v[k]:.3f}**" if v[k] == v.min() else f"{v[k]:.3f}" for v in values]
        lines.append(f"| {label(engine)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def losses(
    found: Sequence[Result], engines: Sequence[str], names: Sequence[str], trials: int
) -> str:
    """Return where `bayesianoptimization` is behind, however little."""
    ours, random = "local:bayesianoptimization", "random2x"
    if ours not in engines or random not in engines:
        return ""
    means = _means(found, engines, names, trials)
    me, other = engines.index(ours), engines.index(random)
    rivals = [k for k, engine in enumerate(engines) if not engine.startswith(_OURS)]
    behind = [name for name, m in means.items() if m[me] > m[rivals].min() + 1e-9]
    worse = [f"`{name}` ({m[me]:.3f} against {m[other]:.3f})" for name, m in means.items()
             if m[me] > m[other] + 1e-9]  # fmt: skip
    text = (
        "`bayesianoptimization` has a higher mean NR than the rival that is best there on "
        f"{len(behind)} of {len(means)} problems, and a higher one than random search with twice "
        f"the trials on {len(worse)}"
    )
    return text + (f": {', '.join(worse)}.\n" if worse else ".\n")


def _means(
    found: Sequence[Result], engines: Sequence[str], names: Sequence[str], trials: int
) -> dict[str, Array]:
    """Return the mean regret of each engine, by problem."""
    curves = report.shared_curves(found, engines, names, trials)
    return {name: each[:, :, trials - 1].mean(axis=1) for name, each in curves.items()}


def _lines(engines: Sequence[str], x: Sequence[Array], y: Sequence[Array]) -> list[chart.Line]:
    bold, pale = iter(_BOLD * 3), iter(_PALE * 3)
    lines = []
    for engine, a, b in zip(engines, x, y, strict=True):
        ours = engine.startswith(_OURS)
        lines.append(chart.Line(NAMES[engine], next(bold if ours else pale), ours, a, b))
    return lines


def _ranks(
    title: str, engines: Sequence[str], curves: Mapping[str, Array], found: Sequence[Result]
) -> str:
    """Draw the mean rank of each engine after every trial, from the fifth."""
    trials = next(iter(curves.values())).shape[2]
    x = np.arange(5, trials + 1)
    y = np.array(
        [np.mean([report.ranks(c[:, :, t - 1]).mean(axis=1) for c in curves.values()], axis=0)
         for t in x]
    ).T  # fmt: skip
    worst, best = float(np.ceil(y.max())), float(np.floor(y.min()))
    return chart.draw(
        f"{title}: mean rank (lower is better)",
        _lines(engines, [x] * len(engines), list(y)),
        chart.Axis(5, trials, [5, *range(10, trials + 1, 10)], "trials"),
        chart.Axis(worst, best, np.arange(best, worst + 1).tolist(), "mean rank"),
    )


def _solved(
    title: str, engines: Sequence[str], curves: Mapping[str, Array], found: Sequence[Result]
) -> str:
    """Draw the share of runs that are solved within a CPU time of the engine."""
    cpu = {(r.engine, r.problem): r.cpu for r in found}
    x = np.logspace(-3, 3, 121)
    y = []
    for k, engine in enumerate(engines):
        times = []
        for problem, each in curves.items():
            for run in each[k]:
                solved = np.flatnonzero(run <= SOLVED)
                seconds = cpu[engine, problem] * (solved[0] + 1) if len(solved) else np.inf
                times.append(seconds)
        y.append((np.array(times)[None, :] <= x[:, None]).mean(axis=1))
    marks = (0.001, 0.01, 0.1, 1, 10, 100, 1000)
    return chart.draw(
        f"{title}: share of runs with NR at most {SOLVED}",
        _lines(engines, [x] * len(engines), y),
        chart.Axis(0.001, 1000, marks, "CPU seconds of the engine", log=True),
        chart.Axis(0, 1, (0, 0.2, 0.4, 0.6, 0.8, 1), "share"),
    )


def _rivals() -> Iterator[str]:
    yield "## The rivals\n"
    yield "Each is called as its users call it, with its defaults, in an environment of its own."
    yield "Points of a batch are asked for together, or one after the other without results.\n"
    yield "| environment | package | version, or why it could not be built |\n|---|---|---|"
    for name, entry in environments.stored().items():
        outcome = entry.get("version") or f"not built: {entry['error']}"
        yield f"| {name} | {entry['package']} | {outcome} |"
    yield ""


@click.command()
def main() -> None:
    """Write docs/scoreboard.md and its pictures."""
    for name, text in page().items():
        (DOCS / name).write_text(text, encoding="utf-8")
        click.echo(f"wrote docs/{name}")


if __name__ == "__main__":
    main()
