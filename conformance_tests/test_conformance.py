"""One test for each check of each server; conftest.py makes the cases."""

from __future__ import annotations

from typing import Any

import pytest

from suggestion.conformance import evidence
from suggestion.conformance.check import Check, NotRun, Outcome
from suggestion.conformance.runner import run_one


def test_server(subject: Any, check: Check, reached: Any) -> None:
    """The demand of the check is met; a check that could not be run is skipped, never passed."""
    try:
        session = reached.sessions(subject)[check.service]
    except NotRun as error:
        pytest.fail(str(error), pytrace=False)
    result = run_one(check, session, subject.profile)
    if result.outcome is Outcome.FAILED:
        shown = "" if result.call is None else f"\n{evidence.brief(result.call)}"
        pytest.fail(f"{check.id}: {check.sentence}\n{result.reason}{shown}", pytrace=False)
    if result.outcome is not Outcome.PASSED:
        pytest.skip(f"{result.outcome.value}: {result.reason}")
