"""A step of the machine while it is being decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from suggestion.controller.commands import Batch, Changes, Command, Deliver, Show
from suggestion.controller.observation import Series
from suggestion.controller.requests import Answer
from suggestion.controller.state import Attempt, Policy, State
from suggestion.controller.trials import Condition, Stopping, Trial, trial_name


@dataclass(frozen=True, slots=True)
class Transition:
    """One step.

    Attributes:
        state: The next state.
        changes: To be written in one transaction, before the commands are carried out.
        commands: To be carried out, in order.
    """

    state: State
    changes: Changes
    commands: tuple[Command, ...]


class Draft:
    """The next state while a step is being decided."""

    def __init__(self, policy: Policy, state: State) -> None:
        self.policy = policy
        self.before = state
        self.experiment = state.experiment
        self.active = dict(state.active)
        self.attempts = dict(state.attempts)
        self.undelivered = dict(state.undelivered)
        self.tally = state.tally
        self.made = state.made
        self.asking = state.asking
        self.interruptions = state.interruptions
        self.begun = state.begun
        self.waiting_since = state.waiting_since
        self.commands: list[Command] = []
        self.answers: list[Answer] = []
        self._saved: dict[int, Trial] = {}
        self._forgotten: list[tuple[int, int]] = []
        self._batches: list[Batch] = []
        self._delivered: list[tuple[int, int]] = []

    def transition(self) -> Transition:
        """Return the step as decided."""
        state = State(
            self.experiment,
            self.active,
            self.tally,
            self.made,
            self.attempts,
            self.undelivered,
            self.asking,
            self.interruptions,
            self.begun,
            self.waiting_since,
        )
        changes = Changes(
            None if self.experiment is self.before.experiment else self.experiment,
            tuple(self._forgotten),
            tuple(self._saved.values()),
            tuple(self._batches),
            tuple(self._delivered),
            tuple(self.answers),
        )
        return Transition(state, changes, tuple(self.commands))

    def add(
        self,
        assignment: Mapping[str, str],
        name: str,
        labels: Mapping[str, str],
        rules: Sequence[Sequence[Any]],
        now: str,
    ) -> Trial:
        """Make the next trial; one without a name gets one by its number."""
        name = name or trial_name(self.experiment.name, self.made)
        trial = Trial(self.made, name, assignment, labels, rules, created=now)
        self.save(trial)
        self.made += 1
        if self.experiment.condition()["type"] != "Running":
            self.experiment = self.experiment.mark(
                "Running", "ExperimentRunning", "the experiment is running", now
            )
        return trial

    def save(self, trial: Trial) -> None:
        """Have a new or changed trial written."""
        self._saved[trial.number] = trial
        if trial.condition.active:
            self.active[trial.number] = trial
        else:
            self.active.pop(trial.number, None)

    def running(self, number: int) -> tuple[Trial, Attempt] | None:
        """Return a trial and its attempt; None if it has none, any more or yet."""
        attempt = self.attempts.get(number)
        return None if attempt is None else (self.active[number], attempt)

    def report(self, batch: Batch) -> None:
        """Have reports written and delivered."""
        self._batches.append(batch)
        known = self.undelivered.get(batch.trial, ())
        self.undelivered[batch.trial] = (*known, batch.number)
        self.commands.append(Deliver(batch.trial, batch.number, batch.reports))

    def confirm(self, trial: int, batch: int) -> bool:
        """Note a delivery; return False if it is of an attempt that does not count any more."""
        left = self.undelivered.get(trial, ())
        if batch not in left:
            return False
        self._delivered.append((trial, batch))
        left = tuple(number for number in left if number != batch)
        if left:
            self.undelivered[trial] = left
        else:
            del self.undelivered[trial]
        return True

    def forget(self, trial: Trial) -> None:
        """Drop what `trial` has reported so far, here and in the DBManager."""
        number, batch = trial.number, -trial.attempt
        self._batches = [known for known in self._batches if known.trial != number]
        self.commands = [
            known
            for known in self.commands
            if not (isinstance(known, Deliver) and known.trial == number)
        ]
        self._forgotten.append((number, batch))
        self.undelivered[number] = (batch,)
        self.commands.append(Deliver(number, batch))

    def finish(
        self,
        trial: Trial,
        condition: Condition,
        reason: str,
        series: Mapping[str, Series],
        now: str,
    ) -> None:
        """Let a trial end in `condition`."""
        trial = replace(
            trial,
            condition=condition,
            reason=reason,
            stopping=Stopping.NO,
            slot=None,
            handle=None,
            series=dict(series),
            completed=max(now, trial.started),
        )
        self.attempts.pop(trial.number, None)
        self.save(trial)
        self.tally = self.tally.plus(trial, self.policy.objective)
        self.commands.append(Show(trial))
