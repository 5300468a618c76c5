"""``pytest conformance_tests --target HOST:PORT``: every check is a test.

Without a target each algorithm and early-stopping rule that is registered on this machine, and the
DBManager, is started and checked, by default at the strict level.
"""

from __future__ import annotations

import atexit
import contextlib
import shlex
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

import pytest

from suggestion.conformance.check import Check, Level, Service, select
from suggestion.conformance.cli import Targets, make_profile
from suggestion.conformance.profiles import Profile

# The options of `suggest check`, with the same meaning.
_OPTIONS: Final = (
    ("--target", "", "HOST:PORT of the Suggestion server"),
    ("--algorithm", "", "algorithm to request"),
    ("--level", "", "contract or strict"),
    ("--start", "", "command that starts the server at {port}"),
    ("--stop", "", "command that kills a server at {port}"),
    ("--status", "", "command that prints /proc/PID/status of a server at {port}"),
    ("--early-stopping", "", "HOST:PORT of an EarlyStopping server"),
    ("--early-stopping-algorithm", "medianstop", "its algorithm"),
    ("--start-early-stopping", "", "command that starts the EarlyStopping server at {port}"),
    ("--dbmanager", "", "HOST:PORT of a DBManager server"),
    ("--start-dbmanager", "", "command that starts the DBManager server at {port}"),
    ("--host", "127.0.0.1", "name under which an EarlyStopping server reaches this machine"),
    ("--experiment", "", "Experiment file with algorithm, settings and parameters"),
    ("--profile", "", "treat the algorithm like this known one"),
)
_FROM_TARGETS: Final = (
    "target",
    "start",
    "stop",
    "status",
    "early_stopping",
    "early_stopping_algorithm",
    "start_early_stopping",
    "dbmanager",
    "start_dbmanager",
    "host",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of `suggest check`."""
    group = parser.getgroup("conformance")
    for name, default, text in _OPTIONS:
        group.addoption(name, default=default, help=text)
    group.addoption(
        "--setting", action="append", default=[], help="NAME=VALUE, a setting that it requires"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark of pytest-xdist, which may not be installed."""
    config.addinivalue_line("markers", "xdist_group(name): tests that one worker must run")


@dataclass(frozen=True, eq=False)
class Subject:
    """A server to check, and the level."""

    name: str
    targets: Targets
    profile: Profile
    level: Level

    @property
    def checks(self) -> tuple[Check, ...]:
        chosen = select(
            self.targets.services, self.level, rule=self.targets.early_stopping_algorithm
        )
        return tuple(sorted(chosen, key=lambda check: check.last))


def _registered(group: str) -> list[str]:
    return sorted(point.name for point in entry_points(group=group))


def _own(level: Level, folder: str) -> Iterator[Subject]:
    """Yield everything that is registered on this machine, each as a server of its own."""

    def serve(name: str, *options: str) -> str:
        command = [sys.executable, "-m", "suggestion", "serve", name, *options]
        return f"{shlex.join(command)} --address 127.0.0.1:{{port}}"

    # One database for all, because what was reported must be there after a restart.
    database = ("--database", f"sqlite:///{folder}/log.db")
    for name in _registered("suggestion.algorithms"):
        yield Subject(name, Targets(start=serve(name)), make_profile(name, None, None, ()), level)
    idle = make_profile("random", None, None, ())
    for name in _registered("suggestion.early_stopping"):
        command = serve(f"earlystopping/{name}", *database)
        targets = Targets(start_early_stopping=command, early_stopping_algorithm=name)
        yield Subject(f"earlystopping/{name}", targets, idle, level)
    if "dbmanager" in _registered("suggestion.services"):
        targets = Targets(start_dbmanager=serve("dbmanager", *database))
        yield Subject("dbmanager", targets, idle, level)


def _subjects(config: pytest.Config) -> list[Subject]:
    targets = Targets(**{key: config.getoption(key) for key in _FROM_TARGETS})
    if not targets.services:
        folder = tempfile.TemporaryDirectory(prefix="conformance-")
        atexit.register(folder.cleanup)  # pytest-xdist's workers do not call the configuration's
        return list(_own(Level(config.getoption("level") or "strict"), folder.name))
    suggesting = Service.SUGGESTION in targets.services
    experiment = config.getoption("experiment")
    profile = make_profile(
        config.getoption("algorithm") if suggesting else "random",
        config.getoption("profile") or None,
        Path(experiment) if experiment else None,
        config.getoption("setting"),
    )
    name = profile.algorithm if suggesting else "server"
    return [Subject(name, targets, profile, Level(config.getoption("level") or "contract"))]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of every check of every server."""
    if {"subject", "check"} <= set(metafunc.fixturenames):
        cases = [
            # With pytest-xdist and --dist loadgroup: one worker for each server.
            pytest.param(
                subject,
                check,
                id=f"{subject.name}-{check.id}",
                marks=pytest.mark.xdist_group(subject.name),
            )
            for subject in _subjects(metafunc.config)
            for check in subject.checks
        ]
        metafunc.parametrize(("subject", "check"), cases)


class Reached:
    """Hold the sessions of the subject that is being checked; those of the previous one
    are closed.
    """

    def __init__(self) -> None:
        self._subject: Subject | None = None
        self._open = contextlib.ExitStack()
        self._sessions: dict[Service, Any] = {}

    def sessions(self, subject: Subject) -> dict[Service, Any]:
        """Return sessions with the servers of `subject`, which are started if necessary.

        Raises:
            NotRun: A server cannot be reached or started.
        """
        if subject is not self._subject:
            self.close()
            self._sessions = self._open.enter_context(subject.targets.sessions(subject.profile))
            self._subject = subject
        return self._sessions

    def close(self) -> None:
        self._subject = None
        self._open.close()


@pytest.fixture(scope="session")
def reached() -> Iterator[Reached]:
    """Yield the open sessions."""
    opened = Reached()
    yield opened
    opened.close()
