"""What the machine makes of users' requests: each has its effect and its answer in one step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from suggestion.client.parameters import parameters_of
from suggestion.controller.commands import Note, Stop
from suggestion.controller.draft import Draft
from suggestion.controller.events import Requested
from suggestion.controller.requests import (
    Answer,
    Enqueue,
    Pause,
    Resume,
    SetLimits,
    StopTrial,
    Unknown,
)
from suggestion.controller.trials import Condition, Stopping

#: Label of trials whose points users have given.
ENQUEUED: Final = "suggestion/enqueued"
#: Why they have ended.
STOPPED: Final = "stopped by the user"


class _Refused(Exception):
    """A request that is not carried out; the text says why."""


def take(draft: Draft, event: Requested) -> None:
    """Carry out a request, or refuse it."""
    try:
        if draft.experiment.done:
            raise _Refused(f"the experiment has ended: {draft.experiment.condition()['message']}")
        text, done = _HANDLERS[type(event.action)](draft, event, event.action), True
    except _Refused as refusal:
        text, done = str(refusal), False
    draft.answers.append(Answer(event.request, done, text))
    if done:
        draft.commands.append(Note(f"asked for by a user: {text}"))


def _stop(draft: Draft, event: Requested, action: StopTrial) -> str:
    number = action.trial
    trial = draft.active.get(number)
    if trial is None:
        raise _Refused(f"trial {number}: {'has ended' if number < draft.made else 'is not made'}")
    known = f"trial {number}, {trial.name}"
    if trial.condition is Condition.CREATED:
        draft.finish(trial, Condition.KILLED, STOPPED, trial.series, event.at.text)
        # A session that was killed may have launched it.
        draft.commands.append(Stop(number))
        return f"{known}: does not begin"
    attempt = draft.attempts[number]
    if attempt.ended:
        raise _Refused(f"{known}: has ended")
    if trial.stopping not in (Stopping.NO, Stopping.INTERRUPT):
        raise _Refused(f"{known}: is being stopped")
    draft.save(replace(trial, stopping=Stopping.USER))
    if attempt.runs and not trial.stopping:
        draft.commands.append(Stop(number))
    return f"{known}: is being stopped"


def _enqueue(draft: Draft, event: Requested, action: Enqueue) -> str:
    limit = draft.experiment.limits.trials
    if limit is not None and draft.made >= limit:
        raise _Refused(f"maxTrialCount is {limit}, and all these trials are made; raise it first")
    names = [entry["name"] for entry in parameters_of(draft.experiment.document)]
    if set(action.assignment) != set(names):
        raise _Refused(f"a point must have the parameters {', '.join(names)}")
    assignment = {name: action.assignment[name] for name in names}
    trial = draft.add(assignment, "", {ENQUEUED: "true"}, [], event.at.text)
    return f"the point is trial {trial.number}, {trial.name}"


def _set(draft: Draft, event: Requested, action: SetLimits) -> str:
    experiment = draft.experiment
    spec = dict(experiment.document["spec"])
    changed = dict(experiment.changed)
    for name, value in action.fields().items():
        first = changed[name][0] if name in changed else spec.get(name)
        changed[name] = (first, value)
        spec[name] = value
    draft.experiment = replace(
        experiment,
        document={**experiment.document, "spec": spec},
        options={**experiment.options, "changed": changed},
    )
    words = [f"{name} is {value}" for name, value in action.fields().items()]
    if action.parallel is not None and action.parallel > draft.policy.slots:
        words.append(f"there is room for {draft.policy.slots} at a time")
    return "; ".join(words)


def _pause(draft: Draft, event: Requested, action: Pause) -> str:
    draft.experiment = draft.experiment.pausing(True)
    return "the experiment is paused: running trials go on, and no other begins"


def _resume(draft: Draft, event: Requested, action: Resume) -> str:
    draft.experiment = draft.experiment.pausing(False)
    return "the experiment goes on"


def _unknown(draft: Draft, event: Requested, action: Unknown) -> str:
    raise _Refused(f"{action.kind!r}: this runner does not know such a request")


_HANDLERS: Final[Mapping[type, Callable[[Draft, Requested, Any], str]]] = {
    StopTrial: _stop,
    Enqueue: _enqueue,
    SetLimits: _set,
    Pause: _pause,
    Resume: _resume,
    Unknown: _unknown,
}
