"""The sample of the scoreboard: which problems and seeds, in an order fixed before any result.

Engines are run along this order, so that to stop at any time leaves a valid sample: the first
problems and seeds of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Final

from benchmarks.regret import problems

#: Problems of one round: each is run with one seed before the next seed is begun.
ROUND: Final = 24
SEEDS: Final = 10


def family(problem: str) -> str:
    """Return the collection that a problem of the reporting halves is from."""
    return problem.rsplit("-f", 1)[0][2:] if problem[0] in "ef" else problem.split("-")[1]


def _in_turn(names: Sequence[str]) -> list[str]:
    """Take one of each family in turn; within a family of functions one of each dimension."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name in names:
        dimension = name.rsplit("-", 1)[1] if name[0] in "ef" else ""
        groups.setdefault((family(name), dimension), []).append(name)
    # With another offset for each dimension, the first problems are of different functions.
    lists = []
    for k, group in enumerate(groups.values()):
        start = 3 * k % len(group) if group[0][0] in "ef" else 0
        lists.append(group[start:] + group[:start])
    return [name for row in zip_longest(*lists) for name in row if name is not None]


def ordered(halves: str = "df") -> list[str]:
    """Return the problems of `halves`, one of each half in turn."""
    lists = [_in_turn(problems.select(half)) for half in halves]
    return [name for row in zip_longest(*lists) for name in row if name is not None]


def pairs(halves: str = "df") -> Iterator[tuple[str, int]]:
    """Yield each problem with each seed: by rounds of `ROUND` problems."""
    names = ordered(halves)
    for start in range(0, len(names), ROUND):
        for seed in range(SEEDS):
            for name in names[start : start + ROUND]:
                yield name, seed
