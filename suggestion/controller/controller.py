"""The controller: it asks for suggestions, runs trials, and judges them, until the experiment ends.

One loop in one thread owns the state file and the processes. Calls to servers are made in two
threads of their own, one that asks for suggestions and one that reports, so that a slow server
never delays the end of a trial that a rule has given up. A decision is written to the state file
before it is acted upon; when it cannot be written, everything in memory is thrown away and read
anew, exactly as after a ``kill -9``.
"""

from __future__ import annotations

import errno
import hashlib
import selectors
import signal
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue
from typing import Any, Final

import grpc

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.client import messages
from suggestion.client.document import Collector
from suggestion.client.servers import ServerError, Stopped, describe
from suggestion.client.template import Template
from suggestion.collectors.collect import Report, Source, rfc3339
from suggestion.controller import observation
from suggestion.controller.context import Clients, Clock, DiskFull, Events, Fatal, Options
from suggestion.controller.observation import Objective, Series
from suggestion.controller.rules import Rule, Watch
from suggestion.controller.slots import Slot
from suggestion.controller.state import Condition, Experiment, Store, Trial
from suggestion.controller.workplace import Workplace
from suggestion.runtimes import process
from suggestion.runtimes.process import Process

_POLL_SECONDS: Final = 0.1
_HEAD: Final = 1024 * 1024
#: A trial that reports more than this is judged by all of it, but only so much is kept.
MOST_REPORTS: Final = 100_000
# Chunks of output that one trial is read at a time, so that a noisy one does not starve the rest.
_CHUNKS: Final = 16

# Why a process is being ended; part of the state.
EARLY: Final = "early"
TIMEOUT: Final = "timeout"
INTERRUPT: Final = "interrupt"


@dataclass
class _Running:
    """A trial that has a process, or had one whose output is still being read.

    Attributes:
        trial: As written in the state file.
        process: None once it has ended and been reaped.
        status: Its exit status, once reaped.
        begun: By the monotonic clock; of an adopted trial, when it was adopted.
        kill_at: When SIGKILL follows, by the monotonic clock.
        last: Time of its latest report.
        judged: Its end has been handed to the reporting thread.
    """

    trial: Trial
    process: Process | None
    source: Source | None
    watch: Watch
    series: dict[str, Series]
    begun: float
    last: datetime
    kept: int = 0
    status: int | None = None
    kill_at: float | None = None
    judged: bool = False
    uncut: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """Of trials, as the controller counts them."""

    active: int
    completed: int
    failed: int


