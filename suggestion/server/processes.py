"""Several processes that compute calls for one server, so that it uses several processors.

The server itself accepts all calls, on every address and for every protocol, and hands those that
any process can answer (`Rpc.portable`) to the process with the fewest. So there is one health
answer, one limit of memory and of calls, one log, one set of metrics, one drain, and an unbalanced
set of connections does not leave a processor idle.

A process that ends (by the kernel, for want of memory, say) is started again. Its calls are
computed by another, once: a reply is a function of the request. A call whose process ends the
second time is told UNAVAILABLE; it may be what ends them.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import itertools
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import grpc

from suggestion.api.exchange import Outcome
from suggestion.api.service import Rpc
from suggestion.server import frames
from suggestion.server.execution import Job, Threads
from suggestion.server.frames import Abandon, Compute, Computed, Define, Logged, Ready

logger: Final = logging.getLogger("suggestion")
#: How long a process may take to start, in seconds.
_START_SECONDS: Final = 60.0
#: One that lived shorter is started again only after a while, both in seconds.
_SHORT_LIFE_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 1.0
_DIED: Final = Outcome(
    grpc.StatusCode.UNAVAILABLE,
    message="two processes that computed this call have ended; repeat the call",
)


@dataclass(slots=True, eq=False)
class _Task:
    """A job, and where it is.

    Attributes:
        job: The job.
        key: Number of its method.
        future: Its outcome.
        abandoned: Whether its caller has gone.
        process: What computes it; None while it waits for one.
        number: Of the call for this process.
        ended: Number of processes that have ended with it.
    """

    job: Job
    key: int
    future: asyncio.Future[Outcome]
    abandoned: bool = False
    process: _Process | None = None
    number: int = -1
    ended: int = 0


class _Process:
    """One computing process that runs, and the calls that it has.

    Args:
        popen: The process.
        reader: What it answers.
        writer: What it is told.
    """

    def __init__(
        self,
        popen: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._popen = popen
        self._reader = reader
        self._writer = writer
        self._tasks: dict[int, _Task] = {}
        self._given_up: set[int] = set()
        self._defined: set[int] = set()
        self._killed = False

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    @property
    def runs(self) -> bool:
        """Whether it has not ended, seen or not, nor is about to."""
        return not self._killed and self._popen.poll() is None

    @property
    def load(self) -> int:
        """Number of its calls."""
        return len(self._tasks)

    async def ready(self) -> None:
        """Wait until it has started; what its modules log before that is logged.

        Raises:
            EOFError, OSError: If it ends before.
        """
        while not isinstance(message := await frames.receive(self._reader), Ready):
            self._take(message)

    async def serve(self) -> None:
        """Take what it answers until it ends."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._take(await frames.receive(self._reader))

    def _take(self, message: object) -> None:
        match message:
            case Computed(number, outcome, facts, model_seconds):
                task = self._tasks.pop(number)
                self._given_up.discard(number)
                task.job.call.describe(**facts)
                task.job.call.model_seconds = model_seconds
                task.future.set_result(outcome)
                self._kill_if_in_vain()
            case Logged(record):
                found = logging.makeLogRecord(record)
                logging.getLogger(found.name).handle(found)

    async def end(self) -> int:
        """End it at once; return its exit status."""
        self.kill()
        self._writer.close()
        return await asyncio.to_thread(self._popen.wait)

    @property
    def tasks(self) -> Iterable[_Task]:
        """Its calls."""
        return self._tasks.values()

    def compute(self, number: int, task: _Task) -> None:
        """Hand over a call."""
        job = task.job
        if task.key not in self._defined:
            self._writer.write(frames.packed(Define(task.key, job.rpc)))
            self._defined.add(task.key)
        at = time.monotonic() + job.call.deadline.remaining()
        self._writer.write(frames.packed(Compute(number, task.key, job.name, job.raw, at)))
        self._tasks[number] = task
        task.process, task.number = self, number

    def abandon(self, number: int) -> None:
        """Tell that the caller of a call has gone."""
        self._writer.write(frames.packed(Abandon(number)))

    def give_up(self, number: int) -> None:
        """End the process once it has no other calls than those that were given up."""
        self._given_up.add(number)
        self._kill_if_in_vain()

    def _kill_if_in_vain(self) -> None:
        if self._given_up and self._given_up == self._tasks.keys():
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        self._killed = True
        self._popen.kill()


