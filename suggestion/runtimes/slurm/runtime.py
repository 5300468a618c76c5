"""Jobs of Slurm behind the protocol of runtimes: one question for all of them every few seconds.

A trial's job is found by its comment, which names the experiment, the trial and the attempt; its
number is only learned on the way. What a job leaves in the trial's folder comes before what Slurm
says: an exit status is known at once, and without accounting too. Slurm is asked why a job has
ended without one, or by a signal. Commands are run by threads, so that a controller that is away
for a while delays nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from suggestion.controller.files import beginning, replace_file
from suggestion.controller.outcomes import KILLED, TERMINATED
from suggestion.controller.runtime import (
    Exit,
    Handle,
    LaunchSpec,
    Loss,
    Notice,
    Running,
    RuntimeEvent,
    Started,
    TrialFiles,
)  # fmt: skip
from suggestion.runtimes.process import Plain
from suggestion.runtimes.slurm import commands, script, states
from suggestion.runtimes.slurm.commands import Away, Job, Refused

#: Seconds between two questions to Slurm, and between two while trials are being stopped.
POLL: Final = 3.0
_HURRY: Final = 1.0
#: Seconds between two looks at the status files.
_LOOK: Final = 0.2
# A shared disk may show the last file of a job this many seconds late.
_SETTLE: Final = 10.0
_SUBMITTERS: Final = 2
# Until jobs that are to be cancelled are left alone when the session ends.
_LAST_SIGNALS: Final = 10.0


@dataclass(frozen=True, slots=True)
class _Order:
    """What sbatch is called with."""

    arguments: Sequence[str]
    script: Path
    env: Mapping[str, str]


@dataclass(slots=True)
class _Followed:
    """A trial that this session has launched or adopted.

    Attributes:
        order: What it is submitted with; None if an earlier session has done that.
        jobs: Numbers of its jobs; mostly one.
        since: When it was submitted; only what Slurm was asked after that counts. None: not yet.
        again: When it is to be submitted again; None: not.
        state: Of its job, at last.
        missing: Since when Slurm does not know it, or has ended it without a status file.
        stopping: It is being stopped.
        kill_at: When it is killed.
    """

    files: TrialFiles
    comment: str
    attempt: int
    order: _Order | None = None
    jobs: set[int] = field(default_factory=set)
    since: float | None = None
    again: float | None = None
    queued: bool = True
    adopted: bool = False
    state: str = ""
    missing: float | None = None
    stopping: bool = False
    signalled: bool = False
    grace: float = 0.0
    kill_at: float = 0.0


@dataclass(frozen=True, slots=True)
class _Seen:
    """What Slurm has said.

    Attributes:
        asked: When it was asked, in monotonic seconds.
        jobs: By their comments.
        accounted: States of jobs that were asked of the accounting.
    """

    asked: float
    jobs: Mapping[str, Sequence[Job]]
    accounted: Mapping[int, str]


class SlurmRuntime:
    """Jobs of Slurm.

    Args:
        experiment: A name that no other experiment has.
        arguments: For sbatch, on top of the runtime's own.
    """

    def __init__(self, experiment: str, arguments: Sequence[str]) -> None:
        self._experiment = experiment
        self._arguments = arguments
        self._command = Plain()
        self._followed: dict[str, _Followed] = {}
        self._submitters = ThreadPoolExecutor(_SUBMITTERS, "sbatch")
        self._asker = ThreadPoolExecutor(1, "squeue")
        self._submitted: list[tuple[str, int, Future[int]]] = []
        self._question: Future[_Seen] | None = None
        self._signals: list[Future[None]] = []
        self._asked = -POLL
        self._looked = 0.0
        self._accounting = True
        self._away = False
        self._events: list[RuntimeEvent] = []

    # ------------------------------------------------------------------ the protocol

    def launch(self, spec: LaunchSpec) -> Handle:
        files, attempt = spec.files, spec.attempt
        made = self._command(spec)
        threads = "OMP_NUM_THREADS" not in {*os.environ, *spec.invocation.env}
        path = files.folder / f"job-{attempt}.sh"
        replicas = spec.demand.replicas
        replace_file(path, script.text(files, attempt, made.argv, made.cwd, replicas, threads))
        comment = f"suggest:{self._experiment}:{files.trial}:{attempt}"
        log = str((files.folder / f"slurm-{attempt}.log").absolute()).replace("%", "%%")
        arguments = [
            f"--job-name={files.trial}",
            f"--comment={comment}",
            f"--output={log}",
            f"--chdir={files.folder.absolute()}",
            "--no-requeue",
            *script.resources(spec.demand),
            *self._arguments,
        ]
        order = _Order(arguments, path.absolute(), made.env)
        self._followed[files.trial] = _Followed(files, comment, attempt, order)
        return {"comment": comment, "attempt": attempt}

    def begin(self, trial: str) -> None:
        self._submit(trial, self._followed[trial])

    def adopt(self, files: TrialFiles, handle: Handle) -> Running | Exit | Loss:
        known = _left(files)
        if known is not None and known.says_all:
            return Exit(files.trial, known.code)
        followed = _Followed(files, handle["comment"], handle["attempt"], adopted=True)
        followed.since = time.monotonic()
        self._followed[files.trial] = followed
        self._asked = -POLL
        return Running(0.0, queued=True)

    def stop(self, trial: str, grace: float) -> None:
        known = self._followed.get(trial)
        if known is not None and not known.stopping:
            known.stopping, known.grace = True, grace
            known.kill_at = time.monotonic() + grace

    def tell(self, trial: str, rules: str) -> None:
        """Nothing: a job reads the file."""

    def events(self) -> Sequence[RuntimeEvent]:
        now = time.monotonic()
        self._take_submitted(now)
        if self._question is not None and self._question.done():
            self._take_answer(self._question, now)
            self._question = None
        if now >= self._looked + _LOOK:
            self._looked = now
            for trial, known in list(self._followed.items()):
                status = _left(known.files)
                if status is not None and (status.says_all or known.stopping):
                    self._end(trial, Exit(trial, status.code))
        self._stop_trials(now)
        self._submit_again(now)
        self._ask(now)
        seen, self._events = self._events, []
        return seen

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        # What has not been submitted yet, the next session submits; nobody else cancels jobs.
        self._submitters.shutdown(wait=False, cancel_futures=True)
        wait(self._signals, _LAST_SIGNALS)
        self._asker.shutdown(wait=False, cancel_futures=True)
        self._followed.clear()

    # ------------------------------------------------------------------- submitting

    def _submit(self, trial: str, known: _Followed) -> None:
        order = known.order
        assert order is not None
        known.again = known.since = None
        call: Callable[[], int] = lambda: commands.submit(  # noqa: E731
            order.arguments, order.script, order.env
        )
        self._submitted.append((trial, known.attempt, self._submitters.submit(call)))

    def _take_submitted(self, now: float) -> None:
        done = [entry for entry in self._submitted if entry[2].done()]
        self._submitted = [entry for entry in self._submitted if not entry[2].done()]
        for trial, attempt, future in done:
            known = self._followed.get(trial)
            if known is None or known.attempt != attempt:
                continue
            try:
                known.jobs.add(future.result())
                known.since = now
            except Away as error:
                # It may have been submitted all the same: Slurm is asked before it is tried again.
                self._notice_away(str(error))
                known.since, known.again = now, now + POLL
            except Refused as error:
                self._end(trial, Exit(trial, None, f"cannot be started: {error}"))

    def _submit_again(self, now: float) -> None:
        for trial, known in list(self._followed.items()):
            if known.again is not None and now >= known.again and known.missing is not None:
                known.missing = None
                if known.stopping:
                    self._end(trial, Exit(trial, TERMINATED))
                else:
                    self._submit(trial, known)

    # ----------------------------------------------------------------------- asking

    def _ask(self, now: float) -> None:
        pause = _HURRY if any(known.stopping for known in self._followed.values()) else POLL
        waits = self._question is None and now >= self._asked + pause
        if waits and any(known.since is not None for known in self._followed.values()):
            self._asked = now
            unknown = [
                job
                for known in self._followed.values()
                if known.missing is not None and not known.state
                for job in known.jobs | _claimed(known)
            ]
            self._question = self._asker.submit(self._answer, unknown if self._accounting else [])

    def _answer(self, unknown: Sequence[int]) -> _Seen:
        asked = time.monotonic()
        jobs: dict[str, list[Job]] = {}
        for job in commands.queue():
            jobs.setdefault(job.comment, []).append(job)
        accounted: Mapping[int, str] = {}
        if unknown:
            found = commands.accounted(unknown)
            self._accounting = found is not None
            accounted = found or {}
        return _Seen(asked, jobs, accounted)

    def _take_answer(self, question: Future[_Seen], now: float) -> None:
        try:
            seen = question.result()
        except Away as error:
            self._notice_away(str(error))
            return
        if self._away:
            self._away = False
            self._events.append(Notice("Slurm answers again"))
        for trial, known in list(self._followed.items()):
            if known.since is not None and seen.asked >= known.since:
                event = self._judge(trial, known, seen, now)
                if event is not None:
                    self._end(trial, event)

    def _judge(self, trial: str, known: _Followed, seen: _Seen, now: float) -> Exit | Loss | None:
        """Return what has become of a trial by what Slurm says; None if it goes on."""
        jobs = seen.jobs.get(known.comment, ())
        known.jobs |= {job.id for job in jobs}
        job = _decisive(jobs, _claimed(known))
        if job is not None and job.state in states.WAITING | states.RUNNING:
            known.missing = known.again = None
            if job.state in states.RUNNING and known.queued:
                known.queued = False
                seconds = job.seconds if known.adopted else 0.0
                self._events.append(Started(trial, seconds))
            return None
        if job is not None:
            known.state, known.again = job.state, None
        else:
            numbers = known.jobs | _claimed(known)
            told = (seen.accounted[number] for number in numbers if number in seen.accounted)
            known.state = known.state or next(told, "")
        first = known.missing is None
        known.missing = now if known.missing is None else known.missing
        if known.again is not None:
            return None  # it has never been there
        status = _left(known.files)
        if known.state:
            event = states.outcome(trial, known.state, status, known.stopping)
            if event is not None:
                return event
        elif first:
            return None  # the accounting is asked next
        elif known.stopping:
            return Exit(trial, status.code if status is not None else KILLED)
        elif status is not None:
            return states.ended(trial, status)
        begun = bool(_claimed(known)) or script.claim(known.files, known.attempt).is_dir()
        if now < known.missing + (_SETTLE if begun or known.state else POLL):
            return None
        return states.vanished(trial, known.state, begun)

    def _notice_away(self, text: str) -> None:
        if not self._away:
            self._away = True
            self._events.append(Notice(f"Slurm does not answer; it is waited for: {text}"))

    # --------------------------------------------------------------------- stopping

    def _stop_trials(self, now: float) -> None:
        """Send what is due, one command for all trials of a kind."""
        for future in [future for future in self._signals if future.done()]:
            self._signals.remove(future)
        due: dict[str, list[int]] = {"": [], "TERM": [], "KILL": []}
        for known in self._followed.values():
            if not known.stopping or not known.jobs:
                continue
            if not known.signalled:
                known.signalled = True
                due["" if known.queued else "TERM"] += known.jobs
            elif now >= known.kill_at:
                known.kill_at = now + max(known.grace, POLL)
                due["" if known.queued else "KILL"] += known.jobs
        for signal, jobs in due.items():
            if jobs:
                self._signals.append(self._asker.submit(_cancel, jobs, signal))

    def _end(self, trial: str, event: Exit | Loss) -> None:
        known = self._followed.pop(trial)
        if len(known.jobs) > 1 or isinstance(event, Loss):  # nothing of it may still wait to run
            self._signals.append(self._asker.submit(_cancel, sorted(known.jobs), ""))
        self._events.append(event)


def _cancel(jobs: Sequence[int], signal: str) -> None:
    if jobs:
        commands.cancel(jobs, signal)


def _decisive(jobs: Sequence[Job], claimed: set[int]) -> Job | None:
    """Return the job of a trial that counts: one that runs, else that which has run the trial."""
    order = [
        [job for job in jobs if job.state in states.RUNNING],
        [job for job in jobs if job.id in claimed],
        [job for job in jobs if job.state in states.WAITING],
        list(jobs),
    ]
    return next((found[-1] for found in order if found), None)


def _claimed(known: _Followed) -> set[int]:
    """Return the number of the job that has begun to run the trial."""
    data = beginning(script.claim(known.files, known.attempt) / "id", known.files.folder)
    return {int(data)} if data.strip().isdigit() else set()


def _left(files: TrialFiles) -> states.Left | None:
    return states.left(beginning(files.status, files.folder))
