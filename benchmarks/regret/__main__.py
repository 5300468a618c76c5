"""``python -m benchmarks.regret run | report | tabulate | problems``."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import click

from benchmarks.regret import engines, problems, report, results, sample, tables
from benchmarks.regret.problem import Problem
from benchmarks.regret.rivals.process import RivalError

MODE = click.option("--mode", type=click.Choice(list(results.MODES)), default="sequential")
HALF = click.option(
    "--half",
    type=click.Choice(["a", "b", "m", "c", "d", "e", "f", ""]),
    default="",
    help="a and b if empty.",
)
FOLDER = click.option(
    "--results", "folder", type=click.Path(path_type=Path), default=results.FOLDER
)


@click.group()
def main() -> None:
    """How good the suggestions are."""


@main.command()
@click.option("--engine", "names", multiple=True, required=True, help="Can be given several times.")
@click.option("--problem", "chosen", multiple=True, help="All unless given.")
@click.option("--seeds", default=10, show_default=True, help="Number of repetitions.")
@click.option("--trials", default=0, help="50 sequentially, 96 in batches, unless given.")
@click.option("--add", is_flag=True, help="Keep what is stored and run the seeds that are missing.")
@MODE
@HALF
@FOLDER
def run(
    names: tuple[str, ...],
    chosen: tuple[str, ...],
    seeds: int,
    trials: int,
    add: bool,
    mode: str,
    half: str,
    folder: Path,
) -> None:
    """Run engines on problems and store what came of it, replacing what was stored."""
    trials = trials or (50 if mode == "sequential" else 96)
    selected = [problems.load(name) for name in problems.select(half, chosen)]
    for name in names:
        start = engines.find(name)
        for problem in selected:
            before = results.read(name, problem.name, mode, folder) if add else None
            missing = [s for s in range(seeds) if before is None or s not in before.best]
            if not missing:
                continue
            result = results.run(name, start, problem, mode, missing, trials)
            results.save(results.merged(before, result) if before else result, folder)
            mean = sum(float(curve[-1]) for curve in result.reaching(0).values()) / len(missing)
            click.echo(f"{name:28} {problem.name:20} {mean:.4f}  {result.cpu:.4f} s")


@main.command()
@click.option("--engine", "names", multiple=True, required=True, help="Can be given several times.")
@click.option("--pairs", default=24, show_default=True, help="How many of the sample, its first.")
@click.option("--trials", default=0, help="50 sequentially, 96 in batches, unless given.")
@MODE
@FOLDER
def grow(names: tuple[str, ...], pairs: int, trials: int, mode: str, folder: Path) -> None:
    """Run engines on the scoreboard's sample in its order, where no result is stored yet.

    It can be stopped at any time, and run again. A rival that fails is named and left out of that
    problem and seed.
    """
    trials = trials or (50 if mode == "sequential" else 96)
    loaded: dict[str, Problem] = {}
    for name, seed in islice(sample.pairs(), pairs):
        for engine in names:
            before = results.read(engine, name, mode, folder)
            if before is not None and seed in before.reaching(trials):
                noisy = sample.family(name) == "bbob-noisy"
                if not noisy or not engines.may_recommend(engine) or seed in before.recommended:
                    continue
            problem = loaded.setdefault(name, loaded.get(name) or problems.load(name))
            try:
                result = results.run(engine, engines.find(engine), problem, mode, [seed], trials)
            except RivalError as error:
                click.echo(f"{engine:28} {name:28} {seed:2} {error}", err=True)
                continue
            results.save(results.merged(before, result) if before else result, folder)
            regret = float(result.reaching(0)[seed][-1])
            click.echo(f"{engine:28} {name:28} {seed:2} {regret:.4f}  {result.cpu:.4f} s")


@main.command(name="report")
@click.option("--engine", "names", multiple=True, help="All that ran everything unless given.")
@click.option("--trials", default=0, help="50 sequentially, 96 in batches, unless given.")
@click.option("--against", default="random2x", show_default=True)
@click.option("--problems", "each", is_flag=True, help="Also every problem by itself.")
@MODE
@HALF
@FOLDER
def report_(
    names: tuple[str, ...],
    trials: int,
    against: str,
    each: bool,
    mode: str,
    half: str,
    folder: Path,
) -> None:
    """Print ranks and normalised regrets: 0 = best known, 1 = median of random draws."""
    trials = trials or (50 if mode == "sequential" else 96)
    found = results.read_all(mode, folder)
    listed = names or report.complete(found, problems.select(half), trials)
    left_out = dict.fromkeys(r.engine for r in found if r.engine not in listed)
    if left_out and not names:
        click.echo(
            f"Left out, with fewer seeds, problems or trials (name them): {', '.join(left_out)}\n"
        )
    unknown = sorted(set(names) - {r.engine for r in found})
    if unknown:
        stored = ", ".join(sorted({r.engine for r in found}))
        raise click.UsageError(f"nothing is stored of {', '.join(unknown)}; there is {stored}")
    try:
        rows = report.table(found, listed, problems.select(half), trials, against)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    click.echo(report.markdown(rows, trials, against))
    if each:
        click.echo()
        ordered = [row.engine for row in rows]
        click.echo(report.by_problem(found, ordered, problems.select(half), trials))


@main.command()
@click.argument("names", nargs=-1)
def tabulate(names: tuple[str, ...]) -> None:
    """Score the scikit-learn models anew (minutes of computing)."""
    for name in names or tables.MODELS:
        click.echo(tables.store(name))


@main.command(name="problems")
@HALF
def problems_(half: str) -> None:
    """List the problems, their best known loss and the median of random draws."""
    for name in problems.select(half):
        problem = problems.load(name)
        click.echo(
            f"{name:20} {problem.space.dimension:3} parameters  best {problem.best:.6g}  "
            f"median {problem.median:.6g}"
        )


if __name__ == "__main__":
    main()
