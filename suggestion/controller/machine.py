"""What follows from what happens: a function from state and events to state, changes, commands.

The machine decides everything and does nothing: it knows no process, server, file, clock or
database. `step` gives the next state, the rows to write, and the commands to carry out once these
are written. A driver that dies in between loses nothing: the next one reads the rows, sends
`Opened`, and gets the commands that are still to be carried out.

To add something that can happen, add an event, a handler here, and its line in `_HANDLERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from suggestion.controller import actions, reporter
from suggestion.controller import events as e
from suggestion.controller.commands import (
    Adopt,
    AskRules,
    Batch,
    Begin,
    Deliver,
    End,
    Note,
    Observe,
    Show,
    Stop,
    TellRules,
)  # fmt: skip
from suggestion.controller.draft import Draft, Transition
from suggestion.controller.observation import Series
from suggestion.controller.outcomes import exit_text
from suggestion.controller.progress import proceed
from suggestion.controller.state import HALT, Policy, State
from suggestion.controller.trials import Condition, Stopping, Trial


def step(policy: Policy, state: State, happened: Sequence[e.Event]) -> Transition:
    """Take `happened`, in order, as one step: all of it is stored or nothing.

    Args:
        happened: At least one event; the time of the last is the time of the step.
    """
    draft = Draft(policy, state)
    for event in happened:
        _HANDLERS[type(event)](draft, event)
    proceed(draft, happened[-1])
    return draft.transition()


def deadline(policy: Policy, state: State) -> float | None:
    """Return the monotonic second by which a `Timer` is due; None if only events matter."""
    due = []
    if policy.time_limit is not None and state.interruptions < HALT:
        due.append(state.begun + policy.time_limit)
    if policy.trial_timeout is not None:
        due += [
            attempt.begun + policy.trial_timeout
            for number, attempt in state.attempts.items()
            if attempt.runs and not attempt.queued and not state.active[number].stopping
        ]
    if state.waiting_since is not None:
        due.append(state.waiting_since + policy.grace)
    return min(due, default=None)


# ------------------------------------------------------------------ the session


def _opened(draft: Draft, event: e.Opened) -> None:
    draft.begun = event.begun
    draft.interruptions = min(event.interruptions, HALT)
    for number, batches in draft.undelivered.items():
        draft.commands += [Deliver(number, batch) for batch in batches]
    for number, trial in draft.active.items():
        if trial.condition is Condition.RUNNING:
            known = draft.attempts[number]
            draft.attempts[number] = replace(known, begun=event.at.seconds)
            draft.commands.append(Adopt(number))
        else:
            # It may have been launched; the runtime knows its name, whatever the slot.
            draft.active[number] = replace(trial, slot=None)


def _interrupted(draft: Draft, event: e.Interrupted) -> None:
    draft.interruptions = min(draft.interruptions + 1, HALT)


def _timer(draft: Draft, event: e.Timer) -> None:
    limit = draft.policy.time_limit
    if limit is None or draft.interruptions >= HALT:
        return
    if event.at.seconds >= draft.begun + limit:
        draft.interruptions = HALT
        draft.commands.append(Note("the time limit is reached; stopping the running trials"))


def _server_failed(draft: Draft, event: e.ServerFailed) -> None:
    draft.commands.append(End(event.reason))


# ------------------------------------------------------------------ suggestions


def _suggested(draft: Draft, event: e.Suggested) -> None:
    draft.asking = False
    if draft.experiment.done:
        return
    rules = [[r.metric, r.value, r.comparison, r.start_step] for r in event.rules]
    for made in event.suggestions:
        draft.add(made.assignment, made.name, made.labels or {}, rules, event.at.text)
    known = draft.experiment.overlay
    if any(known.get(name) != value for name, value in event.settings.items()):
        draft.experiment = replace(draft.experiment, overlay={**known, **event.settings})


def _exhausted(draft: Draft, event: e.Exhausted) -> None:
    draft.asking = False
    draft.experiment = replace(draft.experiment, exhausted=True)


# ----------------------------------------------------------------------- trials


def _launched(draft: Draft, event: e.Launched) -> None:
    trial, attempt = draft.active[event.trial], draft.attempts[event.trial]
    trial = replace(trial, condition=Condition.RUNNING, handle=event.handle, started=event.at.text)
    draft.save(trial)
    queued = draft.policy.queues
    draft.attempts[event.trial] = replace(
        attempt, begun=event.at.seconds, launched=True, queued=queued
    )
    draft.commands += [Begin(event.trial), Show(trial)]


def _started(draft: Draft, event: e.Started) -> None:
    known = draft.running(event.trial)
    if known is None or not known[1].queued:
        return
    trial, attempt = known
    begun = event.at.seconds - event.seconds
    draft.attempts[event.trial] = replace(attempt, begun=begun, queued=False)
    if not event.seconds:  # else a session before has seen it start
        trial = replace(trial, started=event.at.text)
        draft.save(trial)
        draft.commands.append(Show(trial))


def _launch_failed(draft: Draft, event: e.LaunchFailed) -> None:
    _fail(draft, event, draft.active[event.trial], f"cannot be started: {event.reason}")


def _adopted(draft: Draft, event: e.Adopted) -> None:
    trial, attempt = draft.active[event.trial], draft.attempts[event.trial]
    begun = event.at.seconds - event.seconds
    draft.attempts[event.trial] = replace(attempt, begun=begun, launched=True, queued=event.queued)
    if trial.stopping:
        draft.commands.append(Stop(event.trial))
    elif draft.policy.asks_again and trial.watch is not None:
        # The session before may have ended between storing rules and telling the trial.
        draft.commands.append(TellRules(event.trial))
        _ask_rules(draft, trial)
    draft.commands.append(Note(f"{trial.name}: still running, adopted"))


def _reported(draft: Draft, event: e.Reported) -> None:
    known = draft.running(event.trial)
    if known is None:
        return
    trial, attempt = known
    made = reporter.digest(
        trial,
        event.reports,
        draft.policy.objective,
        event.at.date,
        attempt.last,
        attempt.kept,
        draft.policy.asks_again,
    )
    batch = trial.batch + bool(made.kept)
    trial = replace(made.trial, position=event.position, batch=batch)
    if made.full:
        most = reporter.MOST_REPORTS
        draft.commands.append(
            Note(f"{trial.name}: more than {most} reports; further ones count, but are not kept")
        )
    draft.attempts[event.trial] = replace(
        attempt, last=made.last, kept=attempt.kept + len(made.kept)
    )
    if made.kept:
        draft.report(Batch(trial.number, batch, made.kept))
    if made.fired:
        trial = _stop_early(draft, trial)
    draft.save(trial)
    _ask_rules(draft, trial)


def _stop_early(draft: Draft, trial: Trial) -> Trial:
    """Stop a trial whose rules have fired, unless it has ended or is being stopped."""
    if trial.stopping or not draft.attempts[trial.number].runs:
        return trial
    draft.commands.append(Stop(trial.number))
    return replace(trial, stopping=Stopping.EARLY)


def _ask_rules(draft: Draft, trial: Trial) -> None:
    """Ask for the next rules of a running trial, if it has come to the end of those it has."""
    attempt = draft.attempts[trial.number]
    if not attempt.runs or attempt.asking or trial.stopping:
        return
    step = reporter.asks_at(trial, draft.policy.objective)
    if step is not None:
        draft.attempts[trial.number] = replace(attempt, asking=True)
        draft.commands.append(AskRules(trial.number, step))


def _ruled(draft: Draft, event: e.Ruled) -> None:
    known = draft.running(event.trial)
    if known is None or known[0].attempt != event.attempt:
        return
    trial, attempt = known
    draft.attempts[event.trial] = replace(attempt, asking=False)
    trial, fired = reporter.answered(trial, draft.policy.objective, event.step, event.rules)
    if fired:
        trial = _stop_early(draft, trial)
    else:
        draft.commands.append(TellRules(event.trial))
    draft.save(trial)
    _ask_rules(draft, trial)


def _trimmed(draft: Draft, event: e.Trimmed) -> None:
    trial = draft.active.get(event.trial)
    if trial is not None:
        draft.save(replace(trial, cut=(event.begin, event.end), position=event.position))


def _unreadable(draft: Draft, event: e.Unreadable) -> None:
    known = draft.running(event.trial)
    if known is None or known[0].stopping:
        return
    trial, attempt = known
    draft.save(replace(trial, stopping=Stopping.UNREADABLE, reason=event.reason))
    if attempt.runs:
        draft.commands.append(Stop(event.trial))


def _exited(draft: Draft, event: e.Exited) -> None:
    known = draft.running(event.trial)
    if known is not None:
        draft.attempts[event.trial] = replace(
            known[1], ended=True, status=event.status, reason=event.reason
        )


def _lost(draft: Draft, event: e.Lost) -> None:
    known = draft.running(event.trial)
    if known is None:
        return
    trial, attempt = known
    if trial.stopping not in (Stopping.NO, Stopping.INTERRUPT):
        draft.attempts[event.trial] = replace(attempt, ended=True, status=None)
    elif not event.begun:
        del draft.attempts[event.trial]
        draft.save(
            replace(
                trial,
                condition=Condition.CREATED,
                stopping=Stopping.NO,
                handle=None,
                slot=None,
                started="",
            )
        )
    elif trial.stopping is Stopping.INTERRUPT:
        _again(draft, trial, "stopped; it runs again")
    else:
        _lose(draft, event, trial)


def _lose(draft: Draft, event: e.Lost, trial: Trial) -> None:
    """Run a lost trial again; one that is lost again and again fails."""
    reason = event.reason or "its process is gone"
    losses = trial.losses + 1
    if trial.losses < draft.policy.lost_retries:
        draft.commands.append(Note(f"{trial.name}: lost: {reason}; it runs again"))
        _again(draft, replace(trial, losses=losses), f"lost: {reason}; it runs again")
    else:
        text = f"lost {losses} times, the last time: {reason}" if losses > 1 else f"lost: {reason}"
        trial = replace(trial, losses=losses)
        draft.finish(trial, Condition.FAILED, text, trial.series, event.at.text)


def _collected(draft: Draft, event: e.Collected) -> None:
    """Decide what has become of a trial that has ended, now that all its output is read."""
    known = draft.running(event.trial)
    if known is None or known[1].judging:
        return
    trial, attempt = known
    policy = draft.policy
    if trial.stopping is Stopping.INTERRUPT:
        _again(draft, trial, "stopped; it runs again")
    elif trial.stopping is Stopping.UNREADABLE:
        _fail(draft, event, trial, trial.reason)
    elif trial.stopping is Stopping.USER:
        draft.finish(trial, Condition.KILLED, actions.STOPPED, trial.series, event.at.text)
    elif trial.stopping is Stopping.TIMEOUT:
        _fail(draft, event, trial, f"ran longer than {policy.trial_timeout:g} s")
    elif attempt.status != 0 and trial.stopping is not Stopping.EARLY:
        _fail(draft, event, trial, attempt.reason or exit_text(attempt.status))
    elif policy.stops_early or policy.pushed:
        # Only after its reports, of which the rules of later trials are made.
        draft.attempts[event.trial] = replace(attempt, judging=True, found=event.found)
        stopped = policy.stops_early and trial.stopping is Stopping.EARLY
        draft.commands.append(Observe(event.trial, policy.pushed, stopped))
    else:
        _conclude(draft, event, trial, trial.series, event.found)


def _observed(draft: Draft, event: e.Observed) -> None:
    known = draft.running(event.trial)
    if known is not None:
        trial, attempt = known
        series = trial.series if event.series is None else event.series
        _conclude(draft, event, trial, series, attempt.found)


def _delivered(draft: Draft, event: e.Delivered) -> None:
    if draft.confirm(event.trial, event.batch) and draft.waiting_since is not None:
        draft.waiting_since = event.at.seconds


def _conclude(
    draft: Draft, event: e.Event, trial: Trial, series: Mapping[str, Series], found: str
) -> None:
    objective = draft.policy.objective
    if trial.stopping is Stopping.EARLY:
        draft.finish(trial, Condition.EARLY_STOPPED, "its rules fired", series, event.at.text)
    elif objective.available(series):
        # As on a cluster, where the controller knows of the main objective alone.
        lacking = [name for name in objective.lacking(series) if name != objective.metric]
        reason = f"reported no {', '.join(lacking)}: failed to the algorithm" if lacking else ""
        draft.finish(trial, Condition.SUCCEEDED, reason, series, event.at.text)
    else:
        reason = f"reported no {objective.metric}" + (f": {found}" if found else "")
        draft.finish(trial, Condition.METRICS_UNAVAILABLE, reason, series, event.at.text)


def _fail(draft: Draft, event: e.Event, trial: Trial, reason: str) -> None:
    """Let an attempt fail, and with the last one its trial."""
    if trial.failures < draft.policy.retries:
        trial = replace(trial, failures=trial.failures + 1)
        _again(draft, trial, f"{reason}; tried again")
    else:
        draft.finish(trial, Condition.FAILED, reason, trial.series, event.at.text)


def _again(draft: Draft, trial: Trial, reason: str) -> None:
    """Put a trial back to the start, with nothing left of the attempt but its output."""
    fresh = trial.again(reason, trial.failures, trial.losses)
    draft.attempts.pop(trial.number, None)
    draft.forget(trial)
    draft.save(fresh)
    draft.commands.append(Show(fresh))


_HANDLERS: Final[Mapping[type[e.Event], Callable[[Draft, Any], None]]] = {
    e.Opened: _opened,
    e.Suggested: _suggested,
    e.Exhausted: _exhausted,
    e.Launched: _launched,
    e.Started: _started,
    e.LaunchFailed: _launch_failed,
    e.Adopted: _adopted,
    e.Reported: _reported,
    e.Trimmed: _trimmed,
    e.Unreadable: _unreadable,
    e.Exited: _exited,
    e.Lost: _lost,
    e.Collected: _collected,
    e.Observed: _observed,
    e.Ruled: _ruled,
    e.Delivered: _delivered,
    e.Timer: _timer,
    e.Interrupted: _interrupted,
    e.Requested: actions.take,
    e.ServerFailed: _server_failed,
}
