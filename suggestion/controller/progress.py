"""What follows from the state, whatever has led to it: ends, stops, launches, requests for more."""

from __future__ import annotations

from dataclasses import replace

from suggestion.controller import scheduler
from suggestion.controller.commands import Ask, End, Launch, Stop
from suggestion.controller.draft import Draft
from suggestion.controller.events import Event
from suggestion.controller.state import DRAIN, HALT, Attempt
from suggestion.controller.trials import Condition, Stopping


def proceed(draft: Draft, event: Event) -> None:
    """Decide what follows from the state, whatever has led to it."""
    _judge_experiment(draft, event)
    _stop_trials(draft, event)
    if draft.experiment.done or draft.interruptions >= DRAIN:
        _withdraw(draft)
    if not draft.experiment.done and draft.interruptions < DRAIN:
        if not draft.experiment.paused:
            _schedule(draft)
    elif not draft.attempts:
        _wind_up(draft, event)
    elif draft.interruptions >= HALT:
        _wait_for_servers(draft, event)


def _judge_experiment(draft: Draft, event: Event) -> None:
    """End the experiment if it has come to an end, by rules in the order of a controller's."""
    experiment, tally = draft.experiment, draft.tally
    if experiment.done:
        return
    limits = experiment.limits
    failure = limits.failure(tally.failed, tally.completed, draft.policy.first_failures)
    if draft.policy.objective.reached(tally.best_value):
        ending = ("Succeeded", "ExperimentGoalReached", "the goal is reached")
    elif failure:
        ending = ("Failed", "ExperimentFailed", failure)
    elif limits.trials is not None and tally.completed >= limits.trials:
        text = f"maxTrialCount {limits.trials} is reached"
        ending = ("Succeeded", "ExperimentMaxTrialsReached", text)
    elif experiment.exhausted and not draft.active:
        text = "the algorithm has no more suggestions"
        ending = ("Succeeded", "ExperimentSuggestionEndReached", text)
    else:
        return
    draft.experiment = experiment.mark(*ending, event.at.text)


def _withdraw(draft: Draft) -> None:
    """Let what is still being launched wait for the next session."""
    for number, trial in list(draft.active.items()):
        if trial.condition is Condition.CREATED and trial.slot is not None:
            draft.attempts.pop(number, None)
            draft.save(replace(trial, slot=None))


def _stop_trials(draft: Draft, event: Event) -> None:
    """Stop trials that run for too long, or all when the session is to end at once."""
    timeout = draft.policy.trial_timeout
    if timeout is None and draft.interruptions < HALT:
        return
    for number, attempt in draft.attempts.items():
        trial = draft.active[number]
        if not attempt.runs or trial.stopping:
            continue
        overdue = timeout is not None and event.at.seconds >= attempt.begun + timeout
        if overdue and not attempt.queued:
            why = Stopping.TIMEOUT
        elif draft.interruptions >= HALT:
            why = Stopping.INTERRUPT
        else:
            continue
        draft.save(replace(trial, stopping=why))
        draft.commands.append(Stop(number))


def _schedule(draft: Draft) -> None:
    """Launch what waits, and ask for what is missing."""
    slots = draft.policy.slots
    limits = draft.experiment.limits
    taken = {trial.slot for trial in draft.active.values() if trial.slot is not None}
    if len(taken) < len(draft.active):
        free = scheduler.free_slots(slots, taken)
        room = scheduler.parallel(limits, slots)
        for trial, slot in list(
            scheduler.placements(draft.active.values(), len(draft.attempts), free, room)
        ):
            draft.save(replace(trial, slot=slot))
            draft.attempts[trial.number] = Attempt()
            draft.commands.append(Launch(trial.number, slot))
    if draft.asking or draft.experiment.exhausted:
        return
    count = scheduler.shortfall(limits, slots, draft.tally.completed, len(draft.active))
    if count:
        draft.asking = True
        draft.commands.append(Ask(count, draft.made + count))


def _wind_up(draft: Draft, event: Event) -> None:
    """End the session once the DBManager has the last reports, or takes no more of them."""
    if draft.experiment.done:
        for trial in list(draft.active.values()):
            reason = "the experiment ended before it began"
            draft.finish(trial, Condition.KILLED, reason, {}, event.at.text)
    _end_in_time(draft, event, waiting=bool(draft.undelivered))


def _wait_for_servers(draft: Draft, event: Event) -> None:
    """End the session if it was to end at once, and only answers of servers are waited for.

    The trials have ended; they are judged in the next session.
    """
    if all(attempt.judging for attempt in draft.attempts.values()):
        _end_in_time(draft, event, waiting=True)
    else:
        draft.waiting_since = None


def _end_in_time(draft: Draft, event: Event, *, waiting: bool) -> None:
    if draft.waiting_since is None:
        draft.waiting_since = event.at.seconds
    if not waiting or event.at.seconds >= draft.waiting_since + draft.policy.grace:
        draft.commands.append(End())
