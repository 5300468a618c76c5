"""Run checks against servers."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from suggestion.conformance.check import Check, Failed, NotRun, Outcome, Result, Service
from suggestion.conformance.profiles import Profile


def run_one(check: Check, session: Any, profile: Profile | None) -> Result:
    """Run one check; whatever goes wrong in it becomes its result."""
    if profile is not None and (reason := check.applies(profile)):
        return Result(check, Outcome.NOT_APPLICABLE, reason)
    if check.starts and session.launcher is None:
        return Result(check, Outcome.NOT_RUN, "needs a command that starts the server (--start)")
    session.calls.clear()
    begin = time.perf_counter()
    outcome, reason, call = Outcome.PASSED, "", None
    try:
        check.run(session)
    except Failed as failure:
        outcome, reason, call = Outcome.FAILED, failure.rule, failure.call
    except NotRun as lack:
        outcome, reason = Outcome.NOT_RUN, str(lack)
    except Exception as error:
        # An error of the check itself must neither count as passed nor end the run.
        place = traceback.extract_tb(error.__traceback__)[-1]
        outcome = Outcome.NOT_RUN
        reason = f"the check itself failed at {place.name}:{place.lineno}: {error!r}"
    times = tuple(c.seconds for c in session.calls)
    session.calls.clear()
    return Result(check, outcome, reason, call, times, time.perf_counter() - begin)


def run(
    checks: Sequence[Check],
    sessions: Mapping[Service, Any],
    profile: Profile | None,
    tell: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Run `checks`; those that judge all replies run last.

    Args:
        sessions: Sessions by service; each check needs the one of its service.
        tell: Called with each result.

    Returns:
        The results in the order of `checks`.
    """
    results: dict[str, Result] = {}
    for check in sorted(checks, key=lambda c: c.last):
        results[check.id] = run_one(check, sessions[check.service], profile)
        tell(results[check.id])
    return [results[check.id] for check in checks]