async def _started(most: int, modules: Sequence[str]) -> _Process:
    """Start a process that computes `most` calls at a time, and imports `modules` before.

    Raises:
        OSError: If it does not start.
    """
    ours, theirs = socket.socketpair()
    # -P: no folder of the user's takes the place of a module of ours.
    command = [sys.executable, "-P", "-m", "suggestion.server.computing"]
    try:
        with theirs:
            popen = subprocess.Popen(
                [*command, str(theirs.fileno()), str(most), *modules],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
    except BaseException:
        ours.close()
        raise
    made = _Process(popen, *await asyncio.open_connection(sock=ours))
    try:
        async with asyncio.timeout(_START_SECONDS):
            await made.ready()
    except (EOFError, OSError) as error:  # TimeoutError is an OSError
        status = await made.end()
        raise OSError(f"a process that computes did not start, exit status {status}") from error
    except BaseException:
        made.kill()
        raise
    return made


class Processes:
    """Computes in `count` processes, and what cannot leave this process in its threads.

    Args:
        count: Number of processes.
        most: Calls that are computed at a time by all of them, those that were given up included.
        modules: What each process imports before its first call.
    """

    def __init__(self, count: int, most: int, modules: Sequence[str] = ()) -> None:
        self._count = count
        self._most = most
        self._modules = modules
        self._threads = Threads(most)
        self._running: list[_Process] = []
        self._keeping: list[asyncio.Task[None]] = []
        self._numbers = itertools.count()
        self._keys: dict[Rpc, int] = {}
        self._tasks: dict[asyncio.Future[Outcome], _Task] = {}
        self._waiting: list[_Task] = []

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of those that run; from any thread."""
        return tuple(process.pid for process in tuple(self._running))

    @property
    def broken(self) -> bool:
        """Whether calls wait, as no process runs."""
        return bool(self._waiting) and not self._running

    async def start(self) -> None:
        """Start all of them; nothing if they were started.

        Raises:
            OSError: If one does not start.
        """
        if self._keeping:
            return
        atexit.register(self.shutdown)
        try:
            async with asyncio.TaskGroup() as group:
                first = [group.create_task(self._started()) for _ in range(self._count)]
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        self._running += [each.result() for each in first]
        self._keeping += [asyncio.create_task(self._keep(each)) for each in self._running]

    async def _started(self) -> _Process:
        return await _started(self._most, self._modules)

    async def _keep(self, process: _Process) -> None:
        """Serve `process`, and once it has ended the next in its place."""
        while True:
            started = time.monotonic()
            try:
                await process.serve()
            except Exception as error:  # somebody's algorithm answers what cannot be unpickled
                facts = {"pid": process.pid, "error": f"{type(error).__name__}: {error}"}
                logger.error("what a process has computed cannot be read", extra={"facts": facts})
            finally:
                self._running.remove(process)
            ended = {"pid": process.pid, "status": await process.end()}
            logger.error("a process that computes has ended", extra={"facts": ended})
            for task in process.tasks:
                self._again(task)
            if time.monotonic() - started < _SHORT_LIFE_SECONDS:
                await asyncio.sleep(_PAUSE_SECONDS)
            process = await self._next()
            self._running.append(process)
            waiting, self._waiting = self._waiting, []
            for task in waiting:
                self._hand(task)

    async def _next(self) -> _Process:
        while True:
            try:
                return await self._started()
            except OSError as error:
                logger.error(str(error), extra={"facts": {}})
                await asyncio.sleep(_PAUSE_SECONDS)

    def _again(self, task: _Task) -> None:
        task.process = None
        task.ended += 1
        if task.abandoned or task.ended > 1:
            task.future.set_result(_DIED)
        else:
            self._hand(task)

    def submit(self, job: Job) -> asyncio.Future[Outcome]:
        if not job.rpc.portable:
            return self._threads.submit(job)
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        key = self._keys.setdefault(job.rpc, len(self._keys))
        self._hand(_Task(job, key, future))
        return future

    def _hand(self, task: _Task) -> None:
        process = min(
            (each for each in self._running if each.runs), key=lambda each: each.load, default=None
        )
        if process is None:
            self._waiting.append(task)
        else:
            process.compute(next(self._numbers), task)
        if task.future not in self._tasks:
            self._tasks[task.future] = task
            task.future.add_done_callback(self._tasks.pop)

    def abandon(self, future: asyncio.Future[Outcome]) -> None:
        if (task := self._tasks.get(future)) is None:
            return
        task.abandoned = True
        if task.process is not None:
            task.process.abandon(task.number)
        elif task in self._waiting:
            self._waiting.remove(task)
            future.set_result(_DIED)

    def give_up(self, future: asyncio.Future[Outcome]) -> None:
        if (task := self._tasks.get(future)) is not None and task.process is not None:
            task.process.give_up(task.number)

    def shutdown(self) -> None:
        self._threads.shutdown()
        for task in self._keeping:
            task.cancel()
        for process in self._running:
            process.kill()
