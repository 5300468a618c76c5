"""Play the controller: one request a batch, each to a server that was just started."""

from __future__ import annotations

import pytest

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.client.ask_tell import AskTell
from suggestion.client.transports import OverGrpc
from tests.support.cases import NAMES, case_of
from tests.support.play import LATTICE, Varied
from tests.support.servers import serving

pytestmark = pytest.mark.integration

BATCHES = [1, 2, 9, 8, 20, 20, 20, 20]  # 100 trials


class Both:
    """A transport that asks a steady server and a fresh one, whose replies must be the same."""

    def __init__(self, steady: OverGrpc) -> None:
        self._steady = steady
        self.fresh = steady

    def suggest(self, request: api.GetSuggestionsRequest) -> api.GetSuggestionsReply:
        reply = self.fresh.suggest(request)
        assert reply == self._steady.suggest(request), request.experiment.name
        return reply

    def validate(self, experiment: api.Experiment) -> None:
        self._steady.validate(experiment)


def test_kill_9_between_any_two_calls_changes_nothing() -> None:
    with serving() as steady, OverGrpc(steady.address) as to_steady:
        both = Both(to_steady)
        loops = []
        for name in NAMES:
            message = case_of(name).experiment(LATTICE, name=name)
            assert message is not None
            loops.append(AskTell(message, Varied(both)))
        for count in BATCHES:
            with serving() as fresh, OverGrpc(fresh.address) as both.fresh:
                for loop in loops:
                    loop.ask(count)
                fresh.kill()
    assert {len(loop.trials) for loop in loops} == {100}
