"""Checks of the EarlyStopping service, most of them of its median rule.

Observation logs come from a DBManager of the suite. Except in the checks of the median itself, mean
and median of the logs are equal, and so are all sensible readings of an unusual log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import grpc

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.conformance import messages
from suggestion.conformance.check import MEDIAN, Failed, Level, Service, check
from suggestion.conformance.checks.health import serving
from suggestion.conformance.checks.validation import refused
from suggestion.conformance.early_session import STEP, EarlySession
from suggestion.conformance.messages import Status
from suggestion.conformance.target import Client, free_port

_SERVICE: Final = Service.EARLY_STOPPING
_MEDIAN: Final = frozenset({MEDIAN})


def _level(*averages: float) -> list[list[str]]:
    """Make logs that stay at one value each, beyond the step that counts."""
    return [[repr(average)] * (STEP + 2) for average in averages]


@check("es-health", _SERVICE, Level.CONTRACT)
def health(session: EarlySession) -> None:
    """The gRPC health service answers SERVING for `api.v1.beta1.EarlyStopping`; otherwise the pod
    is never ready.
    """
    name = "api.v1.beta1.EarlyStopping"
    serving(session.client.health(name), name)


@check("es-validate-good", _SERVICE, Level.CONTRACT, rules=_MEDIAN)
def validate_good(session: EarlySession) -> None:
    """Valid settings, and none, are accepted; otherwise a correct experiment fails."""
    bare = pb.EarlyStoppingSpec(algorithm_name=session.algorithm)
    for spec in (bare, session.spec(), session.spec({"start_step": "1"})):
        call = session.validate(spec)
        if call.code not in (grpc.StatusCode.OK, grpc.StatusCode.UNIMPLEMENTED):
            raise Failed(f"valid settings: must be accepted, got {call.status}", call)


@check("es-refuse-unknown-algorithm", _SERVICE, Level.CONTRACT)
def refuse_unknown_algorithm(session: EarlySession) -> None:
    """An unknown algorithm is refused by name; otherwise nothing is ever stopped and nobody is
    told.
    """
    spec = pb.EarlyStoppingSpec(algorithm_name="no-such-rule")
    refused(session.validate(spec), "an unknown algorithm", "no-such-rule")


@check("es-refuse-unknown-setting", _SERVICE, Level.CONTRACT, rules=_MEDIAN)
def refuse_unknown_setting(session: EarlySession) -> None:
    """An unknown setting is refused by name; otherwise a misspelt one silently has no effect."""
    call = session.validate(session.spec({"no_such_setting": "1"}))
    refused(call, "an unknown setting", "no_such_setting")


@check("es-refuse-bad-setting", _SERVICE, Level.CONTRACT, rules=_MEDIAN)
def refuse_bad_setting(session: EarlySession) -> None:
    """Settings below 1, or that are not integers, are refused by name; otherwise the rule is not
    the one that the user asked for.
    """
    for name in ("min_trials_required", "start_step"):
        for value in ("0", "-1", "few", "1.5"):
            call = session.validate(session.spec({name: value}))
            refused(call, f"{name} = {value!r}", name)


@check("es-median", _SERVICE, Level.CONTRACT, rules=_MEDIAN)
def median(session: EarlySession) -> None:
    """The threshold is the median of the finished trials, not their mean, minimising and
    maximising; otherwise one diverged trial moves it so far that nothing, or everything, is
    stopped.
    """
    for maximize, outlier in ((False, 100.0), (True, -100.0)):
        name = f"median-{maximize}"
        trials = session.trials(name, _level(1, 2, 3, 4, outlier))
        expected = 2.0 if maximize else 3.0
        session.expect(
            session.request(name, trials, maximize=maximize),
            expected,
            f"trials at 1, 2, 3, 4 and {outlier:g}",
        )


@check("es-comparison", _SERVICE, Level.CONTRACT, rules=_MEDIAN)
def comparison(session: EarlySession) -> None:
    """When minimising, a trial is stopped above the threshold (GREATER), when maximising, below it
    (LESS); otherwise the best trials are stopped.
    """
    for maximize, wanted in ((False, pb.GREATER), (True, pb.LESS)):
        name = f"comparison-{maximize}"
        trials = session.trials(name, _level(1, 2, 3))
        rule = session.rule(session.request(name, trials, maximize=maximize), "three trials")
        if rule.comparison != wanted:
            direction = "maximising" if maximize else "minimising"
            raise Failed(
                f"{direction}: comparison must be {pb.ComparisonType.Name(wanted)}, got "
                f"{pb.ComparisonType.Name(rule.comparison)}",
                session.calls[-1],
            )


@check("es-metric", _SERVICE, Level.CONTRACT, rules=_MEDIAN)
def metric(session: EarlySession) -> None:
    """The rule names the objective's metric; a rule for another name never applies."""
    trials = session.trials("metric", _level(1, 2, 3))
    rule = session.rule(session.request("metric", trials), "three trials")
    if rule.name != messages.METRIC:
        raise Failed(
            f"rule: its name must be {messages.METRIC!r}, got {rule.name!r}", session.calls[-1]
        )


