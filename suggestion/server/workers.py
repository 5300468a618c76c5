"""The threads that compute calls, and what becomes of one that does not come back.

A thread of Python cannot be stopped. A computation that never looks at its deadline therefore keeps
its thread after its caller has gone. Such a call is given up: another thread takes its place, so
that it delays nobody. As that costs memory and processor time, it is done for a bounded number of
calls; past it the places of such calls stay taken, and once no place is left the lane is stuck: the
server then reports NOT_SERVING, so that its supervisor restarts the process.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, TypeVar

T = TypeVar("T")

#: How long a computation may go on after its caller has gone, in seconds.
GIVE_UP_SECONDS: Final = 0.5


class Workers:
    """Threads that compute, `size` calls at a time and in the order of arrival.

    All methods are called in the thread of the event loop.

    Args:
        size: Calls that are computed at a time.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._threads = ThreadPoolExecutor(2 * size, thread_name_prefix="suggest-worker")
        self._places = asyncio.Semaphore(size)
        self._replaced: set[Future[Any]] = set()
        self._stuck: set[Future[Any]] = set()
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

    async def run(self, work: Callable[[], T], ended: Callable[[], None]) -> T:
        """Compute `work` in a thread; `place` was awaited before.

        If this task is cancelled, the thread goes on until `work` returns, which should look at a
        deadline; if it does not soon, it is given up.

        Args:
            work: Does not raise.
            ended: Called when the thread is done with it, however late.
        """
        loop = asyncio.get_running_loop()
        try:
            future: Future[Any] = self._threads.submit(work)
        except BaseException:  # no thread can be started
            self._places.release()
            ended()
            raise

        def done(_: object) -> None:
            loop.call_soon_threadsafe(self._end, future, ended)

        future.add_done_callback(done)
        try:
            result: T = await asyncio.shield(asyncio.wrap_future(future))
            return result
        except asyncio.CancelledError:
            loop.call_later(GIVE_UP_SECONDS, self._give_up, future)
            raise

    def shutdown(self) -> None:
        """Start no further computation."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _give_up(self, future: Future[Any]) -> None:
        if future.done():
            return
        if len(self._replaced) < self._size:  # as many again may be given up and replaced
            self._replaced.add(future)
            self._places.release()
        else:
            self._stuck.add(future)

    def _end(self, future: Future[Any], ended: Callable[[], None]) -> None:
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
