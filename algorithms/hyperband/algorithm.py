"""Hyperband and BOHB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count as count_from
from typing import ClassVar, Literal

from suggestion.algorithms.hyperband import plan as planning
from suggestion.algorithms.hyperband.model import Model
from suggestion.algorithms.hyperband.rungs import Key, Promotion, halve
from suggestion.algorithms.hyperband.search import Pool, Search
from suggestion.engine.algorithm import Ability, register
from suggestion.engine.settings import REQUIRED, setting
from suggestion.numerics import streams
from suggestion.problem.errors import Violation
from suggestion.problem.numeric import Double, Int
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import Study


@register("hyperband")
@dataclass(frozen=True, kw_only=True)
class Hyperband:
    """Start many configurations with little resource, and promote the best to more [Li2018]_.

    The resource is one of the parameters; its declared distribution is not used. A round is one
    bracket of successive halving for each of r_l * eta^-s, s = s_max .. 0. A request always gets as
    many suggestions as it asks for: promotions that are due, then new configurations of the open
    bracket, then of the next one; after the last bracket a new round begins. The best of a rung are
    promoted when the whole rung has finished; failed trials are its worst.

    With the sampler ``tpe`` new configurations come from a model of the good ones, which is BOHB
    [Falkner2018]_.

    .. [Li2018] L. Li, K. Jamieson, G. DeSalvo, A. Rostamizadeh, A. Talwalkar. Hyperband: a novel
       bandit-based approach to hyperparameter optimization. JMLR 18, 2018.
    .. [Falkner2018] S. Falkner, A. Klein, F. Hutter. BOHB: robust and efficient hyperparameter
       optimization at scale. ICML 2018.
    """

    #: Settings that another server wrote into the experiment; here they are recomputed.
    ignored: ClassVar[frozenset[str]] = frozenset(
        {"s_max", "b_l", "r", "n", "current_s", "current_i", "evaluating_trials"}
    )

    abilities: ClassVar[frozenset[Ability]] = frozenset(
        {Ability.CONDITIONS, Ability.PARAMETER_CONSTRAINTS}
    )

    r_l: float = setting(
        REQUIRED, above=0, at_most=2**53, help="Largest resource of a configuration."
    )
    resource_name: str = setting(
        REQUIRED, help="Name of the int or double parameter that holds the resource."
    )
    eta: float = setting(
        3.0,
        above=1,
        at_most=1_000_000,
        help="One in eta configurations is promoted, and gets eta times the resource.",
    )
    sampler: Literal["random", "tpe"] = setting(
        "random",
        help="How configurations are drawn: from the prior (random), or from a model (tpe, BOHB).",
    )

    def search_space(self, declared: SearchSpace) -> SearchSpace:
        return planning.search_space(declared, self.resource_name, self.r_l)

    def violations(self, study: Study) -> Iterator[Violation]:
        yield from planning.violations(study.space, self.resource_name, self.r_l, None, self.eta)
        if self.sampler == "tpe" and study.space.conditions:
            yield Violation(
                ("settings", "sampler"),
                "setting 'sampler': tpe has no conditions between parameters, got conditions; use "
                "random, or algorithm 'tpe'",
            )

    def suggest(self, study: Study, count: int) -> Sequence[Assignment]:
        resource = study.space[self.resource_name]
        assert isinstance(resource, Int | Double), "checked by violations()"
        plan = planning.plan(resource, self.r_l, None, self.eta)
        search = Search(study, self.resource_name, plan, marked=True)
        model = None
        # Draws from the prior can be recognised, so they are used while suggestions are in flight.
        if self.sampler == "tpe" and not search.in_flight:
            model = Model.fit(search.subspace.space, search.found.values(), plan.top)

        left = 0 if model is None else model.most_samples

        def sample(index: int, mark: int, taken: set[Key]) -> Assignment | None:
            nonlocal left
            study.deadline.check()
            found = None
            if model is not None and not search.used_up and left > 0:
                left -= 1
                wanted = mark if search.marks > 1 else None
                found = model.sample(streams.rng(study, index), search.subspace, wanted, taken)
            return search.draws.new(index, mark, taken) if found is None else found

        return search.answer(count, _promotions(search), _openings(search), sample)


def _promotions(search: Search) -> Iterator[Promotion]:
    """Yield all promotions that are due, the oldest round first."""
    starts = {bracket.start: bracket for bracket in search.plan.brackets}
    # The first bracket is the one with the least resource.
    for mark, start in sorted((mark, start) for start, mark in search.pools):
        search.study.deadline.check()
        if start in starts:
            yield from halve(
                search.pools[start, mark],
                start,
                starts[start].sizes,
                closed=search.used_up,
                vanished=search.vanished,
                skip=search.perhaps_lost,
            )


def _openings(search: Search) -> Iterator[Pool]:
    """Yield a place for each configuration that the brackets lack, bracket by bracket, round by
    round.
    """
    for turn in count_from():
        for bracket in search.plan.brackets:
            pool = (bracket.start, turn % search.marks)
            wanted = bracket.sizes[0] * (turn // search.marks + 1)
            for _ in range(len(search.pools.get(pool, ())), wanted):
                yield pool