@check("es-start-step", _SERVICE, Level.CONTRACT, rules=_MEDIAN)
def start_step(session: EarlySession) -> None:
    """The rule has the `start_step` of the settings; otherwise trials are stopped before they have
    learned anything.
    """
    trials = session.trials("start-step", _level(1, 2, 3))
    for step in (4, 2):
        request = session.request("start-step", trials, {"start_step": str(step)})
        rule = session.rule(request, "three trials")
        if rule.start_step != step:
            raise Failed(
                f"start_step {step}: the rule must carry it, got {rule.start_step}",
                session.calls[-1],
            )


@check("es-first-reports", _SERVICE, Level.CONTRACT, rules=_MEDIAN)
def first_reports(session: EarlySession) -> None:
    """A trial counts by the average of its first `start_step` reports; if last reports were
    compared with first ones, every new trial would be stopped.
    """
    logs = [["4", "2", "2", "0", "-50", "-90"], ["6", "4", "4", "2", "-50", "-90"]]
    logs.append(["8", "6", "6", "4", "-50", "-90"])
    trials = session.trials("first-reports", logs)
    session.expect(
        session.request("first-reports", trials), 4.0, "three trials that average 2, 4, 6 at first"
    )


@check("es-other-metrics", _SERVICE, Level.CONTRACT, rules=_MEDIAN)
def other_metrics(session: EarlySession) -> None:
    """Reports of other metrics do not count; trials report accuracy and loss side by side."""
    trials = session.trials("other-metrics", _level(1, 2, 3))
    for trial in trials:
        session.logs.store.feed(trial.name, ["90"] * 6, "accuracy", start=-100)
    session.expect(
        session.request("other-metrics", trials), 2.0, "three trials that report two metrics"
    )


@check("es-min-trials-required", _SERVICE, Level.CONTRACT, rules=_MEDIAN)
def min_trials_required(session: EarlySession) -> None:
    """With fewer finished trials than `min_trials_required` there is no rule, with as many there is
    one; otherwise a threshold comes from a single trial, or never.
    """
    trials = session.trials("min-trials", _level(1, 2, 3, 4, 5))
    for required, available, wanted in (
        ("3", 0, 0),
        ("3", 2, 0),
        ("3", 3, 1),
        ("5", 4, 0),
        ("5", 5, 1),
    ):
        request = session.request(
            "min-trials", trials[:available], {"min_trials_required": required}
        )
        what = f"{available} finished trials of {required} required"
        rules = session.rules(request, what)
        if len(rules) != wanted:
            raise Failed(
                f"{what}: there must be {wanted} rules, got {len(rules)}", session.calls[-1]
            )


@check("es-new-trials", _SERVICE, Level.CONTRACT, rules=_MEDIAN)
def new_trials(session: EarlySession) -> None:
    """The threshold follows trials that finish later; a threshold fixed by the first trials stops
    no later one.
    """
    trials = session.trials("new-trials", _level(1, 2, 3, 0, -1))
    for available, wanted in ((3, 2.0), (5, 1.0)):
        session.expect(
            session.request("new-trials", trials[:available]),
            wanted,
            f"{available} finished trials",
        )


@check("es-only-succeeded", _SERVICE, Level.CONTRACT, rules=_MEDIAN)
def only_succeeded(session: EarlySession) -> None:
    """Running, failed and early-stopped trials do not count; otherwise the threshold follows the
    trials that were stopped.
    """
    trials = session.trials("only-succeeded", _level(1, 2, 3))
    for condition in (Status.RUNNING, Status.FAILED, Status.KILLED, Status.EARLYSTOPPED):
        name = f"only-succeeded-{condition}"
        others = session.trials(name, _level(70, 80), condition)
        for trial in others:
            trial.status.ClearField("observation")
        session.expect(
            session.request(name, [*others[:1], *trials, *others[1:]]),
            2.0,
            f"three finished trials and two {Status.TrialConditionType.Name(condition)}",
        )


def _unusual(session: EarlySession, name: str, what: str, *logs: Sequence[str]) -> None:
    good = session.trials(name, _level(1, 2, 2, 2, 3))
    unusual = session.trials(f"{name}-unusual", logs)
    session.expect(
        session.request(name, [unusual[0], *good, *unusual[1:]]),
        2.0,
        f"five good trials and {len(logs)} {what}",
    )


@check("es-empty-log", _SERVICE, Level.CONTRACT, rules=_MEDIAN)
def empty_log(session: EarlySession) -> None:
    """Finished trials without reports are ignored; otherwise one of them ends early stopping."""
    _unusual(session, "empty-log", "without reports", [], [])


