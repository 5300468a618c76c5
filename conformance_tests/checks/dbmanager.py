"""Checks of the observation log of the DBManager service."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Final

from google.protobuf.message import Message

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.conformance.check import Call, Failed, Level, NotRun, Service, check
from suggestion.conformance.logstore import time_of
from suggestion.conformance.target import Client, Instance, Launcher

_SERVICE: Final = Service.DBMANAGER
Entry = tuple[str, str, str]  # time, metric, value


class LogSession:
    """One run of the suite against one DBManager server.

    Args:
        address: ``HOST:PORT``.
        launcher: Starts more servers over one database, for checks that kill them.
    """

    def __init__(self, address: str, launcher: Launcher | None = None) -> None:
        self.address = address
        self.launcher = launcher
        self.calls: list[Call] = []
        self.client = Client(address, self.calls.append)
        # Logs outlive a run, unlike everything else that the suite sends.
        self._run = uuid.uuid4().hex[:8]
        self._used: set[str] = set()

    def close(self) -> None:
        """Delete what was reported and close the connection."""
        for trial in self._used:
            self.client.call(
                "DBManager/DeleteObservationLog", pb.DeleteObservationLogRequest(trial_name=trial)
            )
        self.client.close()

    def launch(self) -> Instance:
        """Start a fresh server; raise `NotRun` if the suite was not told how."""
        if self.launcher is None:
            raise NotRun("needs --start-dbmanager, to start and kill servers of its own")
        return self.launcher.launch()

    def trial(self, name: str) -> str:
        """Return a trial's name that no other run uses."""
        trial = f"conformance-{self._run}-{name}"
        self._used.add(trial)
        return trial

    def call(self, method: str, request: Message, what: str, client: Client | None = None) -> Call:
        """Call a method that must work; raise `Failed` if it does not."""
        call = (client or self.client).call(f"DBManager/{method}", request)
        if not call.ok:
            raise Failed(f"{what}: must be answered, got {call.status}", call)
        return call

    def report(self, trial: str, entries: Iterable[Entry], client: Client | None = None) -> None:
        """Report entries of a trial's log in one call."""
        request = pb.ReportObservationLogRequest(trial_name=trial)
        for time, metric, value in entries:
            request.observation_log.metric_logs.add(
                time_stamp=time, metric=pb.Metric(name=metric, value=value)
            )
        self.call("ReportObservationLog", request, "ReportObservationLog", client)

    def get(
        self,
        trial: str,
        metric: str = "",
        start: str = "",
        end: str = "",
        client: Client | None = None,
    ) -> list[tuple[str, str]]:
        """Return metrics and values of a trial's log."""
        request = pb.GetObservationLogRequest(
            trial_name=trial, metric_name=metric, start_time=start, end_time=end
        )
        reply = self.call("GetObservationLog", request, "GetObservationLog", client).reply
        assert isinstance(reply, pb.GetObservationLogReply)
        return [(m.metric.name, m.metric.value) for m in reply.observation_log.metric_logs]

    def expect(
        self, got: Sequence[tuple[str, str]], wanted: Sequence[tuple[str, str]], what: str
    ) -> None:
        """Raise `Failed` unless the log is `wanted`."""
        if list(got) != list(wanted):
            raise Failed(
                f"{what}: the log must be {_brief(wanted)}, got {_brief(got)}", self.calls[-1]
            )


def _brief(log: Sequence[tuple[str, str]]) -> str:
    shown = ", ".join(f"{metric} = {value!r}" for metric, value in log[:6])
    return f"{len(log)} reports ({shown}{', ...' if len(log) > 6 else ''})"


def _rising(count: int, metric: str = "loss", first: float = 0) -> list[Entry]:
    """Make one report a second, with its number as its value."""
    return [(time_of(first + k), metric, str(k)) for k in range(count)]


def _seen(entries: Iterable[Entry]) -> list[tuple[str, str]]:
    return [(metric, value) for _, metric, value in entries]


@check("db-report-and-get", _SERVICE, Level.CONTRACT)
def report_and_get(session: LogSession) -> None:
    """What a trial reports can be read; otherwise no trial has an objective."""
    trial = session.trial("get")
    session.report(trial, _rising(3))
    got = session.get(trial)
    session.expect(sorted(got), _seen(_rising(3)), "three reports")


@check("db-values-verbatim", _SERVICE, Level.CONTRACT)
def values_verbatim(session: LogSession) -> None:
    """Values are returned as they were reported, numbers or not; a diverged trial reports nan, and
    its log must show it.
    """
    trial = session.trial("verbatim")
    values = ("0.10", "1e-3", "nan", "unavailable", "", "-0.0", "0.12345678901234566789")
    entries = [(time_of(k), "loss", value) for k, value in enumerate(values)]
    session.report(trial, entries)
    got = session.get(trial)
    session.expect(sorted(got), sorted(_seen(entries)), "reports of unusual values")


@check("db-order", _SERVICE, Level.CONTRACT)
def order(session: LogSession) -> None:
    """A log is sorted by time, in whatever order it was reported; early stopping and plots read it
    as a curve.
    """
    trial = session.trial("order")
    entries = _rising(9)
    for index in (4, 0, 8):
        session.report(trial, entries[index : index + 1])
    session.report(trial, [e for k, e in enumerate(entries) if k not in (4, 0, 8)][::-1])
    session.expect(session.get(trial), _seen(entries), "nine reports out of order")


