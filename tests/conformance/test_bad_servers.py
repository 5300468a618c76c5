"""Every check can fail: a server that breaks its rule is caught by it, and by no other."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from suggestion.conformance.check import Check, Level, Outcome, Result, Service, all_checks, select
from suggestion.conformance.checks.dbmanager import LogSession
from suggestion.conformance.early_session import EarlySession
from suggestion.conformance.profiles import Profile
from suggestion.conformance.runner import run
from suggestion.conformance.session import Session
from suggestion.conformance.target import ProcessLauncher

from . import bad, reference
from .able import ABLE, Able
from .networks import NETWORKS, Networks

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]


def outcomes(results: list[Result], outcome: Outcome) -> dict[str, str]:
    return {r.check.id: r.reason for r in results if r.outcome is outcome}


#: What a server may change without changing a single suggestion.
VALIDATION = {"violations", "text", "__module__", "__qualname__", "__name__", "__doc__"}


def _module(check: Check) -> str:
    return check.run.__module__.rpartition(".")[2]


def check_suggestion(make: Any, profile: Profile) -> list[Result]:
    checks = select([Service.SUGGESTION], Level.STRICT)
    if make is not reference.Suggestion and set(vars(make)) <= VALIDATION:
        # Its suggestions are those of the correct server, line by line, which passes.
        checks = tuple(c for c in checks if _module(c) in ("validation", "abilities"))
    elif issubclass(make, Able):
        # What it does without the settings is what the correct server does.
        checks = tuple(c for c in checks if _module(c) == "abilities")
    elif make is not Networks and issubclass(make, Networks):
        checks = tuple(c for c in checks if _module(c) in ("replies", "trials", "learning"))
    with reference.serving(make) as server:
        session = Session(profile, server.address, reference.Locals(make))
        try:
            return run(checks, {Service.SUGGESTION: session}, profile)
        finally:
            session.close()


def check_early_stopping(make: Any, rule: str = "medianstop") -> list[Result]:
    with reference.serving(make) as server:
        session = EarlySession(rule, server.address, reference.Locals(make))
        try:
            checks = select([Service.EARLY_STOPPING], Level.STRICT, rule=rule)
            return run(checks, {Service.EARLY_STOPPING: session}, None)
        finally:
            session.close()


def check_dbmanager(make: Any) -> list[Result]:
    with reference.serving(make) as server:
        session = LogSession(server.address, reference.Locals(make))
        try:
            checks = select([Service.DBMANAGER], Level.STRICT)
            return run(checks, {Service.DBMANAGER: session}, None)
        finally:
            session.close()


@pytest.mark.parametrize("profile", [reference.PROFILE, reference.RUNGS], ids=lambda p: p.algorithm)
def test_a_correct_suggestion_server_passes(profile: Profile) -> None:
    results = check_suggestion(reference.Suggestion, profile)
    assert outcomes(results, Outcome.FAILED) == {}
    # Its memory is that of the test.
    assert set(outcomes(results, Outcome.NOT_RUN)) == {"memory"}


def test_a_correct_server_of_architectures_passes() -> None:
    results = check_suggestion(Networks, NETWORKS)
    assert outcomes(results, Outcome.FAILED) == {}
    assert set(outcomes(results, Outcome.NOT_RUN)) == {"memory"}


def test_a_correct_server_with_every_ability_passes() -> None:
    results = check_suggestion(Able, ABLE)
    assert {r.check.id for r in results if r.outcome is not Outcome.PASSED} == set()
    assert len(results) == 8


@pytest.mark.parametrize("make", [bad.AbleWithFloatsForInts, bad.AbleWithoutAParameter])
def test_checks_of_abilities_judge_nothing_else(make: Any) -> None:
    results = check_suggestion(make, ABLE)
    assert {r.check.id for r in results if r.outcome is not Outcome.PASSED} == set()


def test_a_correct_early_stopping_server_passes() -> None:
    results = check_early_stopping(reference.EarlyStopping)
    assert {r.check.id for r in results if r.outcome is not Outcome.PASSED} == set()


def test_a_correct_server_of_rungs_passes() -> None:
    results = check_early_stopping(reference.Rungs, "asha")
    assert {r.check.id for r in results if r.outcome is not Outcome.PASSED} == set()
    assert len(results) > 10


def test_a_correct_dbmanager_passes() -> None:
    results = check_dbmanager(reference.DBManager)
    assert {r.check.id for r in results if r.outcome is not Outcome.PASSED} == set()


@pytest.mark.parametrize(
    ("identity", "make", "profile"),
    [pytest.param(i, make, p, id=f"{i}-{name}") for i, name, make, p in bad.SUGGESTION],
)
def test_a_bad_suggestion_server_is_caught_by_one_check(
    identity: str, make: Any, profile: Profile
) -> None:
    assert set(outcomes(check_suggestion(make, profile), Outcome.FAILED)) == {identity}


@pytest.mark.parametrize(
    ("identity", "make"),
    [pytest.param(i, make, id=f"{i}-{name}") for i, name, make in bad.EARLY_STOPPING],
)
def test_a_bad_early_stopping_server_is_caught_by_one_check(identity: str, make: Any) -> None:
    assert set(outcomes(check_early_stopping(make), Outcome.FAILED)) == {identity}


@pytest.mark.parametrize(
    ("identity", "make"),
    [pytest.param(i, make, id=f"{i}-{name}") for i, name, make in bad.RUNG_RULES],
)
def test_a_bad_server_of_rungs_is_caught_by_one_check(identity: str, make: Any) -> None:
    assert set(outcomes(check_early_stopping(make, "asha"), Outcome.FAILED)) == {identity}


@pytest.mark.parametrize(
    ("identity", "make"),
    [pytest.param(i, make, id=f"{i}-{name}") for i, name, make in bad.DBMANAGER],
)
def test_a_bad_dbmanager_is_caught_by_one_check(identity: str, make: Any) -> None:
    assert set(outcomes(check_dbmanager(make), Outcome.FAILED)) == {identity}


@pytest.fixture
def hoarder() -> Iterator[ProcessLauncher]:
    path = f"import sys; sys.path.insert(0, {str(ROOT)!r})"
    code = f"{path}; from tests.conformance import bad; bad.main()"
    launcher = ProcessLauncher(f'{sys.executable} -c "{code}" Hoarder {{port}}')
    yield launcher
    launcher.close()


def test_a_server_that_hoards_memory_is_caught_by_one_check(hoarder: ProcessLauncher) -> None:
    profile = reference.PROFILE
    session = Session(profile, hoarder.launch().address, hoarder)
    try:
        checks = select([Service.SUGGESTION], Level.STRICT, ("memory", "restart", "exact-count"))
        results = run(checks, {Service.SUGGESTION: session}, profile)
    finally:
        session.close()
    assert set(outcomes(results, Outcome.FAILED)) == {"memory"}


def test_there_is_a_bad_server_for_every_check() -> None:
    known = (*bad.SUGGESTION, *bad.EARLY_STOPPING, *bad.RUNG_RULES, *bad.DBMANAGER)
    meant = {entry[0] for entry in known}
    every: set[str] = {check.id for check in all_checks()}
    assert every - meant == {"memory"}  # caught above


def test_checks_say_what_they_demand() -> None:
    def sentence_is_short(check: Check) -> bool:
        return 40 < len(check.sentence) < 320 and check.sentence.endswith(".")

    assert [c.id for c in all_checks() if not sentence_is_short(c)] == []
