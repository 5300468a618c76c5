"""The DBManager service."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Final

from suggestion.api.service import Call, Lane, Rpc
from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import dbmanager_messages as wire
from suggestion.observations.engine import SECONDS_TO_LOCK
from suggestion.observations.storage import Storage
from suggestion.problem.deadline import Deadline
from suggestion.problem.errors import TooLarge, quote
from suggestion.problem.rfc3339 import canonical

#: More are refused at once.
_MOST_WAITING_WRITES: Final = 256


class DBManagerService:
    """Answers from a database.

    Args:
        storage: The observation logs.
        max_reply_bytes: Longest log that is sent.
    """

    full_name = "api.v1.beta1.DBManager"
    health_names = ("manager.v1beta1.DBManager", full_name)

    def __init__(self, storage: Storage, max_reply_bytes: int) -> None:
        self._storage: Final = storage
        self._max_reply_bytes: Final = max_reply_bytes
        # Writes wait for those of other processes, and reads do not wait for writes.
        self._writes: Final = Lane(
            f"writing to database '{storage.name}'",
            threads=storage.writers,
            waiting=_MOST_WAITING_WRITES,
        )

    @property
    def rpcs(self) -> Mapping[str, Rpc]:
        return {
            "ReportObservationLog": Rpc(
                api.ReportObservationLogRequest, self.report_observation_log, self._writes
            ),
            "GetObservationLog": Rpc(api.GetObservationLogRequest, self.get_observation_log),
            "DeleteObservationLog": Rpc(
                api.DeleteObservationLogRequest, self.delete_observation_log, self._writes
            ),
        }

    def report_observation_log(
        self, request: api.ReportObservationLogRequest, call: Call
    ) -> api.ReportObservationLogReply:
        """Keep the points of a request, all or none; a repeated request changes nothing.

        Points without a time get that of the request's arrival.

        Raises:
            Invalid: INVALID_ARGUMENT, naming every point that cannot be kept.
            Unreachable: UNAVAILABLE; the database does not answer, now. So for all methods.
            Unready: FAILED_PRECONDITION; the disk is full, say. So for all methods.
        """
        trial, points = wire.read_report(request)
        received = canonical(datetime.now(UTC).isoformat())
        new = self._storage.report(trial, points, received=received, deadline=_to_write(call))
        call.describe(trial=trial, points=len(points), repeated=bool(points) and not new)
        return api.ReportObservationLogReply()

    def get_observation_log(self, request: api.GetObservationLogRequest, call: Call) -> bytes:
        """Return the log of a trial by time, then by arrival; empty if nothing is known of it.

        Raises:
            Invalid: INVALID_ARGUMENT; a time or name is none.
            TooLarge: RESOURCE_EXHAUSTED; the log is longer than a message may be.
        """
        query = wire.read_query(request)
        call.describe(trial=query.trial, metric=query.metric)
        parts: list[bytes] = []
        size = points = 0
        chunks = self._storage.read(query.trial, query.metric, query.start, query.end)
        with closing(chunks):
            for chunk in chunks:
                call.deadline.check()
                parts.append(wire.write_log(chunk))
                size += len(parts[-1])
                if size > self._max_reply_bytes:
                    raise TooLarge(
                        f"the log of trial {quote(query.trial)} is longer than a reply, of at most "
                        f"{self._max_reply_bytes} bytes: it ends after {points} points; ask for "
                        f"one metric, or for less time with start_time and end_time"
                    )
                points += len(chunk)
        call.describe(points=points)
        return b"".join(parts)

    def delete_observation_log(
        self, request: api.DeleteObservationLogRequest, call: Call
    ) -> api.DeleteObservationLogReply:
        """Forget a trial; also if nothing is known of it."""
        trial = wire.read_trial(request.trial_name)
        call.describe(trial=trial)
        self._storage.delete(trial, deadline=_to_write(call))
        return api.DeleteObservationLogReply()


def _to_write(call: Call) -> Deadline:
    """Return when a write gives up, since `call` came: it may have waited for other writes."""
    return call.deadline.before(call.arrived + SECONDS_TO_LOCK)
