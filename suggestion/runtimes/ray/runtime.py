"""Actors of Ray behind the protocol of runtimes.

Each process of a trial has a detached actor with a name: it outlives a runner, and the next one
finds it. One of a single process gets an actor of `Pool`, whose name is noted in its folder before
it begins; replicas are actors of their own in the bundles of a placement group. What a process
writes comes by a call that waits at the actor until there is something, so that nothing is asked
again and again. How much of it is here is the size of the files; the next runner asks for the rest.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, Final

from suggestion.controller.context import DiskFull, Fatal
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
    Unavailable,
    Whose,
)  # fmt: skip
from suggestion.runtimes.process.session import read_status
from suggestion.runtimes.ray import actors, head, worker
from suggestion.runtimes.ray.calls import Calls
from suggestion.runtimes.ray.connection import connect
from suggestion.runtimes.ray.followed import Followed, followed, replica, take
from suggestion.runtimes.ray.pool import Pool, dismiss

# A call waits at its actor for so long; then it is made again.
_WAIT: Final = 30.0
# Beyond the grace period, until an actor that does not answer is ended.
_LONGEST_END: Final = 10.0
# Between attempts to connect to a head that has come back.
_AGAIN: Final = 5.0


class RayRuntime:
    """Actors of Ray.

    Args:
        address: Of the cluster.
    """

    def __init__(self, whose: Whose, address: str) -> None:
        self._whose = whose
        self._namespace = f"suggest-{whose.id or whose.name}"
        self._address = address
        self._ray: Any = None
        self._class: Any = None
        self._head: head.Head | None = None
        self._lost_at: float | None = None  # when the cluster has lost its state
        self._again = 0.0
        self._calls = Calls()
        self._pool: Pool | None = None
        self._followed: dict[str, Followed] = {}
        self._events: list[RuntimeEvent] = []
        self._ending: list[tuple[Followed, Exit]] = []
        self._tidied = False

    def _connected(self) -> Any:
        """Connect, unless this is connected."""
        if self._ray is None:
            folder, directory = self._whose.folder, self._whose.directory
            kept = ""
            if folder is not None and directory.is_relative_to(folder):
                kept = str(directory.relative_to(folder))
            self._ray = connect(self._address, self._namespace, folder, kept)
            self._ray.cloudpickle.register_pickle_by_value(worker)
            self._class = self._ray.remote(worker.TrialHost)
            self._head = head.Head(self._ray.get_runtime_context().gcs_address)
        return self._ray

    def _session(self) -> Any:
        try:
            return self._connected()
        except Unavailable as error:
            raise Fatal(str(error)) from error

    # ------------------------------------------------------------------ the protocol

    def launch(self, spec: LaunchSpec) -> Handle:
        files, count = spec.files, spec.demand.replicas
        name = f"{files.trial}.{spec.attempt}"
        metrics = spec.paths[0][1] if spec.metrics_path and spec.metrics_file else ""
        handle = {"name": name, "replicas": count, "metrics": metrics}
        known = followed(files, handle)
        files.status.unlink(missing_ok=True)
        known.note.unlink(missing_ok=True)
        known.spec = spec
        if self._lost_at is None:
            self._session()
        self._followed[files.trial] = known
        self._make()
        return handle

    def begin(self, trial: str) -> None:
        known = self._followed[trial]
        known.wanted = True
        if known.spec is None:
            self._start(known)
        else:
            self._place()

    def adopt(self, files: TrialFiles, handle: Handle) -> Running | Exit | Loss:
        known = followed(files, handle)
        names = [actors.named(known.name, rank) for rank in range(handle["replicas"])]
        if not known.grouped:
            names = beginning(known.note, files.folder).decode().split()
        status = read_status(files.status)
        if status is not None:
            self._forget_group(known)
            return Exit(files.trial, status)
        if not names:
            return Loss(files.trial, begun=False, reason="it had no actor yet")
        ray = self._session()
        known.adopted = True
        for rank, name in enumerate(names):
            try:
                actor = ray.get_actor(name, self._namespace)
            except ValueError:
                self._forget_group(known)
                return Loss(files.trial, reason="its actor is gone")
            known.replicas.append(replica(known, actor, rank, name))
        self._followed[files.trial] = known
        self._start(known)
        return Running(0.0, queued=True)

    def stop(self, trial: str, grace: float) -> None:
        known = self._followed.get(trial)
        if known is None or known.kill_at is not None:
            return
        known.kill_at = time.monotonic() + grace + _LONGEST_END
        if not known.started:  # a call would wait for its processors
            self._end(trial, Exit(trial, TERMINATED))
            return
        for one in known.replicas:
            one.actor.stop.remote(known.name, grace)

    def tell(self, trial: str, rules: str) -> None:
        known = self._followed.get(trial)
        if known is not None and known.started:
            for one in known.replicas:
                one.actor.tell.remote(known.name, rules)

    def events(self) -> Sequence[RuntimeEvent]:
        # All that is stored has been adopted: the controller asks for events after that.
        if not self._tidied:
            self._tidied = True
            self._tidy()
        self._look()
        # By now the output of those that have ended, which came with the last events, is here.
        ending, self._ending = self._ending, []
        for known, event in ending:
            if self._followed.get(event.trial) is known:
                self._end(event.trial, event, reuse=not (known.adopted or known.grouped))
        self._calls.answered()
        self._place()
        now = time.monotonic()
        for trial, known in list(self._followed.items()):
            if known.kill_at is not None and now >= known.kill_at:
                self._end(trial, Exit(trial, KILLED))
        seen, self._events = self._events, []
        return seen

    def fileno(self) -> int | None:
        return self._calls.fileno()

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close(answers=self._answers)
        self._disconnect()
        self._calls.close()
        self._followed.clear()

    # --------------------------------------------------------------------- the head

    @property
    def _answers(self) -> bool:
        return self._head is not None and self._head.answers

    def _look(self) -> None:
        """See what has become of the head, and make the actors that have waited for it."""
        watched = self._head
        if watched is not None:
            self._events += map(Notice, watched.said())
            if watched.gone:
                raise Fatal(f"--runtime ray: {watched.trouble}")
            if watched.replaced:
                self._lose_all()
        if self._lost_at is not None:
            self._reconnect(self._lost_at)
        self._make()

    def _lose_all(self) -> None:
        """Leave a cluster that has come back without its state."""
        self._disconnect()
        self._lost_at = time.monotonic()
        for trial, known in list(self._followed.items()):
            if known.spec is None:
                stopped = known.kill_at is not None
                reason = "the head of its cluster has come back without its state"
                self._events.append(Exit(trial, KILLED) if stopped else Loss(trial, reason=reason))
                del self._followed[trial]

    def _reconnect(self, since: float) -> None:
        """Connect again, as soon as the head has a node here."""
        now = time.monotonic()
        if now < self._again:
            return
        try:
            self._connected()
        except Unavailable as error:
            if now - since > head.LONGEST:
                raise Fatal(str(error)) from error
            self._again = time.monotonic() + _AGAIN
        else:
            self._lost_at = None

    def _disconnect(self) -> None:
        self._calls.drop()
        self._pool = None
        if self._ray is not None:
            self._ray.shutdown()
            self._ray = None
        if self._head is not None:
            self._head.close()
            self._head = None

    # -------------------------------------------------------------------- processes

    def _waiting(self) -> list[Followed]:
        """Return trials that wait for an actor of the pool, in the order of their launch."""
        return [k for k in self._followed.values() if k.spec is not None and not k.grouped]

    def _make(self) -> None:
        """Make the actors that trials wait for, unless the head is away."""
        if not self._answers:
            return
        for known in self._followed.values():
            if known.spec is not None and known.grouped:
                made = actors.make_group(self._class, self._namespace, known.name, known.spec)
                known.replicas = [replica(known, actor, rank) for rank, actor in enumerate(made)]
                known.spec = None
                if known.wanted:
                    self._start(known)
        waiting = self._waiting()
        if self._pool is None and waiting:
            demand = waiting[0].demand  # that of each trial of the experiment
            make = partial(actors.make, self._class, self._namespace, demand)
            self._pool = Pool(self._ray, make, self._calls.follow)
        if self._pool is not None:
            self._pool.provide(len(waiting))
            self._pool.retire(len(waiting))

    def _place(self) -> None:
        """Give trials that wait the actors that are there."""
        if self._pool is None:
            return
        waiting = self._waiting()
        for known, error in zip(waiting, self._pool.failures(), strict=False):
            self._lose(known, error)
        for known in waiting:
            if not known.wanted or known.files.trial not in self._followed:
                continue
            taken = self._pool.take()
            if taken is None:
                return
            name, actor = taken
            try:
                replace_file(known.note, f"{name}\n")  # before it begins: by that it is found
            except OSError as error:
                self._pool.give(*taken)
                raise DiskFull(str(error)) from error
            known.replicas = [replica(known, actor, 0, name)]
            self._start(known)
            known.spec = None

    def _start(self, known: Followed) -> None:
        parts, folder = None, actors.folder_of(self._namespace, known.name)
        if known.spec is not None:
            parts = actors.arguments(known.spec, folder, 0)
        for rank in range(len(known.replicas)):
            self._start_one(known, rank, parts)

    def _start_one(self, known: Followed, rank: int, parts: Sequence[Any] | None = None) -> None:
        one, world = known.replicas[rank], len(known.replicas)
        address = known.replicas[0].actor.address.remote() if world > 1 else None
        call = one.actor.start.remote(known.name, parts, rank, world, address)
        self._follow(known, rank, call)

    def _follow(self, known: Followed, rank: int, call: Any) -> None:
        def answered(answer: Future[Any]) -> None:
            if self._followed.get(known.files.trial) is known:
                self._answered(known, rank, answer)

        self._calls.follow(call, answered)

    def _read(self, known: Followed, rank: int) -> None:
        one = known.replicas[rank]
        self._follow(known, rank, one.actor.read.remote(known.name, one.here, _WAIT))

    def _answered(self, known: Followed, rank: int, answer: Future[Any]) -> None:
        trial, one, errors = known.files.trial, known.replicas[rank], self._ray.exceptions
        try:
            told = answer.result()
        except errors.ActorUnavailableError:
            if one.started:
                self._read(known, rank)
            else:
                self._start_one(known, rank)
            return
        except errors.RayError as error:
            self._lose(known, error)
            return
        if not one.started:
            if told is None:
                self._end(trial, Loss(trial, begun=False, reason="it had not begun"))
                return
            one.started = True
            if rank == 0:
                self._events.append(Started(trial, told if known.adopted else 0.0))
        else:
            found, status = told
            self._events += take(known, rank, found)
            if status is not None and (rank == 0 or status):
                reason = f"replica {rank} ended with exit status {status}" if rank else ""
                self._ending.append((known, Exit(trial, status, reason)))
                self._calls.ring()
                return
            if status is not None:  # another replica has ended well
                return
        self._read(known, rank)

    def _lose(self, known: Followed, error: BaseException) -> None:
        """Note that the actor of a trial has died."""
        trial = known.files.trial
        if known.kill_at is not None:
            self._end(trial, Exit(trial, KILLED))
        else:
            self._end(trial, Loss(trial, reason=f"its actor died: {actors.first_line(error)}"))

    def _end(self, trial: str, event: Exit | Loss, *, reuse: bool = False) -> None:
        known = self._followed.pop(trial)
        self._events.append(event)
        noted = False
        if isinstance(event, Exit) and event.status is not None and not event.reason:
            # Once the actor has another trial, or is gone, only this tells the next runner how the
            # trial has ended.
            with suppress(OSError):
                replace_file(known.files.status, f"{event.status}\n")
                noted = True
        if reuse and noted and self._pool is not None:
            self._pool.give(known.replicas[0].name, known.replicas[0].actor)
            return
        if isinstance(event, Exit):
            dismiss(self._ray, [one.actor for one in known.replicas if one.started])
        for one in known.replicas:
            self._ray.kill(one.actor)
        if known.grouped and known.replicas:
            actors.ungroup(self._namespace, known.name)

    def _forget_group(self, known: Followed) -> None:
        """End what is left of a trial with replicas that an earlier session has launched.

        The actor of another one may have the next trial already; without one, `_tidy` ends it.
        """
        if known.grouped:
            actors.end_group(self._session(), self._namespace, known.name, known.count)

    def _tidy(self) -> None:
        """End what no stored handle names: its session died between making and storing it."""
        ray = self._session()
        kept = {one.name for known in self._followed.values() for one in known.replicas}
        if self._pool is not None:
            kept |= self._pool.names
        actors.end_others(ray, self._namespace, kept)
