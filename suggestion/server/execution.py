"""What computes calls: threads of this process, by default.

Several processes can do it instead; see `suggestion.server.processes`.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

import grpc
from google.protobuf.message import DecodeError

from suggestion.api.exchange import Outcome
from suggestion.api.service import Call, Rpc
from suggestion.server.statuses import of_exception


class Job(NamedTuple):
    """A call that is to be computed.

    Attributes:
        rpc: Its method.
        name: Of the method.
        raw: The request, decompressed.
        call: The call itself; facts about it are added while it is computed.
    """

    rpc: Rpc
    name: str
    raw: bytes
    call: Call


class Executor(Protocol):
    """Computes jobs; its methods are called in the thread of the event loop."""

    def submit(self, job: Job) -> asyncio.Future[Outcome]:
        """Begin to compute `job`; the future has its outcome, and never an exception.

        Raises:
            RuntimeError: If it cannot be begun.
        """
        ...

    def abandon(self, future: asyncio.Future[Outcome]) -> None:
        """Tell the computation of `future` that its caller has gone."""
        ...

    def give_up(self, future: asyncio.Future[Outcome]) -> None:
        """Stop the computation of `future`, which goes on although its caller has gone, if any
        way is known to.
        """
        ...

    def shutdown(self) -> None:
        """Start no further computation."""
        ...


class Threads:
    """Computes in threads of this process.

    Args:
        most: Threads at a time.
    """

    def __init__(self, most: int) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="suggest-worker")

    def submit(self, job: Job) -> asyncio.Future[Outcome]:
        return asyncio.get_running_loop().run_in_executor(self._pool, compute, job)

    def abandon(self, future: asyncio.Future[Outcome]) -> None:
        """Do nothing: the computation sees at its deadline that the caller has gone."""

    def give_up(self, future: asyncio.Future[Outcome]) -> None:
        """Do nothing: a thread of Python cannot be stopped."""

    def shutdown(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def compute(job: Job) -> Outcome:
    """Parse, handle and serialise; every exception becomes a status."""
    rpc, name, raw, call = job
    try:
        call.deadline.check()
        try:
            request = (rpc.parse or rpc.request.FromString)(raw)
            call.raw = raw if rpc.parse is None else None
        except DecodeError:
            return Outcome(
                grpc.StatusCode.INVALID_ARGUMENT,
                message=f"the request is not a valid {rpc.request.DESCRIPTOR.full_name}: "
                f"malformed bytes, or text that is not UTF-8",
            )
        reply = rpc.handle(request, call)
        call.deadline.check()
        encoded = reply if isinstance(reply, bytes) else reply.SerializeToString()
        return Outcome(grpc.StatusCode.OK, reply=encoded)
    except BaseException as error:  # SystemExit of somebody's algorithm, say
        return of_exception(error, name, call.deadline)
