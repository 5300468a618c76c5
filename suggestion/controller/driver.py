"""The driver: it tells the machine what happens, and carries out what the machine decides.

One loop in one thread owns the state and the runtime. Calls to servers are made by two workers, one
that asks for suggestions and one that reports, so that a slow server never delays the end of a
trial that is to be stopped. What the machine decides is stored before it is carried out; when it
cannot be stored, the session ends, and another one starts from what is stored, exactly as after a
``kill -9``.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

from suggestion.controller import commands as c
from suggestion.controller import events as e
from suggestion.controller import machine
from suggestion.controller.activity import Inactive, inactive_of
from suggestion.controller.collection import Collection, describe
from suggestion.controller.context import Answer, Closed, DiskFull, Fatal, Options
from suggestion.controller.draft import Transition
from suggestion.controller.experiment import Experiment
from suggestion.controller.inbox import Calls, Wanted, event_of
from suggestion.controller.moments import Timekeeper, moment
from suggestion.controller.observation import Objective
from suggestion.controller.rim import Rim
from suggestion.controller.runtime import Grown, Notice, Output
from suggestion.controller.slots import Slot
from suggestion.controller.state import HALT, Attempt, Policy
from suggestion.controller.store import Store
from suggestion.controller.telling import tell_rules
from suggestion.controller.trials import Trial
from suggestion.controller.variables import variables_of
from suggestion.controller.workspace import Workspace

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of trials: active ones, those that have ended, and those of these that failed."""

    active: int
    completed: int
    failed: int


