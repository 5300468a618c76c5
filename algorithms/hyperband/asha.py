"""Asynchronous successive halving."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Final

from suggestion.algorithms.hyperband import plan as planning
from suggestion.algorithms.hyperband.rungs import Key, Promotion, halve_asynchronously
from suggestion.algorithms.hyperband.search import Pool, Search
from suggestion.engine.algorithm import Ability, register
from suggestion.engine.settings import REQUIRED, setting
from suggestion.problem.errors import Violation
from suggestion.problem.numeric import Double, Int
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import Study

# A promotion that vanished may stay among a rung's best forever, so it is seldom repeated.
_ODDS: Final = 8


@register("asha")
@dataclass(frozen=True, kw_only=True)
class Asha:
    """Promote every configuration among the best 1/eta of its rung, without waiting for others
    [Li2020]_.

    The rungs are r_l, r_l / eta, r_l / eta^2, ... down to r_min. A request gets the promotions that
    are due, from the highest rung down, and then new configurations. With several brackets, bracket
    s omits the s lowest rungs; new configurations are divided among the brackets as in a round of
    Hyperband.

    Unlike the paper, where rungs are r_min * eta^k, they are counted from r_l down, so the last one
    is r_l for any r_min.

    .. [Li2020] L. Li, K. Jamieson, A. Rostamizadeh, E. Gonina, J. Ben-Tzur, M. Hardt, B. Recht,
       A. Talwalkar. A system for massively parallel hyperparameter tuning. MLSys 2020.
    """

    abilities: ClassVar[frozenset[Ability]] = frozenset(
        {Ability.CONDITIONS, Ability.PARAMETER_CONSTRAINTS}
    )

    r_l: float = setting(
        REQUIRED, above=0, at_most=2**53, help="Largest resource of a configuration."
    )
    resource_name: str = setting(
        REQUIRED, help="Name of the int or double parameter that holds the resource."
    )
    r_min: float | None = setting(
        None,
        above=0,
        at_most=2**53,
        help="Smallest resource of a configuration; the lesser of 1 and the parameter's min if "
        "unset.",
    )
    eta: float = setting(
        3.0,
        above=1,
        at_most=1_000_000,
        help="One in eta configurations is promoted, and gets eta times the resource.",
    )
    brackets: int = setting(
        1,
        at_least=1,
        at_most=planning.MOST_RUNGS,
        help="Number of brackets; each one omits one more of the lowest rungs.",
    )

    def search_space(self, declared: SearchSpace) -> SearchSpace:
        return planning.search_space(declared, self.resource_name, self.r_l)

    def violations(self, study: Study) -> Iterator[Violation]:
        found = list(
            planning.violations(study.space, self.resource_name, self.r_l, self.r_min, self.eta)
        )
        yield from found
        if not found:
            rungs = len(self._plan(study).brackets)
            if self.brackets > rungs:
                yield Violation(
                    ("settings", "brackets"),
                    f"setting 'brackets' must be at most {rungs}, the number of rungs from r_min "
                    f"to r_l, got {self.brackets}",
                )

    def _plan(self, study: Study) -> planning.Plan:
        resource = study.space[self.resource_name]
        assert isinstance(resource, Int | Double), "checked by violations()"
        return planning.plan(resource, self.r_l, self.r_min, self.eta)

    def suggest(self, study: Study, count: int) -> Sequence[Assignment]:
        plan = self._plan(study)
        search = Search(study, self.resource_name, plan, marked=False)

        def sample(index: int, mark: int, taken: set[Key]) -> Assignment | None:
            study.deadline.check()
            return search.draws.new(index, mark, taken)

        return search.answer(count, self._promotions(search), self._openings(search), sample)

    def _promotions(self, search: Search) -> Iterator[Promotion]:
        due: list[Promotion] = []
        skip = partial(search.perhaps_lost, odds=_ODDS)
        for bracket in search.plan.brackets[: self.brackets]:
            search.study.deadline.check()
            members = search.pools.get((bracket.start, 0), ())
            due += halve_asynchronously(members, bracket.start, search.plan.top, self.eta, skip)
        return iter(sorted(due, key=lambda promotion: -promotion.level))

    def _openings(self, search: Search) -> Iterator[Pool]:
        """Yield, without end, the bracket that has least of its share of the configurations."""
        brackets = search.plan.brackets[: self.brackets]
        filled = Counter({b.start: len(search.pools.get((b.start, 0), ())) for b in brackets})
        while True:
            bracket = min(brackets, key=lambda b: (filled[b.start] + 1) / b.sizes[0])
            filled[bracket.start] += 1
            yield bracket.start, 0
