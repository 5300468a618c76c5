"""Actors of Ray behind the protocol of runtimes.

Each process of a trial is a detached actor with a name of its own: it outlives a runner, and the
next one finds it. What it writes comes by a call for each that waits at the actor until there is
something, so that nothing is asked again and again. How much this machine has of it is the size of
the files here; a runner that dies in between asks for the rest. Replicas are actors in the bundles
of a placement group.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from suggestion.controller.context import Fatal
from suggestion.controller.files import replace_file
from suggestion.controller.outcomes import KILLED, TERMINATED
from suggestion.controller.runtime import (
    Exit,
    Grown,
    Handle,
    LaunchSpec,
    Loss,
    Notice,
    Output,
    Running,
    RuntimeEvent,
    Started,
    TrialFiles,
    Unavailable,
    Whose,
)  # fmt: skip
from suggestion.runtimes.process.session import read_status
from suggestion.runtimes.ray import actors, head, worker
from suggestion.runtimes.ray.connection import connect

# A call waits at its actor for so long; then it is made again.
_WAIT: Final = 30.0
# Beyond the grace period, until an actor that does not answer is ended itself.
_LONGEST_END: Final = 10.0
# Until an actor that does not remove what its trial has left is ended all the same.
_FORGET: Final = 2.0
# Between attempts to connect to a head that has come back.
_AGAIN: Final = 5.0


@dataclass(slots=True)
class _Replica:
    """One process of a trial.

    Attributes:
        sinks: Files here that take what it writes: output, then metrics.
        call: The call that is waited for.
        started: Its process has been started.
    """

    actor: Any
    sinks: Sequence[Path]
    call: Any = None
    started: bool = False

    def positions(self) -> list[int]:
        """How much of its files is here."""
        return [path.stat().st_size if path.exists() else 0 for path in self.sinks]


@dataclass(slots=True)
class _Followed:
    """A trial.

    Attributes:
        spec: What its actors are to be made of, once the head answers; None: they have been made.
        wanted: They are to begin as soon as they are there.
        kill_at: When it is ended by force; None: it is not being stopped.
    """

    files: TrialFiles
    name: str
    metrics: str
    replicas: list[_Replica] = field(default_factory=list)
    group: str = ""
    adopted: bool = False
    spec: LaunchSpec | None = None
    wanted: bool = False
    kill_at: float | None = None

    @property
    def started(self) -> bool:
        """Whether its first process runs."""
        return bool(self.replicas) and self.replicas[0].started


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
        self._followed: dict[str, _Followed] = {}
        self._events: list[RuntimeEvent] = []
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
            self._class = self._ray.remote(worker.TrialProcess)
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
        files.status.unlink(missing_ok=True)
        known = self._follow(files, handle)
        known.spec = spec
        if self._lost_at is None:
            self._session()
        if self._answers:
            self._make(known)
        self._followed[files.trial] = known
        return handle

    def begin(self, trial: str) -> None:
        known = self._followed[trial]
        known.wanted = True
        if known.spec is None:
            self._start(known)

    def adopt(self, files: TrialFiles, handle: Handle) -> Running | Exit | Loss:
        status = read_status(files.status)
        if status is not None:
            self._forget(handle)
            return Exit(files.trial, status)
        ray = self._session()
        known = self._follow(files, handle)
        known.adopted = True
        for rank in range(handle["replicas"]):
            try:
                actor = ray.get_actor(actors.named(handle["name"], rank), self._namespace)
            except ValueError:
                self._forget(handle)
                return Loss(files.trial, reason="its actor is gone")
            known.replicas.append(_Replica(actor, self._sinks(files, known.metrics, rank)))
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
        for replica in known.replicas:
            replica.actor.stop.remote(grace)

    def tell(self, trial: str, rules: str) -> None:
        known = self._followed.get(trial)
        if known is not None and known.started:
            for replica in known.replicas:
                replica.actor.tell.remote(rules)

    def events(self) -> Sequence[RuntimeEvent]:
        # All that is stored has been adopted: the controller asks for events after that.
        if not self._tidied:
            self._tidied = True
            self._tidy()
        self._look()
        calls = {
            replica.call: (trial, rank)
            for trial, known in self._followed.items()
            for rank, replica in enumerate(known.replicas)
            if replica.call is not None
        }
        if calls:
            ready, _ = self._ray.wait(list(calls), num_returns=len(calls), timeout=0)
            for call in ready:
                self._answered(*calls[call], call)
        now = time.monotonic()
        for trial, known in list(self._followed.items()):
            if known.kill_at is not None and now >= known.kill_at:
                self._end(trial, Exit(trial, KILLED))
        seen, self._events = self._events, []
        return seen

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        self._disconnect()
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
        if self._answers:
            for known in self._followed.values():
                if known.spec is not None:
                    self._make(known)
                    if known.wanted:
                        self._start(known)

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
        if self._ray is not None:
            self._ray.shutdown()
            self._ray = None
        if self._head is not None:
            self._head.close()
            self._head = None

    # -------------------------------------------------------------------- processes

    def _make(self, known: _Followed) -> None:
        """Make the actors of a trial, which wait for `_start`."""
        assert known.spec is not None
        made = actors.make(self._class, self._namespace, known.name, known.spec)
        known.replicas += [
            _Replica(actor, self._sinks(known.files, known.metrics, rank))
            for rank, actor in enumerate(made)
        ]
        known.spec = None

    def _follow(self, files: TrialFiles, handle: Handle) -> _Followed:
        name = handle["name"]
        group = name if handle["replicas"] > 1 else ""
        return _Followed(files, name, handle["metrics"], group=group)

    def _sinks(self, files: TrialFiles, metrics: str, rank: int) -> list[Path]:
        if rank:
            return [files.output.with_name(f"{files.output.name}.{rank}")]
        return [files.output, *([Path(metrics)] if metrics else [])]

    def _start(self, known: _Followed) -> None:
        world = len(known.replicas)
        address = known.replicas[0].actor.address.remote() if world > 1 else None
        for rank, replica in enumerate(known.replicas):
            replica.call = replica.actor.start.remote(rank, world, address)

    def _answered(self, trial: str, rank: int, call: Any) -> None:
        known = self._followed.get(trial)
        if known is None:  # another of its processes has just ended it
            return
        replica = known.replicas[rank]
        try:
            answer = self._ray.get(call)
        except self._ray.exceptions.ActorUnavailableError:
            replica.call = replica.actor.read.remote(replica.positions(), _WAIT)
            return
        except self._ray.exceptions.RayError as error:
            if known.kill_at is not None:
                self._end(trial, Exit(trial, KILLED))
            else:
                self._end(trial, Loss(trial, reason=f"its actor died: {actors.first_line(error)}"))
            return
        if not replica.started:
            replica.started = True
            if rank == 0:
                self._events.append(Started(trial, answer if known.adopted else 0.0))
        else:
            found, status = answer
            self._take(trial, rank, replica, found)
            if status is not None and (rank == 0 or status):
                reason = f"replica {rank} ended with exit status {status}" if rank else ""
                self._end(trial, Exit(trial, status, reason))
                return
            if status is not None:  # another replica has ended well
                replica.call = None
                return
        replica.call = replica.actor.read.remote(self._known(known, replica), _WAIT)

    def _take(self, trial: str, rank: int, replica: _Replica, found: Sequence[bytes]) -> None:
        """Add what a process has written to the files here; the controller adds the output."""
        for number, (path, data) in enumerate(zip(replica.sinks, found, strict=True)):
            if data and rank == 0 and number == 0:
                self._events.append(Output(trial, data))
            elif data:
                with path.open("ab") as file:
                    file.write(data)
                self._events.append(Grown(trial))

    def _known(self, known: _Followed, replica: _Replica) -> list[int]:
        """Return how much of its files is here, or on its way into the output file."""
        positions = replica.positions()
        if replica is known.replicas[0]:
            trial = known.files.trial
            positions[0] += sum(
                len(event.data)
                for event in self._events
                if isinstance(event, Output) and event.trial == trial
            )
        return positions

    def _end(self, trial: str, event: Exit | Loss) -> None:
        known = self._followed.pop(trial)
        if isinstance(event, Exit) and event.status is not None and not event.reason:
            # Once the actor is gone, only this tells the next runner how the trial has ended.
            with suppress(OSError):
                replace_file(known.files.status, f"{event.status}\n")
        for replica in known.replicas:
            if replica.started and isinstance(event, Exit):
                with suppress(self._ray.exceptions.RayError):
                    self._ray.get(replica.actor.forget.remote(), timeout=_FORGET)
            self._ray.kill(replica.actor)
        if known.replicas:
            actors.ungroup(self._namespace, known.group)
        self._events.append(event)

    def _forget(self, handle: Handle) -> None:
        """End what is left of a trial that an earlier session has launched."""
        ray = self._session()
        for rank in range(handle["replicas"]):
            with suppress(ValueError):
                ray.kill(ray.get_actor(actors.named(handle["name"], rank), self._namespace))
        actors.ungroup(self._namespace, handle["name"] if handle["replicas"] > 1 else "")

    def _tidy(self) -> None:
        """End what no stored handle names: its session died between making and storing it."""
        from ray.util import list_named_actors  # noqa: PLC0415

        ray = self._session()
        followed = {
            actors.named(known.name, rank)
            for known in self._followed.values()
            for rank in range(len(known.replicas))
        }
        with suppress(ray.exceptions.RayError, RuntimeError, ValueError):
            for name in set(list_named_actors()) - followed:
                ray.kill(ray.get_actor(name, self._namespace))
                actors.ungroup(self._namespace, name)