class Controller:
    """Run one experiment from wherever its stored state stands.

    Args:
        rim: Where its decisions have their effects. Closed when the session ends.
        before: The controller of the same session that ended since it could not store what it had
            decided; None: the session begins.
    """

    def __init__(
        self,
        rim: Rim,
        workspace: Workspace,
        slots: Sequence[Slot],
        policy: Policy,
        options: Options,
        before: Controller | None = None,
    ) -> None:
        self.rim = rim
        self.workspace = workspace
        self.policy = policy
        self.options = options
        self._slots = slots
        self.state, trials = rim.store.load(policy.objective)
        self.trials: dict[int, Trial] = {trial.number: trial for trial in trials}
        self._names = {trial.name: trial.number for trial in trials}
        for trial in trials:
            if not trial.condition.active:
                rim.servers.remember(trial)
        self.completed_before = self.state.tally.completed
        self.begun: float = rim.clock.monotonic() if before is None else before.begun
        self._interrupts = 0
        self._interrupted = 0 if before is None else before.level
        self._calls = Calls(rim.waiter.ring)
        self._collection = Collection(
            workspace,
            policy.objective,
            rim.clock,
            options.output_bytes,
            rim.view.note,
            announced=policy.announces,
        )
        self._wanted = Wanted(rim.store, rim.clock)
        self._unwritten: list[e.Event] = []
        self._confirmed: list[tuple[int, int]] = []
        self._ended = False

    # ------------------------------------------------------------- for those who watch

    @property
    def store(self) -> Store:
        """The stored state."""
        return self.rim.store

    @property
    def clock(self) -> Timekeeper:
        """The clock by which this session runs."""
        return self.rim.clock

    @property
    def experiment(self) -> Experiment:
        """The experiment as it stands."""
        return self.state.experiment

    @property
    def objective(self) -> Objective:
        """What is optimised."""
        return self.policy.objective

    @cached_property
    def inactive(self) -> Inactive:
        """Tells which parameters of a trial are inactive."""
        return inactive_of(self.experiment.document)

    @property
    def running(self) -> Mapping[int, Attempt]:
        """Trials that run or are being launched, by number."""
        return self.state.attempts

    @property
    def best(self) -> Trial | None:
        """The best trial so far."""
        return self.state.tally.best

    @property
    def max_trials(self) -> int | None:
        """The experiment's ``maxTrialCount``."""
        return self.experiment.limits.trials

    @property
    def level(self) -> int:
        """Interruptions by the user: from 1 on nothing new begins, from 2 on all stops."""
        return min(max(self._interrupted + self._interrupts, self.state.interruptions), HALT)

    @property
    def interruptions(self) -> int:
        """Times that the user has interrupted this session."""
        return self._interrupted + self._interrupts

    @property
    def counts(self) -> Counts:
        """Numbers of trials so far."""
        tally = self.state.tally
        return Counts(len(self.state.active), tally.completed, tally.failed)

    # --------------------------------------------------------------------------- running

    def interrupt(self) -> None:
        """Let the running trials finish; the second time, stop them. Safe in a signal handler."""
        self._interrupts += 1
        self.rim.waiter.ring()

    def run(self) -> None:
        """Run until the experiment has ended and no trial runs, or the session was to end.

        Raises:
            Fatal: If a server refuses for good; trials go on running, and are found again.
            DiskFull, sqlite3.Error: If something cannot be written; likewise.
        """
        rim = self.rim
        try:
            self._interrupted, self._interrupts = self._interrupted + self._interrupts, 0
            opened = e.Opened(moment(self.clock), self.begun, self._interrupted)
            # What was asked for while nobody was at work comes before what the algorithm is asked.
            self._take([opened, *self._wanted.take(asking=False)])
            waited = True
            while True:
                while happened := list(self._happened()):
                    self._take(happened)
                # Nobody has written anything in no time.
                collection = self._collection
                if waited or collection.behind or any(a.unread for a in self.running.values()):
                    self._take(collection.read(self.state.attempts, self.state.active))
                self._take(list(self._due()))
                rim.view.refresh(self)
                if self._ended:
                    return
                waited = not self._calls.answered and not collection.behind
                if waited:
                    rim.waiter.wait(machine.deadline(self.policy, self.state))
        finally:
            rim.close()

    def _take(self, happened: list[e.Event]) -> None:
        """Take a step, and those that follow from what its commands lead to at once."""
        while happened and not self._ended:
            step = machine.step(self.policy, self.state, happened)
            self._store(step, happened)
            self.state = step.state
            for trial in step.changes.trials:
                self.trials[trial.number] = trial
                self._names[trial.name] = trial.number
                if not trial.condition.active:
                    self.rim.servers.remember(trial)
            happened = []
            for command in step.commands:
                happened += self._perform(command)

    def _store(self, step: Transition, happened: Sequence[e.Event]) -> None:
        """Write what a step has changed, before its commands are carried out.

        A confirmed delivery waits for the next transaction: all that can be lost is the knowledge
        of it, and the DBManager keeps one of two equal reports.
        """
        self._unwritten += happened
        self._confirmed += step.changes.delivered
        changes = step.changes
        if changes.delivered:
            changes = replace(changes, delivered=())
        ends = any(isinstance(command, c.End) for command in step.commands)
        if changes or (ends and self._unwritten):
            changes = replace(changes, delivered=self._confirmed)
            self.rim.store.commit(changes, self._unwritten)
            self._unwritten, self._confirmed = [], []

    # ------------------------------------------------------------------- what has happened

    def _happened(self) -> Iterator[e.Event]:
        """Yield what servers have answered, users want, and the runtime says."""
        asking = self.state.asking
        for event in self._calls.answers(self.clock):
            asking = asking and not isinstance(event, e.Suggested | e.Exhausted)
            yield event
        yield from self._wanted.take(asking)
        while self._interrupts:
            self._interrupts -= 1
            self._interrupted += 1
            yield e.Interrupted(moment(self.clock))
        for seen in self.rim.runtime.events():
            if isinstance(seen, Notice):
                self.rim.view.note(f"{seen.trial}: {seen.text}" if seen.trial else seen.text)
                continue
            number = self._names.get(seen.trial)
            if number is None:
                continue
            if isinstance(seen, Grown):
                self._collection.grown(number)
                continue
            if not isinstance(seen, Output):
                yield event_of(seen, number, moment(self.clock))
                continue
            trouble = self._collection.printed(self.trials[number], seen.data)
            if trouble is not None:
                yield trouble

    def _due(self) -> Iterator[e.Event]:
        due = machine.deadline(self.policy, self.state)
        at = moment(self.clock)
        if due is not None and at.seconds >= due:
            yield e.Timer(at)

    # ------------------------------------------------------------------------ commands

    def _perform(self, command: c.Command) -> list[e.Event]:
        """Carry out a command; return what has happened by that at once."""
        return list(self._PERFORM[type(command)](self, command) or ())

    def _ask(self, command: c.Ask) -> None:
        call = self.rim.servers.suggest(
            self.experiment, self.state.active.values(), command.count, command.total
        )
        self._calls.make(self.rim.asker, call, self._answered)

    def _answered(self, answer: Answer | None) -> e.Event:
        at = moment(self.clock)
        if answer is None:
            return e.Exhausted(at)
        names = [made.name for made in answer.suggestions if made.name]
        for name in names:
            if name in self._names or names.count(name) > 1:
                return e.ServerFailed(at, f"the trial name {name!r} was given before")
        return e.Suggested(at, answer.suggestions, answer.settings, answer.rules)

    def _launch(self, command: c.Launch) -> list[e.Event]:
        if not self.policy.pushed:
            return [self._start(command, {})]
        # The DBManager may have to start first; meanwhile the other trials are looked after.
        event = lambda address: (  # noqa: E731
            self._start(command, {"SUGGEST_DB_MANAGER": address})
            if command.trial in self.state.attempts  # else nobody wants it any more
            else None
        )
        self._calls.make(self.rim.reporter, self.rim.servers.database, event)
        return []

    def _start(self, command: c.Launch, more: Mapping[str, str]) -> e.Event:
        trial = self.state.active[command.trial]
        try:
            variables = {**variables_of(trial, self.policy.objective, self.inactive), **more}
            path = self.workspace.rules_file(trial) if self.policy.asks_again else None
            if self.policy.asks_again:  # empty: its runtime tells it
                variables["SUGGEST_RULES_FILE"] = str(path or "")
            spec = self.workspace.launch(trial, self._slots[command.slot], variables)
            handle = self.rim.runtime.launch(spec)
        except (Fatal, Closed):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(str(error)) from error
            _LOG.debug("%s: cannot be started", trial.name, exc_info=True)
            return e.LaunchFailed(moment(self.clock), command.trial, describe(error))
        return e.Launched(moment(self.clock), command.trial, handle)

    def _begin(self, command: c.Begin) -> None:
        self.rim.runtime.begin(self.trials[command.trial].name)

    def _adopt(self, command: c.Adopt) -> list[e.Event]:
        trial = self.state.active[command.trial]
        assert trial.handle is not None
        found = self.rim.runtime.adopt(self.workspace.files(trial), trial.handle)
        return [event_of(found, command.trial, moment(self.clock))]

    def _stop(self, command: c.Stop) -> None:
        self.rim.runtime.stop(self.trials[command.trial].name, self.policy.grace)

    def _deliver(self, command: c.Deliver) -> None:
        number, batch = command.trial, command.batch
        name = self.trials[number].name
        if batch < 0:
            call = self.rim.servers.forget(name)
        else:
            reports = command.reports or self.store.reports(number, batch)
            call = self.rim.servers.report(name, reports)
        self._calls.make(
            self.rim.reporter,
            call,
            lambda _: e.Delivered(moment(self.clock), number, batch),
            # Until nothing else is waited for, it makes no difference when it is known.
            wakes=lambda: self.state.waiting_since is not None,
        )

    def _ask_rules(self, command: c.AskRules) -> None:
        trial, step = self.state.active[command.trial], command.step
        call = self.rim.servers.next_rules(self.experiment, self.state.active.values(), trial, step)
        number, attempt = trial.number, trial.attempt
        # By the reporter: after the reports that the trial is judged by.
        self._calls.make(
            self.rim.reporter,
            call,
            lambda rules: e.Ruled(moment(self.clock), number, attempt, step, rules),
        )

    def _tell_rules(self, command: c.TellRules) -> None:
        trial = self.trials[command.trial]
        text = tell_rules(self.workspace, trial)
        if text:
            self.rim.runtime.tell(trial.name, text)

    def _observe(self, command: c.Observe) -> None:
        number, name = command.trial, self.trials[command.trial].name
        pushed = self.rim.servers.pushed(name) if command.pushed else None
        stopped = self.rim.servers.stopped(name) if command.stopped else None

        def call() -> Any:
            series = None if pushed is None else pushed()
            if stopped is not None:
                stopped()
            return series

        self._calls.make(
            self.rim.reporter, call, lambda series: e.Observed(moment(self.clock), number, series)
        )

    def _show(self, command: c.Show) -> None:
        self.rim.view.changed(command.trial)

    def _note(self, command: c.Note) -> None:
        self.rim.view.note(command.text)

    def _end(self, command: c.End) -> None:
        if command.failure:
            raise Fatal(command.failure)
        self._ended = True

    _PERFORM: Final[Mapping[type, Callable[[Any, Any], list[e.Event] | None]]] = {
        c.Ask: _ask,
        c.Launch: _launch,
        c.Begin: _begin,
        c.Adopt: _adopt,
        c.Stop: _stop,
        c.Deliver: _deliver,
        c.AskRules: _ask_rules,
        c.TellRules: _tell_rules,
        c.Observe: _observe,
        c.Show: _show,
        c.Note: _note,
        c.End: _end,
    }
