"""What comes from outside: which answers of servers wake the loop."""

from __future__ import annotations

import pytest

from suggestion.controller import events as e
from suggestion.controller.context import ServerRefused
from suggestion.controller.inbox import Calls
from suggestion.controller.moments import moment
from suggestion.runtimes.simulator import Virtual
from tests.experiments.simulation import Inline

CLOCK = Virtual()
DELIVERED = e.Delivered(moment(CLOCK), 0, 1)


@pytest.mark.parametrize("wakes", [True, False])
def test_an_answer_that_wakes_nobody_is_taken_up_in_passing(wakes: bool) -> None:
    rung: list[bool] = []
    calls = Calls(lambda: rung.append(True))
    calls.make(Inline(), lambda: None, lambda _: DELIVERED, lambda: wakes)
    assert rung == [True] * wakes
    assert calls.answered
    assert list(calls.answers(CLOCK)) == [DELIVERED]


def test_a_refusal_always_wakes_the_loop() -> None:
    rung: list[bool] = []
    calls = Calls(lambda: rung.append(True))

    def refused() -> None:
        raise ServerRefused("no")

    calls.make(Inline(), refused, lambda _: DELIVERED, lambda: False)
    assert rung == [True]
    (event,) = calls.answers(CLOCK)
    assert isinstance(event, e.ServerFailed)
