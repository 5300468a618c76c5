"""Learning curves of trials, read from a DB manager."""

from __future__ import annotations

import logging
import sys
import threading
from array import array
from collections import OrderedDict, deque
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError

from suggestion.api.v1beta1 import earlystopping_messages as wire
from suggestion.api.v1beta1.channels import ClientTLS, open_channel
from suggestion.earlystopping.log import opening, read_losses
from suggestion.earlystopping.observation import Log
from suggestion.earlystopping.rule import Curve
from suggestion.problem.deadline import LOOK_SECONDS, Deadline
from suggestion.problem.errors import (
    Cancelled,
    Invalid,
    TimedOut,
    Unreachable,
    Violation,
    quote,
)

logger: Final = logging.getLogger("suggestion")

#: Calls to a DB manager under way at a time.
_PARALLEL: Final = 8
#: Longest wait for all logs of a request, in seconds; and the share of the caller's own deadline
#: that is used, so that it learns which DB manager is slow.
_LONGEST_WAIT: Final = 20.0
_SHARE: Final = 0.8
#: About 250,000 reports. Logs on their way must not exhaust a container of 100 MiB.
_LARGEST_LOG: Final = 16 * 2**20
_CHANNELS: Final = 16
#: Calls that wait for one DB manager at a time, so that a silent one leaves threads to others.
_CALLERS: Final = 8
_CACHE_BYTES: Final = 8 * 2**20
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", _LARGEST_LOG),
    # A channel that failed must not hold back the one that is opened after it.
    ("grpc.use_local_subchannel_pool", 1),
)


class CurveReader:
    """Reads curves, keeping those of before and the connections. May be used by several threads.

    The log of a trial that has ended does not change, so what is kept makes an answer faster and
    not different; an empty log, which may just be late, is not kept.

    Args:
        tls: How DB managers are reached; None for connections without encryption.
    """

    def __init__(self, tls: ClientTLS | None = None) -> None:
        self._channels = _Channels(_CHANNELS, tls)
        self._kept = _Cache(_CACHE_BYTES)

    def close(self) -> None:
        self._channels.close()

    def read(
        self,
        address: str,
        trials: Sequence[wire.Logged],
        *,
        maximize: bool,
        horizon: int,
        deadline: Deadline,
    ) -> list[Curve]:
        """Return the curves of those of `trials` whose logs are usable.

        Args:
            address: Of the DB manager, ``HOST:PORT``.
            trials: Each name at most once.
            maximize: Whether larger values are better.
            horizon: How many reports of each to read.
            deadline: Of the caller.

        Raises:
            Unreachable: If the DB manager cannot be reached or answers with an error.
            TimedOut: If it takes too long. What has been read till then is kept.
            Cancelled: If the caller has gone.
        """
        losses: dict[str, Sequence[float]] = {}
        missing: dict[str, tuple[wire.Logged, Hashable]] = {}
        for trial in trials:
            key: Hashable = (
                address,
                trial.trial,
                trial.metric,
                trial.fingerprint,
                maximize,
                horizon,
            )
            kept = None if trial.grows else self._kept.get(key)
            if kept is None:
                missing[trial.trial] = trial, key
            else:
                losses[trial.trial] = kept
        if missing:
            wanted = [trial for trial, _ in missing.values()]
            with self._channels.lend(address) as channel:
                for name, log in _fetch_first(channel, address, wanted, horizon, deadline):
                    times, values = log
                    curve = read_losses(times, values, maximize=maximize, horizon=horizon)
                    losses[name] = curve
                    trial, key = missing[name]
                    if times and not trial.grows:
                        self._kept.put(key, curve)
        return [Curve(t.trial, found) for t in trials if (found := losses.get(t.trial))]

    def read_logs(
        self, address: str, trial: str, metrics: Sequence[str], deadline: Deadline
    ) -> dict[str, Log]:
        """Return the whole log of each of `metrics` of `trial`; without those that are too long.

        Args:
            address: Of the DB manager, ``HOST:PORT``. It is waited for until it listens.
            trial: Its name.
            metrics: Names.
            deadline: When to give up.

        Raises:
            Unreachable, TimedOut: As `read`.
        """
        wanted = [(wire.Logged(trial, metric, "", "", b""), "") for metric in metrics]
        with self._channels.lend(address) as channel:
            logs = _fetch(
                channel,
                address,
                wanted,
                until=deadline,
                wait=deadline.remaining(),
                deadline=deadline,
                wait_for_ready=True,
            )
            found = zip(metrics, logs, strict=True)
            return {metric: log for metric, log in found if log is not None}


@dataclass(frozen=True, slots=True)
class ObservationReader:
    """Reads what one trial has reported, `suggestion.earlystopping.observation.Observations`.

    Attributes:
        logs: Reader of the logs.
        address: Of the DB manager.
    """

    logs: CurveReader
    address: str

    def read(self, trial: str, metrics: Sequence[str], deadline: Deadline) -> Mapping[str, Log]:
        try:
            return self.logs.read_logs(self.address, trial, metrics, deadline)
        except (Cancelled, Invalid) as error:
            raise Unreachable(f"DB manager {self.address}: {error or 'no time is left'}") from error


