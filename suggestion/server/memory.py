"""The memory of all requests together, as a share of what the process may use.

A request takes memory three times: while it is read, while it is decompressed, and from when it is
parsed until its reply is made, which counts too. Each time it reserves what it can take at most
before it takes it, and waits, in the order of arrival, until that is free. What could never be free
is refused.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, Self

MIB: Final = 2**20

#: What a server takes before the first request: libraries, algorithms.
_OWN: Final = 40 * MIB
#: Even where there is nothing left: a request of a few trials is served.
_LEAST: Final = 8 * MIB
#: Of what is left, for requests that are computed, and its most.
_COMPUTED: Final = 0.55
_MOST_COMPUTED: Final = 512 * MIB
#: Memory that a plain request takes while it is computed, in multiples of its length.
_FACTOR: Final = 6
#: The same of one that another process computes: as it was read here, and as it is sent.
_COPIES: Final = 2
#: Requests of the largest size that are read at a time, at least and at most.
_READ_AT_LEAST: Final = 2
_READ_AT_MOST: Final = 4
#: Share of all memory for replies that their callers have not read, and the size of one that is
#: always sent: there are no more of those than calls.
_UNSENT: Final = 1 / 8
_SMALL_REPLY: Final = 64 * 2**10
#: Calls in flight for each MiB of memory, and their least and most.
_CALLS_EACH_MIB: Final = 2
_CALLS: Final = (64, 1000)
#: A request that is a little too large is read, so that our own message says what to do.
_TOLERANCE: Final = 1.25
#: How often the memory limit, which can change, is looked at, in seconds.
_MEASURE_SECONDS: Final = 0.2


class Capacity(NamedTuple):
    """The limits of a process, in bytes where nothing else is said.

    Attributes:
        memory: What the process may use in all.
        message: Largest request, decompressed.
        computed: Memory of all requests that are computed at a time, as `Rpc.footprint` estimates.
        read: Bytes of all requests that are read or wait.
        calls: Number of calls in flight, those that wait included.
        unsent: Bytes of replies that their callers have not read yet.
        wanted: Largest request that was asked for; `message` is less where memory is short.
    """

    memory: int
    message: int
    computed: int
    read: int
    calls: int
    unsent: int
    wanted: int

    @property
    def received(self) -> int:
        """Largest request as it comes; one above `message` is refused in our own words."""
        return int(self.message * _TOLERANCE)

    @property
    def advice(self) -> str:
        """What allows larger requests, as errors say it."""
        if self.message < self.wanted:
            return f"give it more memory than {self.memory // MIB} MiB"
        return "start it with a larger --max-message-mib"


def capacity(memory: int, message: int, calls: int | None = None, processes: int = 0) -> Capacity:
    """Return the limits of a server.

    Args:
        memory: What it may use, in bytes.
        message: Largest request, in bytes, if there is memory for it.
        calls: Most calls in flight; None for what fits.
        processes: Number of processes that compute for it; 0 if it does so itself.
    """
    room = max(memory - (1 + processes) * _OWN, _LEAST)
    factor = _FACTOR + (_COPIES if processes else 0)
    computed = int(min(_COMPUTED * room, _MOST_COMPUTED))
    largest = min(message, computed // factor)
    # A limit that was raised above the default is meant: one such request at a time.
    if room > _MOST_COMPUTED / _COMPUTED and largest < message:
        computed = int(min(_COMPUTED * room, factor * message))
        largest = min(message, computed // factor)
    received = int(largest * _TOLERANCE)
    at_a_time = min(max(int(0.2 * room) // received, _READ_AT_LEAST), _READ_AT_MOST)
    unsent = int(_UNSENT * memory)
    least, most = _CALLS
    fitting = min(max(_CALLS_EACH_MIB * memory // MIB, least), most)
    return Capacity(
        memory, largest, computed, at_a_time * received, calls or fitting, unsent, message
    )


def available() -> int:
    """Return the bytes that this process may use: its container's limit, or half of the machine."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    limit = container_limit(lines, Path("/sys/fs/cgroup"))
    return physical // 2 if limit is None or limit > physical else limit


def container_limit(cgroups: Iterable[str], root: Path) -> int | None:
    """Return the least memory limit of the control groups that a process is in; None without one.

    Args:
        cgroups: Lines of ``/proc/self/cgroup``.
        root: Where control groups are mounted, of version 1, 2 or both.
    """
    found: list[int] = []
    for line in cgroups:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            places = [(root, "memory.max"), (root / "unified", "memory.max")]
        elif "memory" in controllers.split(","):
            places = [(root / "memory", "memory.limit_in_bytes")]
        else:
            continue
        for base, name in places:
            # A container may see its own group as the root, or the path that its host sees.
            inner = base / path.lstrip("/")
            for group in (inner, *(p for p in inner.parents if p.is_relative_to(base)), base):
                found += _limit(group / name)
    return min(found, default=None)


