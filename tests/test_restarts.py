"""Play the controller: one request a batch, each to a server that was just started."""

from __future__ import annotations

import pytest

from tests.support.cases import NAMES, case_of
from tests.support.requests import ask_for, points_of
from tests.support.servers import ServerProcess, serving
from tests.test_registry import LATTICE, finished

pytestmark = pytest.mark.integration

BATCHES = [1, 2, 9, 8, 20, 20, 20, 20]  # 100 trials


def test_kill_9_between_any_two_calls_changes_nothing() -> None:
    messages = {name: case_of(name).experiment(LATTICE) for name in NAMES}
    points: dict[str, list[dict[str, str]]] = {name: [] for name in NAMES}
    names: dict[str, list[str]] = {name: [] for name in NAMES}
    with serving() as steady:
        for count in BATCHES:
            fresh = ServerProcess()
            try:
                for name, message in messages.items():
                    assert message is not None
                    trials = finished(message, points[name], names[name])
                    total = len(points[name]) + count
                    request = ask_for(message, count, total, trials)
                    reply = fresh.stub.GetSuggestions(request, timeout=60)
                    assert reply == steady.stub.GetSuggestions(request, timeout=60), name
                    assert len(reply.parameter_assignments) == count
                    points[name] += points_of(reply)
                    for entry in reply.parameter_assignments:
                        names[name].append(entry.trial_name or f"t{len(names[name]):03d}")
            finally:
                fresh.kill()
    assert {len(found) for found in points.values()} == {100}
