"""Checks that a learning algorithm is better than random search."""

from __future__ import annotations

import functools
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.conformance import messages
from suggestion.conformance.check import Failed, Level, NotRun, Service, check
from suggestion.conformance.profiles import Profile
from suggestion.conformance.session import Play, Session
from suggestion.conformance.space import Space

_TRIALS: Final = 40
_SEEDS: Final = 5
#: Trials of a search for architectures: more, since its first ones are random.
_ARCHITECTURES: Final = 100


@dataclass(frozen=True, eq=False)
class Problem:
    """A function with a known optimum, over a small search space.

    Attributes:
        loss: Loss of an assignment, also given as quantiles of the priors by name; the lowest is 0.
    """

    name: str
    parameters: tuple[pb.ParameterSpec, ...]
    loss: Callable[[Mapping[str, str], Mapping[str, float]], float]
    maximize: bool = False

    def value(self, space: Space, assignment: Mapping[str, str]) -> float:
        """Return the objective as a trial reports it."""
        shares = {p.name: p.share(assignment[p.name]) for p in space.parameters}
        loss = self.loss(assignment, shares)
        return 100.0 - loss if self.maximize else loss


def _bowl(texts: Mapping[str, str], at: Mapping[str, float]) -> float:
    return (at["x"] - 0.35) ** 2 + 2 * (at["lr"] - 0.7) ** 2 + (at["units"] - 0.6) ** 2


def _hill(texts: Mapping[str, str], at: Mapping[str, float]) -> float:
    wrong = texts["optimizer"] != "adam"
    return 9 * ((at["x"] - 0.6) ** 2 + (at["y"] - 0.25) ** 2) + (at["lr"] - 0.5) ** 2 + wrong


BOWL: Final = Problem(
    "bowl",
    (
        messages.double("x", "-5", "5"),
        messages.double("lr", "1e-4", "1", distribution="logUniform"),
        messages.integer("units", "1", "100"),
    ),
    _bowl,
)
HILL: Final = Problem(
    "hill",
    (
        messages.double("x", "-5", "5"),
        messages.double("y", "0", "1"),
        messages.double("lr", "1e-4", "1", distribution="logUniform"),
        messages.categorical("optimizer", "sgd", "adam", "rmsprop"),
    ),
    _hill,
    maximize=True,
)


@functools.lru_cache
def random_search(problem: Problem, trials: int) -> float:
    """Return the median, over draws, of the best value of `trials` random points."""
    space = Space(problem.parameters)
    draw = random.Random(problem.name)
    values = sorted(
        (
            problem.value(space, space.point([draw.random() for _ in problem.parameters]))
            for _ in range(20_000)
        ),
        reverse=problem.maximize,
    )
    # The best of n exceeds the quantile q in half of all cases if (1 - q)^n = 1/2.
    return values[int((1 - 0.5 ** (1 / trials)) * len(values))]


def _best(session: Session, problem: Problem, seed: int) -> float:
    settings = {session.profile.seed: str(seed)} if session.profile.seed else {}
    experiment = session.experiment(
        f"{problem.name}-{seed}", problem.parameters, settings, maximize=problem.maximize
    )
    values = _values(session, experiment, _TRIALS, problem.value)
    if not values:
        raise Failed(f"problem {problem.name!r}: no trial was suggested")
    return max(values) if problem.maximize else min(values)


def _values(
    session: Session,
    experiment: pb.Experiment,
    trials: int,
    value: Callable[[Space, Mapping[str, str]], float],
) -> list[float]:
    """Return what the trials of an experiment report, asked for one at a time.

    One that does not fit the space fails: it is left to the rules for all replies.
    """
    play = Play(session, experiment, shuffle=False)
    values = []
    for _ in range(trials):
        for trial in play.ask(1):
            assignment = messages.trial_assignment(trial)
            if not play.space.fits(assignment):
                play.finish(trial, None, messages.Status.FAILED)
                continue
            values.append(value(play.space, assignment))
            play.finish(trial, repr(values[-1]))
    return values


def _learn(session: Session, problem: Problem) -> None:
    bar = random_search(problem, 2 * _TRIALS)
    values = [_best(session, problem, seed) for seed in range(1, _SEEDS + 1)]
    middle = statistics.median(values)
    if not (middle > bar if problem.maximize else middle < bar):
        side = "above" if problem.maximize else "below"
        raise Failed(
            f"problem {problem.name!r}, {_TRIALS} trials: the median of {_SEEDS} seeds must lie "
            f"{side} {bar:.4f}, which random search reaches in {2 * _TRIALS}, got {middle:.4f}"
        )


def _learns(profile: Profile) -> str | None:
    if profile.network is not None:
        return "it searches architectures"
    return None if profile.learns else "the number of trials is not a fair measure for it"


def _learns_architectures(profile: Profile) -> str | None:
    if profile.network is None:
        return "it searches parameters"
    return None if profile.learns else "the trial itself searches"


@check("learns-minimize", Service.SUGGESTION, Level.STRICT, applies=_learns)
def learns_minimize(session: Session) -> None:
    """When minimising, 40 trials find more than 80 trials of random search (median of 5 seeds;
    random search itself passes with probability 0.15); otherwise users pay for a model that is
    worth nothing.
    """
    _learn(session, BOWL)


@check("learns-maximize", Service.SUGGESTION, Level.STRICT, applies=_learns)
def learns_maximize(session: Session) -> None:
    """When maximising, 40 trials find more than 80 trials of random search (median of 5 seeds;
    random search itself passes with probability 0.15); a server that ignores the direction finds
    the worst trials.
    """
    _learn(session, HILL)


def _of_choices(numbers: Sequence[float]) -> float:
    """Return the loss of an architecture at these positions: each one counts by itself."""
    return sum((number - 0.3) ** 2 for number in numbers)


@check(
    "learns-architectures",
    Service.SUGGESTION,
    Level.STRICT,
    applies=_learns_architectures,
)
def learns_architectures(session: Session) -> None:
    """100 trials find better architectures than 200 trials of random search (median of 5 seeds;
    random search itself passes with probability 0.15); otherwise users pay for a search that is
    worth nothing.
    """
    values = [_best_architecture(session, seed) for seed in range(1, _SEEDS + 1)]
    space = session.space(session.experiment("architectures"))
    draw = random.Random("architectures")
    drawn = sorted(
        _of_choices(space.shares(space.point([draw.random() for _ in space.parameters])))
        for _ in range(20_000)
    )
    bar = drawn[int((1 - 0.5 ** (1 / (2 * _ARCHITECTURES))) * len(drawn))]
    middle = statistics.median(values)
    if not middle < bar:
        raise Failed(
            f"{_ARCHITECTURES} architectures: the median of {_SEEDS} seeds must lie below "
            f"{bar:.4f}, which random search reaches in {2 * _ARCHITECTURES}, got {middle:.4f}"
        )


def _best_architecture(session: Session, seed: int) -> float:
    settings = {session.profile.seed: str(seed)} if session.profile.seed else {}
    values = _values(
        session,
        session.experiment(f"architectures-{seed}", (), settings),
        _ARCHITECTURES,
        lambda space, assignment: _of_choices(space.shares(assignment)),
    )
    if not values:
        raise NotRun("no architecture can be read; see architecture-format")
    return min(values)