def _limit(file: Path) -> Iterable[int]:
    try:
        text = file.read_text().strip()
    except OSError:
        return ()
    # "max", or in version 1 a number near 2^63, stands for no limit.
    return (int(text),) if text.isdecimal() and int(text) < 2**60 else ()


class MeasuredCapacity:
    """The limits of a process, which change with the memory that it may use.

    Args:
        message: Largest request, in bytes, if there is memory for it.
        calls: Most calls in flight; None for what fits.
        measure: Returns the bytes that the server may use.
        processes: Number of processes that compute for it; 0 if it does so itself.
    """

    def __init__(
        self,
        message: int,
        calls: int | None,
        measure: Callable[[], int] = available,
        processes: int = 0,
    ) -> None:
        self._message = message
        self._calls = calls
        self._measure = measure
        self._processes = processes
        self._measured = time.monotonic()
        self._capacity = capacity(measure(), message, calls, processes)

    @property
    def now(self) -> Capacity:
        """What holds now."""
        now = time.monotonic()
        if now - self._measured > _MEASURE_SECONDS:
            self._measured = now
            memory = self._measure()
            if memory != self._capacity.memory:
                self._capacity = capacity(memory, self._message, self._calls, self._processes)
        return self._capacity


def of_copies(raw: bytes) -> int:
    """Return what the request `raw` takes in addition if another process computes it, in bytes."""
    return _COPIES * len(raw)


class Pool:
    """Bytes that are reserved and given back, in the order of arrival.

    Args:
        size: Of all reservations together; a single one may exceed it.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._used = 0
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def contended(self) -> bool:
        """Whether somebody waits."""
        return bool(self._queue)

    def fits(self, amount: int) -> bool:
        """Return whether `amount` bytes could be reserved at once."""
        return not self._queue and self._free(amount)

    def _free(self, amount: int) -> bool:
        return not self._used or self._used + amount <= self.size

    async def reserve(self, amount: int) -> Reservation:
        """Wait until `amount` bytes are free, and reserve them."""
        if self.fits(amount):
            self._used += amount
            return Reservation(self, amount)
        turn = asyncio.get_running_loop().create_future()
        self._queue.append((amount, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with suppress(ValueError):  # `_serve` may have dropped it already
                    self._queue.remove((amount, turn))
                self._serve()
            else:
                self.give(amount)
            raise
        return Reservation(self, amount)

    def give(self, amount: int) -> None:
        """Give back `amount` bytes."""
        self._used -= amount
        self._serve()

    def _serve(self) -> None:
        while self._queue and self._free(self._queue[0][0]):
            amount, turn = self._queue.popleft()
            if not turn.cancelled():
                self._used += amount
                turn.set_result(None)


class Unsent:
    """Replies that are made, and that their callers have not read yet.

    gRPC keeps them for as long as the connection lives, so that callers who read nothing could
    fill the memory.

    Args:
        most: Bytes of all of them together; a single one may exceed it.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._sizes: dict[Hashable, int] = {}

    def refusal(self, call: Hashable, size: int) -> str:
        """Count a reply of `size` bytes for `call`; or return why there is no memory for it."""
        if size <= _SMALL_REPLY:
            return ""
        others = sum(self._sizes.values())
        if others and others + size > self.most:
            return (
                f"{others // MIB} MiB of replies wait for their callers to read them, and this one "
                f"has {size // MIB}; repeat the call later, or ask for less at a time"
            )
        self._sizes[call] = size
        return ""

    def sent(self, call: Hashable) -> None:
        """The reply of `call`, if it has one, is read, or its caller has gone."""
        self._sizes.pop(call, None)


class Reservation:
    """Bytes of a pool that were reserved; given back once, at the end of a block if not before.

    Args:
        pool: They were taken from it.
        amount: Number of bytes.
    """

    def __init__(self, pool: Pool, amount: int) -> None:
        self._pool = pool
        self._amount = amount

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def shrink(self, amount: int) -> None:
        """Keep `amount` bytes, and give back what is above it."""
        surplus = max(self._amount - amount, 0)
        self._amount -= surplus
        self._pool.give(surplus)

    def release(self) -> None:
        """Give everything back."""
        self.shrink(0)