@check("db-filter-metric", _SERVICE, Level.CONTRACT)
def filter_metric(session: LogSession) -> None:
    """A metric's name selects that metric only; otherwise loss and accuracy are averaged."""
    trial = session.trial("metric")
    loss, accuracy = _rising(3), _rising(3, "accuracy", 10)
    session.report(trial, [*loss, *accuracy])
    for name, wanted in (("loss", loss), ("accuracy", accuracy), ("other", [])):
        session.expect(sorted(session.get(trial, name)), _seen(wanted), f"metric {name!r}")


@check("db-filter-time", _SERVICE, Level.CONTRACT)
def filter_time(session: LogSession) -> None:
    """Start and end times limit the log, one or both of them; otherwise a page that asks for a
    minute gets a week.
    """
    trial = session.trial("time")
    entries = _rising(10)
    session.report(trial, entries)
    for first, last in ((3, 9), (0, 6), (3, 6), (9, 9)):
        start = time_of(first - 0.5) if first else ""
        end = time_of(last + 0.5) if last < 9 else ""
        got = session.get(trial, start=start, end=end)
        session.expect(
            sorted(got),
            _seen(entries[first : last + 1]),
            f"reports from {start or 'the beginning'} to {end or 'the end'}",
        )


@check("db-trials-apart", _SERVICE, Level.CONTRACT)
def trials_apart(session: LogSession) -> None:
    """A trial's log holds nothing of another trial, also if its name is a prefix of the other's;
    otherwise results are attributed to the wrong parameters.
    """
    one, other = session.trial("apart"), session.trial("apart-2")
    session.report(one, _rising(2))
    session.report(other, _rising(4, "accuracy"))
    session.expect(sorted(session.get(one)), _seen(_rising(2)), "two trials")
    session.expect(sorted(session.get(other)), _seen(_rising(4, "accuracy")), "two trials")


@check("db-unknown-trial", _SERVICE, Level.CONTRACT)
def unknown_trial(session: LogSession) -> None:
    """The log of a trial that has not reported is empty and not an error; every trial starts like
    this.
    """
    session.expect(session.get(session.trial("unknown")), [], "a trial without reports")


@check("db-delete", _SERVICE, Level.CONTRACT)
def delete(session: LogSession) -> None:
    """Deleting removes a trial's whole log and no other; otherwise a trial of the same name
    inherits it, or another trial loses its log.
    """
    gone, kept = session.trial("delete"), session.trial("delete-not")
    session.report(gone, [*_rising(3), *_rising(3, "accuracy")])
    session.report(kept, _rising(2))
    request = pb.DeleteObservationLogRequest(trial_name=gone)
    session.call("DeleteObservationLog", request, "DeleteObservationLog")
    session.expect(session.get(gone), [], "a deleted trial")
    session.expect(sorted(session.get(kept)), _seen(_rising(2)), "a trial that was not deleted")


@check("db-delete-again", _SERVICE, Level.CONTRACT)
def delete_again(session: LogSession) -> None:
    """Deleting a log that does not exist is not an error; a restarted controller deletes again."""
    request = pb.DeleteObservationLogRequest(trial_name=session.trial("delete-again"))
    for what in ("deleting a log that does not exist", "deleting it again"):
        session.call("DeleteObservationLog", request, what)


@check("db-report-twice", _SERVICE, Level.CONTRACT)
def report_twice(session: LogSession) -> None:
    """A repeated report is stored once; collectors repeat what timed out, and averages would count
    it twice.
    """
    trial = session.trial("report-twice")
    for _ in range(2):
        session.report(trial, _rising(3))
    session.expect(sorted(session.get(trial)), _seen(_rising(3)), "a report sent twice")


@check("db-restart", _SERVICE, Level.CONTRACT, starts=True)
def restart(session: LogSession) -> None:
    """What was reported before `kill -9` is there after a restart; otherwise finished trials lose
    their results.
    """
    instance = session.launch()
    trial = session.trial("restart")
    try:
        client = Client(instance.address, session.calls.append)
        session.report(trial, _rising(3), client)
        client.close()
        instance.kill()
        instance.start()
        client = Client(instance.address, session.calls.append)
        got = session.get(trial, client=client)
        client.close()
        session.expect(sorted(got), _seen(_rising(3)), "three reports before a restart")
    finally:
        instance.kill()


@check("db-time-zones", _SERVICE, Level.STRICT)
def time_zones(session: LogSession) -> None:
    """Times with fractions and offsets are compared as times, not as strings; otherwise trials on
    nodes in other time zones are sorted wrongly.
    """
    trial = session.trial("zones")
    entries = [
        ("2026-01-01T00:00:00.5Z", "loss", "0"),
        ("2026-01-01T02:00:00.75+02:00", "loss", "1"),
        ("2025-12-31T23:00:00.875-01:00", "loss", "2"),
        ("2026-01-01T00:00:01Z", "loss", "3"),
    ]
    session.report(trial, entries[::-1])
    session.expect(session.get(trial), _seen(entries), "times of several zones")


@check("db-equal-times", _SERVICE, Level.STRICT)
def equal_times(session: LogSession) -> None:
    """Reports with equal times keep the order in which they were reported; trials report several
    steps within the resolution of a clock.
    """
    trial = session.trial("equal-times")
    entries = [(time_of(1), "loss", str(k)) for k in (5, 3, 4, 1, 2)]
    session.report(trial, entries)
    session.expect(session.get(trial), _seen(entries), "five reports of one time")


@check("db-large", _SERVICE, Level.STRICT)
def large(session: LogSession) -> None:
    """Ten thousand reports in one call are stored and read within 60 s each; collectors of short
    steps send such batches.
    """
    trial = session.trial("large")
    entries = [(time_of(k), "loss", f"{k:05d}") for k in range(10_000)]
    session.report(trial, entries)
    session.expect(sorted(session.get(trial)), _seen(entries), "10,000 reports")
