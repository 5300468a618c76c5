"""Checks of the distribution of the first suggestions."""

from __future__ import annotations

import math
from typing import Final

from suggestion.conformance import messages
from suggestion.conformance.check import Failed, Level, Service, check
from suggestion.conformance.parameters import PRIORS
from suggestion.conformance.profiles import Profile
from suggestion.conformance.session import Session
from suggestion.conformance.space import Space

_EXPERIMENTS: Final = 60
_EACH: Final = 10  # later ones may come from a model
#: Probability that a parameter with the correct distribution fails.
_FALSE_ALARM: Final = 1e-6


def _from_prior(profile: Profile) -> str | None:
    return None if profile.prior else "its first suggestions have a distribution of their own"


@check("distributions", Service.SUGGESTION, Level.STRICT, applies=_from_prior)
def distributions(session: Session) -> None:
    """The first ten suggestions of 60 experiments follow each parameter's distribution
    (Kolmogorov-Smirnov; a correct server fails with probability below 1e-5); otherwise `logUniform`
    and `step` have no meaning.
    """
    texts: dict[str, list[str]] = {spec.name: [] for spec in PRIORS}
    for number in range(_EXPERIMENTS):
        experiment = session.experiment(f"prior-{number}", PRIORS)
        reply = session.suggest(messages.request(experiment, (), _EACH), "a first request")
        for assignment in messages.assignments_of(reply):
            for name, values in texts.items():
                if name in assignment:
                    values.append(assignment[name])
    space = Space(PRIORS)
    for name, values in texts.items():
        parameter = space.by_name[name]
        fit = [v for v in values if not (parameter.misformatted(v) or parameter.unlisted(v))]
        if not fit:
            continue  # left to other rules
        # Dvoretzky, Kiefer, Wolfowitz and Massart: P(distance > e) <= 2 exp(-2 n e^2), for any
        # distribution and any n.
        bound = math.sqrt(math.log(2 / _FALSE_ALARM) / (2 * len(fit)))
        distance = parameter.distance(fit)
        if distance > bound:
            raise Failed(
                f"parameter {name!r}, {len(fit)} first suggestions: distance from the declared "
                f"distribution must be at most {bound:.3f}, got {distance:.3f}; for instance "
                f"{fit[:5]}"
            )
