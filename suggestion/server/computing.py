"""A process that computes calls for a server.

``python -m suggestion.server.computing FD MOST [MODULE]...``: FD is its end of a pair of sockets,
MOST the number of calls at a time; each MODULE is imported before the first call. It ends when the
other end is closed, and leaves signals to the server, which waits for calls in flight.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from logging.handlers import QueueHandler
from typing import Any, Final

from suggestion.api.service import Call, Rpc
from suggestion.problem.deadline import Deadline
from suggestion.server import frames, process
from suggestion.server.execution import Job, compute
from suggestion.server.frames import Abandon, Compute, Computed, Define, Logged, Ready
from suggestion.server.statuses import of_exception

_PLAIN: Final = (int, float, str, bool, type(None))


class _Computing:
    """Computes what a server asks for, in threads.

    Args:
        channel: Its end of the pair of sockets.
        most: Calls at a time.
    """

    def __init__(self, channel: socket.socket, most: int) -> None:
        self._channel = channel
        self._sending = threading.Lock()
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="suggest-worker")
        self._rpcs: dict[int, Rpc] = {}
        self._gone: dict[int, threading.Event] = {}

    def send(self, message: tuple[Any, ...]) -> None:
        """Send a message, from any thread."""
        frame = frames.packed(message)
        with self._sending:
            self._channel.sendall(frame)

    def run(self) -> None:
        """Do what comes, until the other end is closed.

        Raises:
            EOFError, OSError: Then.
        """
        self.send(Ready())
        with self._channel.makefile("rb") as file:
            while True:
                match frames.read(file):
                    case Define() as define:
                        self._rpcs[define.key] = define.rpc
                    case Compute() as wanted:
                        gone = self._gone[wanted.number] = threading.Event()
                        self._threads.submit(self._compute, wanted, gone)
                        del wanted  # its request is the thread's alone
                    case Abandon(number) if number in self._gone:
                        self._gone[number].set()

    def _compute(self, wanted: Compute, gone: threading.Event) -> None:
        call = Call(Deadline(wanted.at, gone.is_set))
        outcome = compute(Job(self._rpcs[wanted.key], wanted.name, wanted.raw, call))
        facts = _plain(call.facts)
        self._gone.pop(wanted.number, None)
        try:
            self.send(Computed(wanted.number, outcome, facts, call.model_seconds))
        except OSError:
            os._exit(1)  # the server has gone
        except Exception as error:  # what an algorithm put into a violation cannot be pickled
            failed = of_exception(error, wanted.name, call.deadline)
            self.send(Computed(wanted.number, failed, facts, None))


class _Forwarding(QueueHandler):
    """Hands what is logged here over to the server, whose log has one form and one place."""

    def __init__(self, computing: _Computing) -> None:
        super().__init__(computing)  # type: ignore[arg-type]  # whatever `enqueue` takes

    def enqueue(self, record: logging.LogRecord) -> None:
        # An object that somebody's algorithm logs may be one that only this process can read.
        self.queue.send(Logged(_plain(vars(record))))  # type: ignore[attr-defined]


def _plain(value: Any) -> Any:
    """Return `value` with texts in place of the objects in it."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return value if isinstance(value, _PLAIN) else str(value)


def main() -> None:
    """Compute until the server ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    process.use_one_heap()
    descriptor, most, *modules = sys.argv[1:]
    computing = _Computing(socket.socket(fileno=int(descriptor)), int(most))
    # The server adds the level and the name.
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[_Forwarding(computing)])
    for module in modules:
        import_module(module)
    try:
        computing.run()
    except (EOFError, OSError):
        os._exit(0)  # a computation that goes on does not hold it up


if __name__ == "__main__":
    main()