class Controller:
    """Runs one experiment from wherever its state stands.

    Args:
        store: Its state, which holds the experiment.
        view: Who watches.
        stopped: Set at the end, so that calls to servers do not go on for ever.
    """

    def __init__(
        self,
        store: Store,
        made: Template,
        collector: Collector,
        clients: Clients,
        slots: Sequence[Slot],
        options: Options,
        view: Events,
        stopped: threading.Event,
        clock: Clock | None = None,
    ) -> None:
        self.store = store
        self.clock = clock or Clock()
        self.options = options
        self._clients = clients
        self._slots = slots
        self._view = view
        self._stopped = stopped
        known = store.experiment()
        assert known is not None
        self.experiment: Experiment = known
        self.objective = Objective.of(known.document)
        self.trials: dict[int, Trial] = {}
        self.running: dict[int, _Running] = {}
        self.best: Trial | None = None
        self.completed_before = 0  # of this run
        self.level = 0  # 1: no new trials; 2: stop the running ones
        self.begun = self.clock.monotonic()
        self._active: dict[int, Trial] = {}
        self._failed = 0
        self._history = api.GetSuggestionsRequest()
        self._asking = False
        self._patience: float | None = None
        self._done: SimpleQueue[Callable[[], None]] = SimpleQueue()
        # What other threads and signal handlers wake the loop with.
        self._bell, self._button = socket.socketpair()
        for end in (self._bell, self._button):
            end.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._asker = ThreadPoolExecutor(1, "ask")
        self._reporter = ThreadPoolExecutor(1, "report")
        self.place = Workplace(
            store.folder, known.name, self.objective.metrics, made, collector, options
        )
        # Their DBManager knows what they report, and nobody else.
        self._pushed_to = collector.kind == "Push"
        self._stdout = collector.kind == "StdOut"
        spec = known.document["spec"]
        self._parameters = [parameter["name"] for parameter in spec["parameters"]]
        self.max_trials = _count(spec, "maxTrialCount")
        self.max_failed = _count(spec, "maxFailedTrialCount")
        self.parallel = min(len(slots), _count(spec, "parallelTrialCount") or 3)
        limits = [made.deadline, options.trial_timeout]
        self._timeout = min((limit for limit in limits if limit is not None), default=None)

    # ----------------------------------------------------------------- running

    def interrupt(self) -> None:
        """Ctrl-C: once to let the running trials finish, twice to stop them. Safe in a handler."""
        self.level = min(self.level + 1, 2)
        self._ring()

    def _ring(self) -> None:
        with suppress(OSError):  # rung often enough, or for the last time
            self._button.send(b"\0")

    def _listen(self) -> None:
        """Until there may be something to do, and not much longer than that."""
        if self._selector.select(_POLL_SECONDS):
            with suppress(BlockingIOError):
                self._bell.recv(4096)

    def run(self) -> None:
        """Until the experiment has ended and no trial runs, or the runner was told to end.

        Raises:
            Fatal: If a server refuses for good; trials go on running, and are found again.
            DiskFull, sqlite3.Error: If something cannot be written; likewise.
        """
        try:
            self._recover()
            while True:
                self._collect_done()
                self._step()
                self._view.refresh(self)
                if not self.running and (self.experiment.done or self.level):
                    self._end_created()
                    self._flush()
                    return
                if self._hopeless():
                    return
                self._wait()
        finally:
            self._stopped.set()
            self._asker.shutdown(wait=False, cancel_futures=True)
            self._reporter.shutdown(wait=False, cancel_futures=True)
            self._selector.close()
            self._button.close()
            self._bell.close()
            for entry in self.running.values():
                if entry.process is not None:
                    entry.process.leave()

    def _hopeless(self) -> bool:
        """Whether trials have ended, but cannot be judged since a server does not answer.

        After the second Ctrl-C that is not waited for; they are judged when it goes on.
        """
        if self.level < 2:
            return False
        now = self.clock.monotonic()
        if self._patience is None or any(not entry.judged for entry in self.running.values()):
            self._patience = now + self.options.grace
        return now > self._patience

    def _flush(self) -> None:
        """Lets the DBManager have the last reports, as long as it takes some; the rest is kept."""
        waiting = len(self.store.undelivered())
        progress = self.clock.monotonic()
        while waiting and self.clock.monotonic() - progress < self.options.grace:
            self._listen()
            self._collect_done()
            left = len(self.store.undelivered())
            if left < waiting:
                waiting, progress = left, self.clock.monotonic()

    def _step(self) -> None:
        limit = self.options.time_limit
        if limit is not None and self.level < 2 and self.clock.monotonic() - self.begun > limit:
            self.level = 2
            self._view.note("the time limit is reached; stopping the running trials")
        for entry in list(self.running.values()):
            self._attend(entry)
        if self.experiment.done or self.level:
            return
        self._start_created()
        self._ask()

    def _wait(self) -> None:
        for entry in self.running.values():
            if entry.source is not None and entry.source.behind:
                return
        self._listen()

    def _later(self, pool: ThreadPoolExecutor, call: Callable[[], Callable[[], None]]) -> None:
        """Makes `call` in `pool`; what it returns is called in the loop."""

        def work() -> None:
            try:
                done = call()
            except Stopped:
                return
            except Exception as error:
                failure = error  # `error` is gone when the loop looks at it

                def done() -> None:
                    raise failure

            self._done.put(done)
            self._ring()

        pool.submit(work)

    def _collect_done(self) -> None:
        with suppress(Empty):
            while True:
                done = self._done.get_nowait()
                try:
                    done()
                except grpc.RpcError as error:
                    raise Fatal(describe(error)) from error
                except (messages.BadReply, ServerError) as error:
                    raise Fatal(str(error)) from error

    # ---------------------------------------------------------------- recovery

    def _recover(self) -> None:
        """Takes up every trial where the state file says it is."""
        for trial in self.store.trials():
            self._keep(trial)
            if not trial.condition.active:
                self._remember(trial)
        for trial_number, batch in self.store.undelivered():
            self._deliver(self.trials[trial_number], batch)
        for trial in list(self._active.values()):
            if trial.condition is Condition.RUNNING:
                self._find(trial)
        self.completed_before = self.counts.completed
        self._judge_experiment()

    def _find(self, trial: Trial) -> None:
        """The process of a trial that was running when the state was last written."""
        assert trial.identity is not None
        status = self.place.file(trial, "status")
        found = process.adopt(trial.identity, status)
        if found is not None:
            entry = self._watch(trial, found)
            if trial.stopping:
                self._terminate(entry)
            self._view.note(f"{trial.name}: still running, adopted")
            return
        process.orphans(trial.identity)
        code = process.read_status(status)
        if code is None and trial.stopping not in {EARLY, TIMEOUT}:
            self._again(trial, "its process was gone; it runs again")
            return
        entry = self._watch(trial, None)
        entry.status = code

    def _watch(self, trial: Trial, running: Process | None) -> _Running:
        series = {name: replace(of) for name, of in trial.series.items()}
        rules = [Rule(*fields) for fields in trial.rules]
        metric, maximize = self.objective.metric, self.objective.maximize
        if trial.watch is None:
            watch = Watch.over(rules, metric, maximize)
        else:
            watch = Watch.load(trial.watch, metric, maximize)
        reports = self.store.reports(trial.number)
        last = _moment(reports[-1].time) if reports else None
        entry = _Running(
            trial,
            running,
            self.place.source(trial),
            watch,
            series,
            self.clock.monotonic(),
            last or datetime.min.replace(tzinfo=UTC),
            len(reports),
        )
        self.running[trial.number] = entry
        if running is not None:
            self._selector.register(running.fileno(), selectors.EVENT_READ)
        return entry

    # ------------------------------------------------------------------ trials

    def _start_created(self) -> None:
        taken = {entry.trial.slot for entry in self.running.values()}
        free = [slot for slot in self._slots if slot.number not in taken]
        waiting = [t for t in self._active.values() if t.condition is Condition.CREATED]
        room = max(self.parallel - len(self.running), 0)
        for slot, trial in zip(free[:room], waiting, strict=False):
            self._start(trial, slot)

    def _start(self, trial: Trial, slot: Slot) -> None:
        """Starts a trial; it begins to run once its process has been written down."""
        try:
            database = self._clients.database.server.address() if self._pushed_to else ""
            self.place.clear(trial)
            argv, env, cwd = self.place.process(trial, slot, database)
            running = process.start(
                argv,
                env,
                cwd,
                self.place.file(trial, "output"),
                self.place.file(trial, "status"),
                slot.cpus,
            )
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(str(error)) from error
            raise Fatal(f"{trial.name}: cannot be started: {error}") from error
        except ServerError as error:
            raise Fatal(str(error)) from error
        try:
            trial = replace(
                trial,
                condition=Condition.RUNNING,
                identity=running.identity,
                slot=slot.number,
                started=rfc3339(self.clock.now()),
            )
            self._save(trial)
        except BaseException:
            running.signal(signal.SIGKILL)  # it has not begun: nobody had said go
            running.reap()
            raise
        running.go()
        self._watch(trial, running)
        self._view.changed(trial)

    def _attend(self, entry: _Running) -> None:
        """Reads what a trial has written, and sees whether it is over."""
        if entry.process is not None and entry.process.ended:
            self._selector.unregister(entry.process.fileno())
            entry.status = entry.process.reap()
            entry.process = None
        ended = entry.process is None
        for _ in range(_CHUNKS):
            if entry.source is None:
                break
            before = entry.source.position
            reports = entry.source.read(ended)
            if reports or entry.source.position != before:
                self._reported(entry, reports)
            if not entry.source.behind:
                break
        self._cut(entry)
        if ended:
            if not entry.judged and (entry.source is None or not entry.source.behind):
                entry.judged = True
                self._judge(entry)
            return
        now = self.clock.monotonic()
        if entry.kill_at is not None:
            if now >= entry.kill_at:
                entry.kill_at = now + self.options.grace
                self._signal(entry, signal.SIGKILL)
        elif self._timeout is not None and now - entry.begun > self._timeout:
            self._stop(entry, TIMEOUT)
        elif self.level >= 2:
            self._stop(entry, INTERRUPT)

    def _reported(self, entry: _Running, reports: Sequence[Report]) -> None:
        """Writes down what a trial has reported, and gives it up if its rules say so."""
        assert entry.source is not None
        stamped = []
        fired = False
        for report in reports:
            given = _moment(report.time)
            # In the order of reporting, whatever the clocks do.
            entry.last = given or max(self.clock.now(), entry.last + timedelta(microseconds=1))
            stamped.append(Report(report.metric, report.value, rfc3339(entry.last)))
            entry.series.setdefault(report.metric, Series()).add(report.value)
            fired = entry.watch.report(report.metric, observation.number(report.value)) or fired
        room = MOST_REPORTS - entry.kept
        if len(stamped) > room:
            if room > 0:
                self._view.note(
                    f"{entry.trial.name}: more than {MOST_REPORTS} reports; further ones count, "
                    f"but are not kept"
                )
            stamped = stamped[: max(room, 0)]
        entry.kept += len(stamped)
        stopping = entry.trial.stopping
        give_up = fired and not stopping and entry.process is not None
        if not reports:
            # Not written down: all that could be lost is the time of reading it again.
            entry.trial = replace(entry.trial, position=entry.source.position)
            return
        batch = None
        with self.store.transaction():
            if stamped:
                batch = self.store.add_reports(entry.trial.number, stamped)
            entry.trial = replace(
                entry.trial,
                position=entry.source.position,
                watch=entry.watch.dump(),
                series={name: replace(series) for name, series in entry.series.items()},
                stopping=EARLY if give_up else stopping,
            )
            self._save(entry.trial)
        if batch is not None:
            self._deliver(entry.trial, batch, stamped)
        if give_up:
            self._terminate(entry)

    def _stop(self, entry: _Running, why: str) -> None:
        entry.trial = replace(entry.trial, stopping=why)
        self._save(entry.trial)
        self._terminate(entry)

    def _terminate(self, entry: _Running) -> None:
        entry.kill_at = self.clock.monotonic() + self.options.grace
        self._signal(entry, signal.SIGTERM)

    def _signal(self, entry: _Running, number: signal.Signals) -> None:
        assert entry.process is not None
        entry.process.signal(number)
        if number == signal.SIGKILL and self.options.unwrap is not None:
            self.options.unwrap(entry.trial.name)

    def _cut(self, entry: _Running) -> None:
        """Gives back the disk space of the middle of a long output, as far as it has been read."""
        path = self.place.file(entry.trial, "output")
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            return
        keep = self.options.output_bytes
        begin = entry.trial.cut[1] if entry.trial.cut else _HEAD
        end = size - keep
        if self._stdout:
            end = min(end, int(entry.trial.position or 0))
        if entry.uncut or end - begin < keep:
            return
        end -= end % 4096
        if not process.punch(path, begin, end):
            entry.uncut = True
            self._view.note(f"{entry.trial.name}: its output is long, and this disk keeps it all")
            return
        entry.trial = replace(entry.trial, cut=(_HEAD, end))
        self._save(entry.trial)

    # ------------------------------------------------------------------ judging

    def _judge(self, entry: _Running) -> None:
        """A process has ended and all it wrote has been read: what has become of the trial."""
        trial = entry.trial
        if trial.stopping == INTERRUPT:
            self._again(trial, "stopped; it runs again")
            return
        if trial.stopping != EARLY and (entry.status != 0 or trial.stopping == TIMEOUT):
            reason = process.exit_text(entry.status)
            if trial.stopping == TIMEOUT:
                reason = f"ran longer than {self._timeout:g} s"
            if trial.failures < self.options.retries:
                self._again(replace(trial, failures=trial.failures + 1), f"{reason}; tried again")
            else:
                self._finish(trial, Condition.FAILED, reason, entry.series)
            return

        if self._clients.stopping is None and not self._pushed_to:
            self._succeed(trial, entry.series)
            return

        # Only after its reports, which later rules are made of: the reporting thread keeps the
        # order.
        def call() -> Callable[[], None]:
            series = entry.series
            if self._pushed_to:
                series = self._pushed(trial)
            if trial.stopping == EARLY:
                self._tell(trial)
            return lambda: self._succeed(trial, series)

        self._later(self._reporter, call)

    def _pushed(self, trial: Trial) -> dict[str, Series]:
        """What a trial has reported to the DBManager by itself."""
        request = api.GetObservationLogRequest(trial_name=trial.name)
        reply = self._clients.database.call("GetObservationLog", request)
        series: dict[str, Series] = {}
        for report in messages.read_log(reply, self.objective.strategies):
            series.setdefault(report.metric, Series()).add(report.value)
        return series

    def _tell(self, trial: Trial) -> None:
        """The early-stopping server is told that a trial was stopped."""
        assert self._clients.stopping is not None
        request = api.SetTrialStatusRequest(trial_name=trial.name)
        try:
            self._clients.stopping.call("SetTrialStatus", request)
        except grpc.RpcError as error:
            self._view.note(f"{trial.name}: SetTrialStatus: {describe(error)}")

    def _succeed(self, trial: Trial, series: Mapping[str, Series]) -> None:
        if trial.stopping == EARLY:
            self._finish(trial, Condition.EARLY_STOPPED, "its rules fired", series)
        elif self.objective.available(series):
            self._finish(trial, Condition.SUCCEEDED, "", series)
        else:
            reason = f"reported no {self.objective.metric}"
            self._finish(trial, Condition.METRICS_UNAVAILABLE, reason, series)

    def _finish(
        self, trial: Trial, condition: Condition, reason: str, series: Mapping[str, Series]
    ) -> None:
        trial = replace(
            trial,
            condition=condition,
            reason=reason,
            stopping="",
            slot=None,
            identity=None,
            series=dict(series),
            completed=max(rfc3339(self.clock.now()), trial.started),
        )
        with self.store.transaction():
            self._save(trial)
            self._remember(trial)
            self._judge_experiment()
        self.running.pop(trial.number, None)
        self._view.changed(trial)

    def _again(self, trial: Trial, reason: str) -> None:
        """Back to the start, with nothing left of the attempt but its output."""
        fresh = Trial(
            trial.number,
            trial.name,
            trial.assignment,
            trial.labels,
            trial.rules,
            reason=reason,
            attempt=trial.attempt + 1,
            failures=trial.failures,
            created=trial.created,
        )
        with self.store.transaction():
            self.store.forget_reports(trial.number)
            self._save(fresh)
        self.running.pop(trial.number, None)
        self._view.changed(fresh)

        def forget() -> Callable[[], None]:
            request = api.DeleteObservationLogRequest(trial_name=trial.name)
            self._clients.database.call("DeleteObservationLog", request)
            return lambda: None

        self._later(self._reporter, forget)

    def _end_created(self) -> None:
        """Trials that were never started when the experiment ended are not going to be."""
        if not self.experiment.done:
            return
        for trial in list(self._active.values()):
            if trial.condition is Condition.CREATED:
                reason = "the experiment ended before it began"
                self._finish(trial, Condition.KILLED, reason, {})

    # ------------------------------------------------------------ the experiment

    def _save(self, trial: Trial) -> None:
        self.store.save(trial)
        self._keep(trial)
        if trial.number in self.running:
            self.running[trial.number].trial = trial

    def _keep(self, trial: Trial) -> None:
        self.trials[trial.number] = trial
        if trial.condition.active:
            self._active[trial.number] = trial
        else:
            self._active.pop(trial.number, None)

    def _save_experiment(self, experiment: Experiment) -> None:
        self.store.save_experiment(experiment)
        self.experiment = experiment

    @property
    def counts(self) -> Counts:
        """Of the trials so far."""
        active = len(self._active)
        return Counts(active, len(self.trials) - active, self._failed)

    def _remember(self, trial: Trial) -> None:
        """A finished trial: for the best so far, and for later requests."""
        self._failed += trial.condition in _FAILED
        if messages.is_sent(trial, self.objective):
            self._history.trials.append(messages.trial(trial, self.objective))
        value = self.objective.value(trial.series)
        best = None if self.best is None else self.objective.value(self.best.series)
        if value is not None and trial.condition in _JUDGED and self.objective.better(value, best):
            self.best = trial

    def _judge_experiment(self) -> None:
        """Whether it has ended, in the order in which a controller looks."""
        if self.experiment.done:
            return
        counts = self.counts
        best = None if self.best is None else self.objective.value(self.best.series)
        if self.objective.reached(best):
            ending = ("Succeeded", "ExperimentGoalReached", "the goal is reached")
        elif self.max_failed is not None and counts.failed > self.max_failed:
            text = f"{counts.failed} trials failed, maxFailedTrialCount is {self.max_failed}"
            ending = ("Failed", "ExperimentMaxFailedTrialsReached", text)
        elif self.max_trials is not None and counts.completed >= self.max_trials:
            text = f"maxTrialCount {self.max_trials} is reached"
            ending = ("Succeeded", "ExperimentMaxTrialsReached", text)
        elif self.experiment.exhausted and not counts.active:
            text = "the algorithm has no more suggestions"
            ending = ("Succeeded", "ExperimentSuggestionEndReached", text)
        else:
            return
        self._save_experiment(self.experiment.mark(*ending, rfc3339(self.clock.now())))

    # -------------------------------------------------------------- suggestions

    def _ask(self) -> None:
        if self._asking or self.experiment.exhausted:
            return
        required = self.parallel
        if self.max_trials is not None:
            required = min(required, self.max_trials - self.counts.completed)
        count = required - self.counts.active
        if count <= 0:
            return
        self._asking = True
        total = len(self.trials) + count
        active = [messages.trial(trial, self.objective) for trial in self._active.values()]
        request = messages.suggestions_request(
            messages.experiment(self.experiment), self._history, active, count, total
        )
        self._later(self._asker, lambda: self._suggestions(request))

    def _suggestions(self, request: api.GetSuggestionsRequest) -> Callable[[], None]:
        """In the asking thread: suggestions, then the rules of their trials."""
        while True:
            try:
                reply = self._clients.suggestion.call("GetSuggestions", request)
                break
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.OUT_OF_RANGE:
                    raise
                # Fewer may be left than were asked for.
                if request.current_request_number == 1:
                    return self._exhausted
                request.current_request_number -= 1
                request.total_request_number -= 1
        count = request.current_request_number
        read = messages.read_suggestions(reply, count, self._parameters)
        overlay = messages.read_settings(reply)
        rules = messages.read_rules(reply)
        if self._clients.stopping is not None:
            database = self._clients.database.server.address()
            asked = messages.rules_request(request, database)
            rules += messages.read_rules(
                self._clients.stopping.call("GetEarlyStoppingRules", asked)
            )
        first = request.total_request_number - count
        return lambda: self._create(first, read, overlay, rules)

    def _create(
        self,
        first: int,
        read: Sequence[tuple[dict[str, str], str, dict[str, str]]],
        overlay: Mapping[str, str],
        rules: Sequence[Rule],
    ) -> None:
        """New trials; none of them is lost or made twice, since all are written at once."""
        self._asking = False
        now = rfc3339(self.clock.now())
        frozen = [[r.metric, r.value, r.comparison, r.start_step] for r in rules]
        names = {trial.name for trial in self.trials.values()}
        made = []
        for number, (assignment, name, labels) in enumerate(read, first):
            name = name or trial_name(self.experiment.name, number)  # noqa: PLW2901
            if name in names:
                raise messages.BadReply(f"the trial name {name!r} was given before")
            names.add(name)
            made.append(Trial(number, name, assignment, labels, frozen, created=now))
        with self.store.transaction():
            self.store.save(*made)
            if any(self.experiment.overlay.get(k) != v for k, v in overlay.items()):
                laid = {**self.experiment.overlay, **overlay}
                self._save_experiment(replace(self.experiment, overlay=laid))
            if self.experiment.condition()["type"] != "Running":
                text = "the experiment is running"
                marked = self.experiment.mark("Running", "ExperimentRunning", text, now)
                self._save_experiment(marked)
        for trial in made:
            self._keep(trial)

    def _exhausted(self) -> None:
        self._asking = False
        with self.store.transaction():
            self._save_experiment(replace(self.experiment, exhausted=True))
            self._judge_experiment()

    # ------------------------------------------------------------------ reports

    def _deliver(self, trial: Trial, batch: int, reports: Sequence[Report] | None = None) -> None:
        if reports is None:
            reports = self.store.reports(trial.number, batch)
        request = messages.report(trial.name, reports)

        def call() -> Callable[[], None]:
            self._clients.database.call("ReportObservationLog", request)
            return lambda: self.store.delivered([(trial.number, batch)])

        self._later(self._reporter, call)


_FAILED: Final = frozenset({Condition.FAILED, Condition.METRICS_UNAVAILABLE})
_JUDGED: Final = frozenset({Condition.SUCCEEDED, Condition.EARLY_STOPPED})


def trial_name(experiment: str, number: int) -> str:
    """Of a trial that its algorithm did not name: a DNS label, the same whenever it is asked."""
    digest = hashlib.sha256(f"{experiment}/{number}".encode()).hexdigest()[:8]
    return f"{experiment[:54].replace('.', '-').rstrip('-')}-{digest}"


def _count(spec: Mapping[str, Any], name: str) -> int | None:
    return None if spec.get(name) is None else int(spec[name])


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None
