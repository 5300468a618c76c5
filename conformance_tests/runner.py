"""Runs checks against servers."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from conformance_tests.check import Check, Failed, NotRun, Outcome, Result, Service
from conformance_tests.profiles import Profile


def run_one(check: Check, session: Any, profile: Profile | None) -> Result:
    """Runs one check; whatever goes wrong in it becomes its result."""
    if profile is not None and (reason := check.applies(profile)):
        return Result(check, Outcome.NOT_APPLICABLE, reason)
    if check.starts and session.launcher is None:
        return Result(check, Outcome.NOT_RUN, "needs a command that starts such a server (--start)")
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
        # Neither passed nor judged; it must not look like the one or end the run like the other.
        place = traceback.extract_tb(error.__traceback__)[-1]
        outcome = Outcome.NOT_RUN
        reason = f"the check itself broke at {place.name}:{place.lineno}: {error!r}"
    times = tuple(c.seconds for c in session.calls)
    session.calls.clear()
    return Result(check, outcome, reason, call, times, time.perf_counter() - begin)


def run(
    checks: Sequence[Check],
    sessions: Mapping[Service, Any],
    profile: Profile | None,
    tell: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Runs `checks`, those that judge all replies last.

    Args:
        sessions: By service; there must be one for the service of each check.
        tell: Is told of each result as it comes.

    Returns:
        The results in the order of `checks`.
    """
    results: dict[str, Result] = {}
    for check in sorted(checks, key=lambda c: c.last):
        results[check.id] = run_one(check, sessions[check.service], profile)
        tell(results[check.id])
    return [results[check.id] for check in checks]
