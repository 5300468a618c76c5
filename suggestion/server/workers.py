"""How many calls are computed at a time, and what becomes of one that does not come back.

A thread of Python cannot be stopped. A computation that never looks at its deadline therefore keeps
its thread after its caller has gone. Such a call is given up: another takes its place, so that it
delays nobody. As that costs memory and processor time, it is done for a bounded number of calls;
past it the places of such calls stay taken, and once no place is left the lane is stuck: the server
then reports NOT_SERVING, so that its supervisor restarts the process.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from suggestion.api.exchange import Outcome
from suggestion.server.execution import Executor, Job

#: How long a computation may go on after its caller has gone, in seconds.
GIVE_UP_SECONDS: Final = 0.5


class Workers:
    """Places for `size` calls, which are computed at a time and in the order of arrival.

    All methods are called in the thread of the event loop.

    Args:
        size: Calls that are computed at a time.
        executor: What computes them, those that were given up beside them: twice as many at most.
    """

    def __init__(self, size: int, executor: Executor) -> None:
        self._size = size
        self._executor = executor
        self._places = asyncio.Semaphore(size)
        self._replaced: set[asyncio.Future[Outcome]] = set()
        self._stuck: set[asyncio.Future[Outcome]] = set()
        self._waiting = 0
        self._progress = time.monotonic()

    def full(self, waiting: int | None) -> bool:
        """Return whether no place is free, and as many as `waiting` calls wait for one."""
        return waiting is not None and self._places.locked() and self._waiting >= waiting

    def stuck(self, longest: float) -> bool:
        """Return whether calls wait in vain.

        Either every place is taken by a call that was given up, or none has finished for more than
        `longest` seconds while some wait.
        """
        if len(self._stuck) >= self._size:
            return True
        return self._waiting > 0 and time.monotonic() - self._progress > longest

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """While the block runs a call waits for its place, or for what it needs before that."""
        if not self._waiting:
            self._progress = time.monotonic()
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def place(self) -> None:
        """Wait for a place, which `run` gives back."""
        await self._places.acquire()

    async def run(self, job: Job, ended: Callable[[], None]) -> Outcome:
        """Compute `job`; `place` was awaited before.

        If this task is cancelled, the computation goes on until it looks at its deadline, which it
        should soon; if it does not, it is given up.

        Args:
            job: What to compute.
            ended: Called when the computation has ended, however late.
        """
        try:
            future = self._executor.submit(job)
        except BaseException:  # no thread can be started
            self._places.release()
            ended()
            raise
        future.add_done_callback(lambda _: self._end(future, ended))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            self._executor.abandon(future)
            asyncio.get_running_loop().call_later(GIVE_UP_SECONDS, self._give_up, future)
            raise

    def shutdown(self) -> None:
        """Start no further computation."""
        self._executor.shutdown()

    def _give_up(self, future: asyncio.Future[Outcome]) -> None:
        if future.done():
            return
        if len(self._replaced) < self._size:  # as many again may be given up and replaced
            self._replaced.add(future)
            self._places.release()
        else:
            self._stuck.add(future)
        self._executor.give_up(future)

    def _end(self, future: asyncio.Future[Outcome], ended: Callable[[], None]) -> None:
        ended()
        self._progress = time.monotonic()
        if future in self._replaced:
            self._replaced.remove(future)
            if self._stuck:  # one of them can be replaced now
                self._replaced.add(self._stuck.pop())
                self._places.release()
        else:
            self._stuck.discard(future)
            self._places.release()
