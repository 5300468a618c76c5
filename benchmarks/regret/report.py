"""Tables out of stored results: mean ranks and regrets with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.regret.results import Result
from suggestion.problem.parameters import Array


@dataclass(frozen=True)
class Row:
    """An engine's line in the table; an interval is the middle 90 % of the bootstrap."""

    engine: str
    rank: tuple[float, float, float]
    early: float
    late: tuple[float, float, float]
    better: float  # bootstrap probability of a lower mean regret than the reference
    cpu: float


def ranks(values: Array) -> Array:
    """Ranks along the first axis from 1, ties sharing their mean rank."""
    below = (values[None, :] < values[:, None]).sum(axis=1)
    ties = (values[None, :] == values[:, None]).sum(axis=1)
    return np.asarray(below + (ties + 1) / 2)


def _interval(draws: Array, centre: float) -> tuple[float, float, float]:
    low, high = np.quantile(draws, [0.05, 0.95])
    return centre, float(low), float(high)


def complete(results: Sequence[Result], problems: Sequence[str], trials: int) -> tuple[str, ...]:
    """The engines that ran all of `problems` for `trials`, with as many seeds as any that did."""
    seeds: dict[str, dict[str, int]] = {}
    for result in results:
        if result.problem in problems and result.reaching(trials):
            seeds.setdefault(result.engine, {})[result.problem] = len(result.reaching(trials))
    whole = {e: min(counts.values()) for e, counts in seeds.items() if len(counts) == len(problems)}
    most = max(whole.values(), default=0)
    return tuple(engine for engine, count in whole.items() if count == most)


def shared_curves(
    results: Sequence[Result], engines: Sequence[str], problems: Sequence[str], trials: int
) -> dict[str, Array]:
    """Collect the regret curves of the seeds that all `engines` have run for `trials` trials.

    Returns:
        For each problem with such seeds an array of shape (engines, seeds, trials).

    Raises:
        ValueError: There is no such problem.
    """
    found = {(r.engine, r.problem): r.reaching(trials) for r in results}
    curves = {}
    for problem in problems:
        seeds = sorted(set.intersection(*(set(found.get((e, problem), ())) for e in engines)))
        if seeds:
            curves[problem] = np.array(
                [[found[e, problem][s][:trials] for s in seeds] for e in engines]
            )
    if not curves:
        raise ValueError(f"no problem was run by all of these engines for {trials} trials")
    return curves


def table(
    results: Sequence[Result],
    engines: Sequence[str],
    problems: Sequence[str],
    trials: int,
    reference: str = "random2x",
) -> list[Row]:
    """Compares `engines` after `trials` trials, on what all of them have run.

    Regrets are averaged over the seeds of a problem and then over problems; ranks are taken for
    each problem and seed among the engines. The bootstrap draws problems and, within each, seeds.
    """
    if not engines:
        raise ValueError(f"no engine has stored results of all these problems for {trials} trials")
    cpu = {(r.engine, r.problem): r.cpu for r in results}
    shared = shared_curves(results, engines, problems, trials)
    early, late, rank = [], [], []
    for curves in shared.values():
        late.append(curves[:, :, trials - 1])
        early.append(curves[:, :, trials // 2 - 1].mean(axis=1))
        rank.append(ranks(late[-1]))
    rng = np.random.default_rng(0)
    draws_rank, draws_late = [], []
    for _ in range(1000):
        of_rank, of_late = [], []
        for k in rng.integers(len(shared), size=len(shared)):
            seeds_drawn = rng.integers(late[k].shape[1], size=late[k].shape[1])
            of_rank.append(rank[k][:, seeds_drawn].mean(axis=1))
            of_late.append(late[k][:, seeds_drawn].mean(axis=1))
        draws_rank.append(np.mean(of_rank, axis=0))
        draws_late.append(np.mean(of_late, axis=0))
    all_ranks, all_late = np.array(draws_rank), np.array(draws_late)
    base = all_late[:, list(engines).index(reference)] if reference in engines else None
    rows = []
    for k, engine in enumerate(engines):
        rows.append(
            Row(
                engine,
                _interval(all_ranks[:, k], float(np.mean([r[k].mean() for r in rank]))),
                float(np.mean([e[k] for e in early])),
                _interval(all_late[:, k], float(np.mean([x[k].mean() for x in late]))),
                float("nan") if base is None else float(np.mean(all_late[:, k] < base)),
                float(np.mean([cpu[engine, p] for p in shared])),
            )
        )
    return sorted(rows, key=lambda row: row.rank[0])


def markdown(rows: Sequence[Row], trials: int, reference: str) -> str:
    lines = [
        f"| engine | mean rank at {trials} | NR at {trials // 2} | NR at {trials} | "
        f"P(NR below {reference}) | CPU s a suggestion |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        rank, late = row.rank, row.late
        lines.append(
            f"| {row.engine} | {rank[0]:.2f} [{rank[1]:.1f}-{rank[2]:.1f}] | {row.early:.3f} | "
            f"{late[0]:.3f} [{late[1]:.3f}-{late[2]:.3f}] | {row.better:.3f} | {row.cpu:.4f} |"
        )
    return "\n".join(lines)


def by_problem(
    results: Sequence[Result], engines: Sequence[str], problems: Sequence[str], trials: int
) -> str:
    """Mean normalised regret of each engine on each problem."""
    found = {(r.engine, r.problem): r for r in results}
    lines = ["| problem | " + " | ".join(engines) + " |", "|---" * (len(engines) + 1) + "|"]
    for problem in problems:
        cells = []
        for engine in engines:
            result = found.get((engine, problem))
            curves = [] if result is None else list(result.reaching(trials).values())
            cells.append(f"{np.mean([c[trials - 1] for c in curves]):.4f}" if curves else "-")
        lines.append(f"| {problem} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
