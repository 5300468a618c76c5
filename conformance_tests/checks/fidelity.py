"""Checks of multi-fidelity algorithms: little resource at first, more for good configurations."""

from __future__ import annotations

import math

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.conformance import messages
from suggestion.conformance.check import Failed, Level, NotRun, Service, check
from suggestion.conformance.messages import Status
from suggestion.conformance.profiles import Profile
from suggestion.conformance.session import Play, Session

_TRIALS = 120


def _multi_fidelity(profile: Profile) -> str | None:
    return None if profile.resource else "it is not a multi-fidelity algorithm"


class _Rungs:
    """Play an experiment in which more resource always helps and a good configuration stays good.

    Args:
        failing: Every n-th trial fails; none if 0.
    """

    def __init__(self, session: Session, name: str, failing: int = 0) -> None:
        self.resource = session.profile.resource
        play = Play(session, session.experiment(name, parallel=3))
        #: Configuration, resource and loss of each trial; the loss is None if it failed.
        self.trials: list[tuple[object, float, float | None]] = []
        #: Rung, losses of that rung at the time, and own loss of each promotion.
        self.promotions: list[tuple[float, list[float], float]] = []
        while len(self.trials) < _TRIALS:
            # Three at a time, like a controller with three parallel trials.
            new = play.ask(3)
            if not new:
                break
            for trial in new:
                self._take(play, trial, failing)

    def _take(self, play: Play, trial: pb.Trial, failing: int) -> None:
        assignment = messages.trial_assignment(trial)
        if not play.space.fits(assignment):
            play.finish(trial, None, Status.FAILED)
            self.trials.append((trial.name, 1.0, None))
            return  # left to the rules for all replies
        resource = float(assignment.pop(self.resource))
        configuration = tuple(sorted(assignment.items()))
        before = [r for c, r, loss in self.trials if c == configuration and loss is not None]
        if before and max(before) < resource:
            rung = max(before)
            others = [loss for _, r, loss in self.trials if r == rung and loss is not None]
            own = next(
                loss
                for c, r, loss in self.trials
                if c == configuration and r == rung and loss is not None
            )
            self.promotions.append((rung, others, own))
        if failing and len(self.trials) % failing == failing - 1:
            play.finish(trial, None, Status.FAILED)
            self.trials.append((configuration, resource, None))
            return
        shares = (
            p.share(assignment[p.name]) for p in play.space.parameters if p.name in assignment
        )
        loss = sum((share - 0.3) ** 2 for share in shares) + 1 / max(resource, 1)
        play.finish(trial, repr(loss))
        self.trials.append((configuration, resource, loss))

    def reaches(self, maximum: float) -> bool:
        """Whether a configuration that began with less was given the most resource."""
        begun: set[object] = set()
        for configuration, resource, _ in self.trials:
            if resource == maximum and configuration in begun:
                return True
            if resource < maximum:
                begun.add(configuration)
        return False


def _undisturbed(session: Session) -> _Rungs:
    return session.once("rungs", lambda: _Rungs(session, "rungs"))


@check("resource-values", Service.SUGGESTION, Level.CONTRACT, applies=_multi_fidelity)
def resource_values(session: Session) -> None:
    """Resources are powers of `eta` below `r_l`, and exactly `r_l` at the top, most trials below
    it; other values cost more than the user allowed, or cannot be compared.
    """
    profile = session.profile
    values = sorted({resource for _, resource, _ in _undisturbed(session).trials})
    eta = float(profile.settings.get("eta", "3"))
    rungs = math.floor(math.log(profile.maximum, eta) + 1e-9) + 1
    if len(values) > rungs or values[0] < 1 or values[-1] > profile.maximum:
        raise Failed(
            f"resource {profile.resource!r}: must take at most {rungs} different values from 1 to "
            f"{profile.maximum}, got {values}"
        )
    below = sum(resource < profile.maximum for _, resource, _ in _undisturbed(session).trials)
    if 2 * below < len(_undisturbed(session).trials):
        raise Failed(
            f"resource {profile.resource!r}: most trials must get less than {profile.maximum}, "
            f"got {below} of {_TRIALS}"
        )


@check("rung-progress", Service.SUGGESTION, Level.CONTRACT, applies=_multi_fidelity)
def rung_progress(session: Session) -> None:
    """Within 120 trials a configuration that began with little resource gets the most; otherwise
    the budget is spent on first rungs only.
    """
    if not _undisturbed(session).reaches(session.profile.maximum):
        raise Failed(
            f"{_TRIALS} trials: one configuration must be promoted up to "
            f"{session.profile.maximum}, got {len(_undisturbed(session).promotions)} promotions "
            f"and none so far"
        )


@check("rung-failures", Service.SUGGESTION, Level.CONTRACT, applies=_multi_fidelity)
def rung_failures(session: Session) -> None:
    """With every fourth trial failing, configurations are still promoted to the most resource;
    otherwise one crash blocks its rung permanently.
    """
    if not _undisturbed(session).reaches(session.profile.maximum):
        raise NotRun("nothing is promoted without failures either; see rung-progress")
    if not _Rungs(session, "rung-failures", failing=4).reaches(session.profile.maximum):
        raise Failed(
            f"{_TRIALS} trials, every fourth failing: one configuration must be promoted up to "
            f"{session.profile.maximum}, got none"
        )


@check("promotes-the-best", Service.SUGGESTION, Level.CONTRACT, applies=_multi_fidelity)
def promotes_the_best(session: Session) -> None:
    """Only configurations of the better half of the lowest rung are promoted; otherwise resource is
    spent on configurations that are known to be bad.
    """
    rungs = _undisturbed(session)
    lowest = min(resource for _, resource, _ in rungs.trials)
    for rung, others, own in rungs.promotions:
        better = sum(loss < own for loss in others)
        if rung == lowest and 2 * better > len(others):
            raise Failed(
                f"promotion from {rung:.0f} {session.profile.resource}: must be of the better half "
                f"of the {len(others)} trials there, got one with {better} better ones"
            )
