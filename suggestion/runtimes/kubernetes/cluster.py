"""What goes on beside the runner's loop: watches, and requests that are repeated until answered."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

from suggestion.runtimes.kubernetes.api import Api, Away, Refused, Resource

_WORKERS: Final = 4
_SHORTEST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0
# A server that has not answered for so long is worth a word.
_WORTH_A_WORD: Final = 5.0


@dataclass(frozen=True, slots=True)
class Listed:
    """All objects of a watch as they are.

    Attributes:
        version: Resource version of the list.
    """

    what: str
    items: Sequence[Mapping[str, Any]]
    version: str


@dataclass(frozen=True, slots=True)
class Changed:
    """An object of a watch as it is now."""

    what: str
    document: Mapping[str, Any]
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """A request has been answered, or something else has happened; the runtime knows what to do."""

    then: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that a trial has written is in its files here; this wakes nobody up.

    Attributes:
        trial: Its name.
    """

    trial: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The session cannot continue."""

    reason: str


@dataclass(frozen=True, slots=True)
class Said:
    """Something that a person should know."""

    text: str


Seen: TypeAlias = Listed | Changed | Done | Kept | Failed | Said


class Cluster:
    """The cluster as one session sees it; what is seen waits in a queue.

    Args:
        find: Returns the resource of the trials' objects; repeated while the API is away.
        labels: Label selectors of the trials' objects and of pods.
        pods: Their resource.
    """

    OBJECTS: Final = "objects"
    PODS: Final = "pods"

    def __init__(
        self, api: Api, find: Callable[[], Resource], pods: Resource, labels: tuple[str, str]
    ) -> None:
        self.api = api
        self._find = find
        self._seen: queue.SimpleQueue[Seen] = queue.SimpleQueue()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._bell_lock = threading.Lock()
        self._closed = threading.Event()
        self._synced = {self.OBJECTS: threading.Event(), self.PODS: threading.Event()}
        self._workers = [ThreadPoolExecutor(1, f"kubernetes-{n}") for n in range(_WORKERS)]
        self._deletions = 0
        self._idle = threading.Condition()
        self._trouble: tuple[float, bool] | None = None
        self._trouble_lock = threading.Lock()
        self._streams: dict[str, Any] = {}
        self._resource: Resource | None = None
        self._watch(self.OBJECTS, lambda: self.resource, labels[0])
        self._watch(self.PODS, lambda: pods, labels[1])

    @property
    def resource(self) -> Resource:
        """The resource of the trials' objects.

        Raises:
            Away, Refused: If it cannot be found.
        """
        if self._resource is None:
            self._resource = self._find()
        return self._resource

    # ------------------------------------------------------------------------- the queue

    def put(self, seen: Seen) -> None:
        """Add to what has been seen. Safe in any thread."""
        self._seen.put(seen)
        if not isinstance(seen, Kept):  # there may be many; they are taken at the next look
            self._ring()

    def _ring(self) -> None:
        with self._bell_lock:
            if self._bell >= 0:
                with suppress(BlockingIOError):
                    os.eventfd_write(self._bell, 1)

    def take(self) -> list[Seen]:
        """Return what has been seen since."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        found: list[Seen] = []
        with suppress(queue.Empty):
            while True:
                found.append(self._seen.get_nowait())
        return found

    def fileno(self) -> int:
        """Return a descriptor that is readable when something has been seen."""
        return self._bell

    def wait(self, seconds: float) -> bool:
        """Wait until everything there is has been listed once; return whether it has."""
        until = time.monotonic() + seconds
        return all(
            event.wait(max(until - time.monotonic(), 0.0)) for event in self._synced.values()
        )

    @property
    def synced(self) -> bool:
        """Whether everything there is has been listed once."""
        return all(event.is_set() for event in self._synced.values())

    # ------------------------------------------------------------------------- requests

    def submit(
        self,
        name: str,
        call: Callable[[], Any],
        then: Callable[[Any], None] | None = None,
        refused: Callable[[Refused], None] | None = None,
        *,
        deletes: bool = False,
    ) -> None:
        """Make a request in another thread, again and again until it is answered.

        Args:
            name: Requests about the same thing are made in order.
            then: Called with the answer, by whoever empties the queue.
            refused: Called with a refusal, likewise; by default it ends the session.
            deletes: It is waited for when the session ends.
        """
        if deletes:
            with self._idle:
                self._deletions += 1

        def work() -> None:
            try:
                self._repeat(call, then, refused)
            finally:
                if deletes:
                    with self._idle:
                        self._deletions -= 1
                        self._idle.notify_all()

        with suppress(RuntimeError):  # it is being closed
            self._workers[hash(name) % _WORKERS].submit(work)

    def _repeat(
        self,
        call: Callable[[], Any],
        then: Callable[[Any], None] | None,
        refused: Callable[[Refused], None] | None,
    ) -> None:
        pause = _SHORTEST_PAUSE
        while not self._closed.is_set():
            try:
                answer = call()
            except Away as error:
                self._is_away(str(error))
                self._closed.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            except Refused as error:
                if refused is None:
                    self.put(Failed(str(error)))
                else:
                    self.put(Done(partial(refused, error)))
                return
            else:
                self._answers()
                if then is not None:
                    self.put(Done(partial(then, answer)))
                return

    def _is_away(self, text: str) -> None:
        with self._trouble_lock:
            since, told = self._trouble or (time.monotonic(), False)
            if not told and time.monotonic() - since >= _WORTH_A_WORD:
                told = True
                self.put(Said(f"{text}; waiting for it"))
            self._trouble = (since, told)

    def _answers(self) -> None:
        with self._trouble_lock:
            if self._trouble is not None and self._trouble[1]:
                self.put(Said("the Kubernetes API answers again"))
            self._trouble = None

    # -------------------------------------------------------------------------- watches

    def _watch(self, what: str, resource: Callable[[], Resource], labels: str) -> None:
        work = lambda: self._follow(what, resource, labels)  # noqa: E731
        threading.Thread(target=work, name=f"watch-{what}", daemon=True).start()

    def _follow(self, what: str, resource: Callable[[], Resource], labels: str) -> None:
        """List, and then watch until the stream ends; again and again."""
        pause = _SHORTEST_PAUSE
        while not self._closed.is_set():
            begun = time.monotonic()
            try:
                version = self._list(what, resource(), labels)
                self._answers()
                self._stream(what, resource(), version, labels)
            except Away as error:
                self._is_away(str(error))
            except Refused as error:
                if error.status != 410:  # else the version is too old
                    self.put(Failed(str(error)))
                    return
            # Also a stream that ends as soon as it has begun is not to be asked for all the time.
            lasted = time.monotonic() - begun >= _LONGEST_PAUSE
            self._closed.wait(_SHORTEST_PAUSE if lasted else pause)
            pause = _SHORTEST_PAUSE if lasted else min(2 * pause, _LONGEST_PAUSE)

    def _list(self, what: str, resource: Resource, labels: str) -> str:
        found = self.api.list(resource, labelSelector=labels)
        version: str = found["metadata"]["resourceVersion"]
        self._seen.put(Listed(what, found.get("items") or (), version))
        self._synced[what].set()
        self._ring()  # now: whoever looked before that has seen that not everything is listed
        return version

    def _stream(self, what: str, resource: Resource, version: str, labels: str) -> None:
        stream = self.api.watch(resource, version, labels)
        self._streams[what] = stream
        try:
            for kind, document in stream.events():
                if self._closed.is_set():
                    return
                if kind == "ERROR":  # the version is too old, for instance
                    return
                if kind != "BOOKMARK":
                    self.put(Changed(what, document, kind == "DELETED"))
        finally:
            del self._streams[what]
            stream.close()

    # ------------------------------------------------------------------------------ end

    def close(self, seconds: float) -> None:
        """End all threads soon; deletions that were asked for are made, if `seconds` are enough."""
        with self._idle:
            self._idle.wait_for(lambda: self._deletions == 0, seconds)
        self._closed.set()
        for stream in list(self._streams.values()):
            stream.interrupt()
        for worker in self._workers:
            worker.shutdown(wait=False, cancel_futures=True)
        with self._bell_lock:
            os.close(self._bell)
            self._bell = -1