@check("es-short-log", _SERVICE, Level.CONTRACT, rules=_MEDIAN)
def short_log(session: EarlySession) -> None:
    """Finished trials with fewer reports than `start_step` are used as they are or ignored;
    otherwise one of them ends early stopping.
    """
    _unusual(session, "short-log", "with one or two reports", ["1.5"], ["2", "3"])


@check("es-non-numeric-log", _SERVICE, Level.CONTRACT, rules=_MEDIAN)
def non_numeric_log(session: EarlySession) -> None:
    """Reports that are not finite numbers are ignored; a diverged trial reports nan."""
    _unusual(
        session,
        "non-numeric-log",
        "some of whose reports are not numbers",
        ["1", "nan", "unavailable", "1"],
        ["3", "", "inf", "-inf"],
        ["nan", "nan", "n/a", "nan"],
    )


@check("es-two-experiments", _SERVICE, Level.CONTRACT, rules=_MEDIAN)
def two_experiments(session: EarlySession) -> None:
    """Two experiments on one server each get their own threshold, in turn; otherwise one is stopped
    by the results of the other.
    """
    requests = [
        (session.request(name, session.trials(name, logs), maximize=maximize), wanted)
        for name, logs, maximize, wanted in (
            ("two-a", _level(1, 2, 3), False, 2.0),
            ("two-b", _level(70, 80, 90), True, 80.0),
        )
    ]
    for _ in range(2):
        for request, wanted in requests:
            session.expect(request, wanted, f"one of two experiments, {request.experiment.name!r}")


@check("es-restart", _SERVICE, Level.CONTRACT, starts=True, rules=_MEDIAN)
def restart(session: EarlySession) -> None:
    """After `kill -9` and a restart the next request gets the same threshold; a pod can be moved at
    any time.
    """
    instance = session.launch()
    try:
        trials = session.trials("restart", _level(1, 2, 3))
        for what in ("three finished trials", "the same after a restart"):
            client = Client(instance.address, session.calls.append)
            session.expect(session.request("restart", trials), 2.0, what, client)
            client.close()
            instance.kill()
            if what == "three finished trials":
                instance.start()
    finally:
        instance.kill()


@check("es-exact-value", _SERVICE, Level.STRICT, rules=_MEDIAN)
def exact_value(session: EarlySession) -> None:
    """The threshold is written with all its digits; rounded, it stops the trial that it was taken
    from.
    """
    middle = 0.5 + 2**-40  # 0.5000000000009095
    trials = session.trials("exact", [[repr(middle)]] * 3)
    rule = session.rule(session.request("exact", trials, {"start_step": "1"}), "three trials")
    try:
        exact = float(rule.value) == middle
    except ValueError:
        exact = False
    if not exact:
        raise Failed(
            f"threshold: must be {middle!r} to the last digit, got {rule.value!r}",
            session.calls[-1],
        )


@check("es-db-manager-down", _SERVICE, Level.STRICT, rules=_MEDIAN)
def db_manager_down(session: EarlySession) -> None:
    """If the DBManager cannot be reached, the answer says so within 60 s (not INTERNAL or UNKNOWN),
    and the next call works; otherwise nobody knows why nothing is stopped.
    """
    trials = session.trials("down", _level(1, 2, 3))
    request = session.request("down", trials)
    request.db_manager_address = f"127.0.0.1:{free_port()}"
    call = session.call(request)
    if call.code.name not in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "FAILED_PRECONDITION") or (
        call.code is grpc.StatusCode.DEADLINE_EXCEEDED and call.seconds >= 59
    ):
        raise Failed(
            f"no DBManager at {request.db_manager_address}: the answer must be UNAVAILABLE or "
            f"DEADLINE_EXCEEDED of the server's own, got {call.status}",
            call,
        )
    session.expect(
        session.request("down-again", session.trials("down-again", _level(1, 2, 3))),
        2.0,
        "three trials, after a DBManager that was down",
    )


@check("es-same-call-twice", _SERVICE, Level.STRICT, rules=_MEDIAN)
def same_call_twice(session: EarlySession) -> None:
    """The same request gets the same rules; the controller repeats every request that timed out."""
    request = session.request("twice", session.trials("twice", _level(1, 2, 3)))
    first, second = (session.rules(request, "a request") for _ in range(2))
    if first != second:
        raise Failed("the same request: must get the same rules, got others", session.calls[-1])


@check("es-set-trial-status", _SERVICE, Level.STRICT)
def set_trial_status(session: EarlySession) -> None:
    """SetTrialStatus for an unknown trial gets a status that says what is wrong, not INTERNAL,
    UNKNOWN or UNIMPLEMENTED; otherwise stopped trials are never marked and nobody sees why.
    """
    request = pb.SetTrialStatusRequest(trial_name="conformance-no-such-trial")
    call = session.client.call("EarlyStopping/SetTrialStatus", request)
    if call.code.name in ("INTERNAL", "UNKNOWN", "UNIMPLEMENTED"):
        raise Failed(
            f"SetTrialStatus of an unknown trial: must say what is wrong, got {call.status}", call
        )
