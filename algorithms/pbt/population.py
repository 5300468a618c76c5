"""The population formed by the trials of a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from suggestion.algorithms.pbt import names
from suggestion.algorithms.pbt.names import Place
from suggestion.numerics.randomness import generator
from suggestion.problem.space import Assignment
from suggestion.problem.study import Pending, Study, Trial


@dataclass(frozen=True, slots=True)
class Member:
    """One trial: one generation of one member.

    Attributes:
        loss: None if it was not observed.
    """

    place: Place
    trial: str
    assignment: Assignment
    loss: float | None
    pending: bool

    def rank(self) -> tuple[float, int]:
        """Return a sort key of observed trials, best first, without ties."""
        assert self.loss is not None
        return self.loss, self.place.index


@dataclass(frozen=True, slots=True)
class Parent:
    """The trial that a member continues from.

    Attributes:
        exploit: Whether the parent is another member, whose parameters are copied.
    """

    member: Member
    exploit: bool


@dataclass(frozen=True)
class Population:
    """Trials by generation and member, in the order of their suggestions.

    Only trials with a name of this experiment count. Out-of-space trials count as failed.
    """

    size: int
    trials: Mapping[tuple[int, int], tuple[Member, ...]]
    #: Upper bound on the number of suggestions that may still become trials.
    in_flight: int

    @staticmethod
    def read(study: Study, size: int) -> Population:
        """Return the population of `size` members that `study` describes."""
        found: dict[tuple[int, int], list[Member]] = {}
        newest = -1
        everything: list[tuple[Trial, float | None]]
        everything = [*zip(study.observations, study.losses[:, 0].tolist(), strict=True)]
        others = (*study.pending, *study.failed, *study.out_of_space)
        everything += [(trial, None) for trial in others]
        out_of_space = {trial.trial for trial in study.out_of_space}
        for number, (trial, loss) in enumerate(everything):
            if number % 1024 == 0:
                study.deadline.check()
            place = names.place(study.name, trial.trial)
            if place is None:
                continue
            newest = max(newest, place.index)
            member = Member(
                place=place,
                trial=trial.trial,
                assignment=trial.assignment,
                loss=loss,
                pending=isinstance(trial, Pending) and trial.trial not in out_of_space,
            )
            found.setdefault((place.generation, place.member), []).append(member)
        # Indices rise with time, so nothing older than a visible trial is in flight.
        in_flight = min(study.first_index - 1 - newest, study.first_index - len(everything))
        return Population(
            size=size,
            trials={
                key: tuple(sorted(members, key=lambda member: member.place.index))
                for key, members in found.items()
            },
            in_flight=max(0, in_flight),
        )

    def of(self, generation: int, member: int) -> tuple[Member, ...]:
        """Return the trials of one member in one generation."""
        return self.trials.get((generation, member), ())

    def result(self, generation: int, member: int) -> Member | None:
        """Return the best of its observed trials, or None."""
        observed = [m for m in self.of(generation, member) if m.loss is not None]
        return min(observed, key=Member.rank) if observed else None

    @property
    def generation(self) -> int:
        """The generation to be suggested: the newest, or the next one if that is complete."""
        newest = max((generation for generation, _ in self.trials), default=0)
        complete = all(self.result(newest, member) is not None for member in range(self.size))
        return newest + complete

    def wanted(self, start: int, count: int) -> list[int]:
        """Return `count` members to suggest, after the first `start` of them.

        First those without a running trial, then repeatedly all without a result, those with the
        fewest trials first.
        """
        generation = self.generation
        open_ = [m for m in range(self.size) if self.result(generation, m) is None]
        idle = [m for m in open_ if not any(t.pending for t in self.of(generation, m))]
        waiting = sorted(
            set(open_).difference(idle), key=lambda m: (len(self.of(generation, m)), m)
        )
        turn = waiting + idle
        places = range(start, start + count)
        return [idle[k] if k < len(idle) else turn[(k - len(idle)) % len(turn)] for k in places]

    def parents(self, generation: int, threshold: float, seed: int) -> Mapping[int, Parent]:
        """Return the parent of each member of `generation`; empty if there is none.

        A member that was suggested before in this generation keeps its parent, which its name
        holds.

        Args:
            threshold: Share of the worst members, which continue from one of the best.
        """
        before = [self.result(generation - 1, member) for member in range(self.size)]
        ranked = sorted((member for member in before if member is not None), key=Member.rank)
        if not ranked:
            return {}
        share = min(threshold, 0.5) * self.size
        count = min(max(1, int(share + 1e-9)) if share else 0, len(ranked) // 2)
        # A member without a result, because the space or the size was edited, is among the worst.
        absent = [member for member, result in enumerate(before) if result is None]
        worst = absent + [m.place.member for m in ranked[len(ranked) - count :]]
        best = ranked[: max(count, 1)]
        order = generator(seed, "exploit", generation).permutation(len(best))
        parents = {m.place.member: Parent(m, exploit=False) for m in ranked}
        for turn, member in enumerate(worst):
            # Each of the best is copied equally often.
            parents[member] = Parent(best[int(order[turn % len(best)])], exploit=True)
        for member in range(self.size):
            for asked in self.of(generation, member)[:1]:
                parent = self.by_index.get(asked.place.parent)
                if parent is not None:
                    parents[member] = Parent(parent, exploit=parent.place.member != member)
        return parents

    @cached_property
    def by_index(self) -> Mapping[int | None, Member]:
        """Observed trials by the index of their suggestion."""
        everybody = (member for members in self.trials.values() for member in members)
        return {m.place.index: m for m in everybody if m.loss is not None}
