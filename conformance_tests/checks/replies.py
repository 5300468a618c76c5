"""Checks of the form of every reply."""

from __future__ import annotations

from suggestion.conformance import messages
from suggestion.conformance.check import Failed, Level, Service, check
from suggestion.conformance.messages import Status
from suggestion.conformance.profiles import Profile
from suggestion.conformance.session import Play, Session


def _verdict(session: Session, identity: str) -> None:
    if identity in session.offences:
        rule, call = session.offences[identity]
        raise Failed(rule, call)


def _probe(session: Session) -> None:
    """Play one experiment with first and later suggestions, running and failed trials."""

    def play() -> None:
        played = Play(session, session.experiment("replies"))
        for batch, count in enumerate((1, 3, 17, 3, 1, 4)):
            for index, trial in enumerate(played.ask(count)):
                # One of the first is still running, one has failed, the others are done.
                if batch or index != 1:
                    played.finish(trial, repr(played.loss(trial)))
                if batch == 2 and index == 5:
                    played.finish(trial, None, Status.FAILED)
                    del trial.status.observation.metrics[:]

    session.once("replies", play)


@check("exact-count", Service.SUGGESTION, Level.CONTRACT, last=True)
def exact_count(session: Session) -> None:
    """A reply holds exactly as many suggestions as requested (1, 3, 17, 100; with running and
    failed trials); the controller refuses any other number, every time.
    """
    for count in (1, 3, 17, 100):
        session.suggest(
            messages.request(session.experiment(f"count-{count}"), (), count),
            f"a first request for {count}",
        )
    _probe(session)
    _verdict(session, "exact-count")


@check("every-parameter-once", Service.SUGGESTION, Level.CONTRACT, last=True)
def every_parameter_once(session: Session) -> None:
    """A suggestion holds every declared parameter once and no other; otherwise the trial's command
    has gaps and fails.
    """
    _probe(session)
    _verdict(session, "every-parameter-once")


def _numbers(profile: Profile) -> str | None:
    return None if profile.network is None else "it suggests architectures"


@check("number-format", Service.SUGGESTION, Level.CONTRACT, last=True, applies=_numbers)
def number_format(session: Session) -> None:
    """Ints are written like `3` and doubles as plain decimals; `--layers=3.0` makes the user's
    program fail.
    """
    _probe(session)
    _verdict(session, "number-format")


@check("values-in-range", Service.SUGGESTION, Level.CONTRACT, last=True, applies=_numbers)
def values_in_range(session: Session) -> None:
    """Numbers lie in [min, max]; a learning rate outside the range that the user chose wastes the
    trial.
    """
    _probe(session)
    _verdict(session, "values-in-range")


@check("listed-values-verbatim", Service.SUGGESTION, Level.CONTRACT, last=True, applies=_numbers)
def listed_values_verbatim(session: Session) -> None:
    """Discrete and categorical values are returned exactly as listed; a program that compares
    strings does not accept `0.001` for `1e-3`.
    """
    listed = (
        messages.discrete("number", "1e-3", "0.010", "1.0", "2", "-3", "+4.50"),
        messages.categorical("text", "1.0", "True", "None", "Adam W", "größer", "a,b", "1e-3"),
        messages.integer("i", "1", "9"),
        messages.integer("j", "1", "9"),
    )
    experiment = session.experiment("verbatim", listed)
    session.suggest(messages.request(experiment, (), 17), "a first request for 17")
    _probe(session)
    _verdict(session, "listed-values-verbatim")


def _networks(profile: Profile) -> str | None:
    return None if profile.network is not None else "it suggests values of parameters"


@check("architecture-format", Service.SUGGESTION, Level.CONTRACT, last=True, applies=_networks)
def architecture_format(session: Session) -> None:
    """Architectures have a choice and skip connections for each layer, and their description is
    what trials read: JSON with ' in place of "; otherwise no trial can build its network.
    """
    _probe(session)
    _verdict(session, "architecture-format")


@check("trial-names", Service.SUGGESTION, Level.CONTRACT, last=True)
def trial_names(session: Session) -> None:
    """If the reply names trials, the names are DNS-1123 labels of at most 63 characters and never
    used twice, also not by two experiments; the cluster refuses any other.
    """
    taken: set[str] = set()
    for name in ("names-a", "names-b"):
        request = messages.request(session.experiment(name), (), 3)
        reply = session.suggest(request, "a first request for 3")
        names = {item.trial_name for item in reply.parameter_assignments} - {""}
        if names & taken:
            raise Failed(
                f"two experiments: trial_name must differ, got {min(names & taken)!r} for both",
                session.calls[-1],
            )
        taken |= names
    for name in ("n" * 63, "odd.name_with-everything"):
        experiment = session.experiment("names")
        experiment.name = name
        session.suggest(messages.request(experiment, (), 3), f"an experiment named {name!r}")
    _probe(session)
    _verdict(session, "trial-names")


def _stepped(profile: Profile) -> str | None:
    has_steps = any(spec.feasible_space.step for spec in profile.standard)
    return None if has_steps else "no parameter has a step"


@check("step-lattice", Service.SUGGESTION, Level.STRICT, last=True, applies=_stepped)
def step_lattice(session: Session) -> None:
    """With a step, values are min + k * step, written without rounding errors; users choose steps
    so that results can be compared.
    """
    stepped = (
        messages.double("a", "0.1", "0.9", step="0.1"),
        messages.double("b", "-1", "1", step="0.3"),
        messages.double("c", "0.001", "1", step="0.001"),
        messages.integer("d", "3", "20", step="4"),
    )
    experiment = session.experiment("lattice", stepped)
    request = messages.request(experiment, session.history(experiment, 20), 17)
    session.suggest(request, "a request on a lattice")
    _probe(session)
    _verdict(session, "step-lattice")