def _fetch_first(
    channel: grpc.Channel,
    address: str,
    trials: Iterable[wire.Logged],
    horizon: int,
    deadline: Deadline,
) -> Iterator[tuple[str, Log]]:
    """Each trial's log, up to its `horizon`-th report at least; none for one that is too long.

    A log is asked for up to an early time; and where that has too few reports, as a whole.
    """
    wait = min(_LONGEST_WAIT, _SHARE * deadline.remaining())
    until = Deadline.after(wait)
    wanted = [(trial, opening(trial.start, trial.completion)) for trial in trials]
    whole = [trial for trial, end in wanted if not end]
    parts = [(trial, end) for trial, end in wanted if end]
    fetch = partial(_fetch, channel, address, until=until, wait=wait, deadline=deadline)
    for (trial, _), log in zip(parts, fetch(parts), strict=True):
        if log is not None and len(log[0]) >= horizon:
            yield trial.trial, log
        else:
            whole.append(trial)
    for trial, log in zip(whole, fetch([(trial, "") for trial in whole]), strict=True):
        if log is not None:
            yield trial.trial, log


def _fetch(
    channel: grpc.Channel,
    address: str,
    wanted: Sequence[tuple[wire.Logged, str]],
    *,
    until: Deadline,
    wait: float,
    deadline: Deadline,
    wait_for_ready: bool = False,
) -> Iterator[Log | None]:
    """The log of each trial up to a time, in the order of `wanted`; None for one left out.

    Args:
        channel: To the DB manager at `address`.
        wanted: Trials, and the time for each, or nothing.
        until: When to give up, `wait` seconds after the start.
        deadline: Of the caller.
        wait_for_ready: Whether to wait for a server that does not listen yet.
    """
    # Bytes to bytes: what they say is read in this thread.
    get: Any = channel.unary_unary(wire.GET_OBSERVATION_LOG, None, None)
    waiting: deque[Any] = deque()
    ahead = iter(wanted)
    try:
        for trial, _ in wanted:
            while len(waiting) < _PARALLEL and (after := next(ahead, None)) is not None:
                request = wire.write_log_request(after[0].trial, after[0].metric, after[1])
                left = max(until.remaining(), 0)
                waiting.append(get.future(request, timeout=left, wait_for_ready=wait_for_ready))
            deadline.check()
            try:
                yield wire.read_log(_result(waiting[0], deadline), trial.metric)
            except DecodeError as error:
                raise Unreachable(f"DB manager {address} answers with something else") from error
            except grpc.RpcError as error:
                _raise_unless_of_one_log(error, address, trial.trial, wait)
                yield None
            waiting.popleft()
    finally:
        for call in waiting:
            call.cancel()


def _result(call: Any, deadline: Deadline) -> Any:
    """Return the reply of `call`, unless the caller goes before it comes."""
    while True:
        try:
            return call.result(timeout=LOOK_SECONDS)
        except grpc.FutureTimeoutError:
            if deadline.remaining() > 0:  # else the call has a timeout of its own, which says more
                deadline.check()


def _raise_unless_of_one_log(error: Any, address: str, trial: str, wait: float) -> None:
    """Raise what `error` means for the caller, unless it is about this one log only."""
    code, reason = error.code(), " ".join((error.details() or "").split())
    if code in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.NOT_FOUND):
        logger.warning("the log of trial %s at %s is left out: %s", quote(trial), address, reason)
        return
    if code is grpc.StatusCode.INVALID_ARGUMENT:  # asking again would not help
        text = f"DB manager {address} refuses the log of trial {quote(trial)}: {reason}"
        raise Invalid([Violation(("trials",), text)]) from error
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        raise TimedOut(f"DB manager {address} did not answer within {wait:.3g} s") from error
    if code is not grpc.StatusCode.UNAVAILABLE:
        reason = f"{code.name}: {reason}"
    raise Unreachable(f"DB manager {address} is unreachable: {reason}") from error


@dataclass(slots=True, eq=False)
class _Lent:
    channel: grpc.Channel
    users: int = 0


class _Channels:
    """One channel an address, at most `most` that nobody uses."""

    def __init__(self, most: int, tls: ClientTLS | None) -> None:
        self._most = most
        self._tls = tls
        self._lock = threading.Lock()
        self._open: OrderedDict[str, _Lent] = OrderedDict()

    @contextmanager
    def lend(self, address: str) -> Iterator[grpc.Channel]:
        """The channel to `address`. If the block raises, it is not lent again.

        A channel whose connection failed waits before it tries again; a new one tries at once.

        Raises:
            Unreachable: As many calls as may are using it.
        """
        with self._lock:
            lent = self._open.get(address)
            if lent is None:
                lent = _Lent(open_channel(address, self._tls, _OPTIONS))
                self._open[address] = lent
            self._open.move_to_end(address)
            if lent.users == _CALLERS:
                raise Unreachable(
                    f"DB manager {address} is slow: {_CALLERS} calls wait for it already"
                )
            lent.users += 1
        failed = True
        try:
            yield lent.channel
            failed = False
        finally:
            with self._lock:
                lent.users -= 1
                if failed and self._open.get(address) is lent:
                    del self._open[address]
                closing = []
                if not lent.users and self._open.get(address) is not lent:
                    closing.append(lent)
                idle = [a for a, other in self._open.items() if not other.users]
                surplus = max(len(self._open) - self._most, 0)
                closing += [self._open.pop(a) for a in idle[:surplus]]
            for other in closing:
                other.channel.close()

    def close(self) -> None:
        with self._lock:
            for lent in self._open.values():
                lent.channel.close()
            self._open.clear()


class _Cache:
    """Curves by key, the most recently used of them within `most_bytes`."""

    _ENTRY: Final = 600  # bytes of keys and containers, about

    def __init__(self, most_bytes: int) -> None:
        self._left = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, array[float]] = OrderedDict()

    def get(self, key: Hashable) -> Sequence[float] | None:
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: Hashable, losses: Sequence[float]) -> None:
        kept = array("d", losses)
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = kept
            self._left -= self._ENTRY + sys.getsizeof(kept)
            while self._left < 0:
                _, old = self._kept.popitem(last=False)
                self._left += self._ENTRY + sys.getsizeof(old)
