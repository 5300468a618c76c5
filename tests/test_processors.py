"""The same request, to servers on two kinds of processor and with another number of threads."""

from __future__ import annotations

import numpy as np
import pytest

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.client.ask_tell import AskTell
from suggestion.client.transports import OverGrpc
from tests.support.cases import NAMES, case_of
from tests.support.play import Varied
from tests.support.requests import categorical, double, experiment, integer
from tests.support.servers import serving

pytestmark = pytest.mark.integration

LOG_UNIFORM, NORMAL, LOG_NORMAL = 2, 3, 4
CONTINUOUS = [
    double("x", "0", "1"),
    double("lr", "1e-5", "1", prior=LOG_UNIFORM),
    double("m", "-5", "5", prior=NORMAL),
    double("k", "0.001", "10", prior=LOG_NORMAL),
    integer("n", "1", "100000", prior=LOG_UNIFORM),
    categorical("c", "a", "b", "c"),
]
#: Numpy and OpenBLAS as on a processor of 2008, without AVX.
OLD = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Nehalem",
    # What this processor lacks cannot be switched off, of which numpy warns.
    "PYTHONWARNINGS": "ignore",
}
#: Its model is fitted through hundreds of matrix products, whose last digits depend on the kernel.
MODEL_BY_BLAS = "bayesianoptimization"


class Replicas:
    """A transport that asks all of several servers, whose replies must be the same."""

    def __init__(self, *servers: OverGrpc) -> None:
        self._servers = servers

    def suggest(self, request: api.GetSuggestionsRequest) -> api.GetSuggestionsReply:
        first, *others = [server.suggest(request) for server in self._servers]
        for other in others:
            assert first == other, request.experiment.spec.algorithm.algorithm_name
        return first

    def validate(self, experiment: api.Experiment) -> None:
        self._servers[0].validate(experiment)


def _play(name: str, replicas: Replicas, batches: list[int]) -> bool:
    """Play an experiment on `CONTINUOUS`; return whether the algorithm takes such a space."""
    message = case_of(name).experiment(CONTINUOUS, name=name)
    if message is None:
        return False
    loop = AskTell(message, Varied(replicas))
    for count in batches:
        loop.ask(count)
    return True


def test_an_older_processor_gives_the_same_replies() -> None:
    features = np._core._multiarray_umath.__cpu_features__  # type: ignore[attr-defined]
    if not features.get("AVX2"):
        pytest.skip("this processor has no AVX2 that could be switched off")
    with (
        serving() as new,
        serving(**OLD) as old,
        OverGrpc(new.address) as to_new,
        OverGrpc(old.address) as to_old,
    ):
        names = [name for name in NAMES if name != MODEL_BY_BLAS]
        played = [name for name in names if _play(name, Replicas(to_new, to_old), [4] * 10)]
    assert len(played) >= 8


def test_the_number_of_threads_changes_nothing() -> None:
    def threads(number: str) -> dict[str, str]:
        return {"OMP_NUM_THREADS": number, "OPENBLAS_NUM_THREADS": number}

    with (
        serving(**threads("1")) as one,
        serving(**threads("2")) as two,
        OverGrpc(one.address) as to_one,
        OverGrpc(two.address) as to_two,
    ):
        # 150 trials that random search has tried: enough for products that threads would share.
        settings = [("n_initial_points", "150")]
        message = experiment(MODEL_BY_BLAS, CONTINUOUS, settings=settings, name="threads")
        loop = AskTell(message, Varied(Replicas(to_one, to_two)))
        for count in (150, 2, 2):
            loop.ask(count)
