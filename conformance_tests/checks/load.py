"""Checks of size, speed and concurrency."""

from __future__ import annotations

import functools
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.conformance import messages
from suggestion.conformance.architectures import space_of
from suggestion.conformance.check import Failed, Level, NotRun, Service, check
from suggestion.conformance.session import Play, Session, answered
from suggestion.conformance.target import DEADLINE

_MIB = 2**20


@functools.lru_cache(maxsize=2)
def _large_request(data: bytes, network: Any) -> pb.GetSuggestionsRequest:
    """Make a request of the serialized experiment `data` with 10,000 trials."""
    experiment = pb.Experiment.FromString(data)
    space = space_of(experiment, network)
    trials = messages.invented(experiment, 10_000, experiment.name, space=space)
    request = messages.request(experiment, trials, 1)
    # With few parameters the trials are small; labels, which are allowed, make up for it.
    lacking = 4.5 * _MIB - request.ByteSize()
    if lacking > 0:
        for trial in request.trials:
            trial.spec.labels["padding"] = "p" * (int(lacking) // len(trials))
    return request


@check("10000-trials", Service.SUGGESTION, Level.CONTRACT)
def ten_thousand_trials(session: Session) -> None:
    """A request with 10,000 trials, which is over 4 MiB, is answered within 60 s; otherwise a long
    experiment stops at gRPC's default message limit or the controller's deadline.
    """
    experiment = session.experiment("10000-trials")
    data = experiment.SerializeToString(deterministic=True)
    network: Any = session.profile.network
    request = _large_request(data, network)
    session.suggest(request, f"a request of {request.ByteSize() / _MIB:.1f} MiB", timeout=DEADLINE)


@check("concurrent-calls", Service.SUGGESTION, Level.CONTRACT)
def concurrent_calls(session: Session) -> None:
    """Sixteen concurrent clients are all answered; the controller has several requests in progress,
    and a server may serve several experiments.
    """

    def ask(index: int) -> None:
        client = session.connect()
        try:
            experiment = session.experiment(f"concurrent-{index}")
            for number in (0, 5):
                request = messages.request(experiment, session.history(experiment, number), 2)
                session.suggest(request, "one of 16 requests at once", client=client)
        finally:
            client.close()

    with ThreadPoolExecutor(16) as pool:
        for done in [pool.submit(ask, index) for index in range(16)]:
            done.result()


@check("memory", Service.SUGGESTION, Level.STRICT, starts=True)
def memory(session: Session) -> None:
    """Resident memory stays below the algorithm's limit (100 MiB unless stated) through an
    experiment of 1,000 trials; above the container's limit the cluster kills the server.
    """
    instance = session.launch()
    client = session.connect(instance.address)
    try:
        if instance.peak_memory() is None:
            raise NotRun("the memory of a server behind another program is unknown")
        experiment = session.experiment("memory")
        trials = session.history(experiment, 1000)
        for number in (10, 100, 300, 600, 800, 1000):
            session.suggest(messages.request(experiment, trials[:number], 2), client=client)
        peak = instance.peak_memory()
        if peak is None:
            raise NotRun("the memory of the server is unknown")
        if peak > session.profile.memory:
            raise Failed(
                f"resident memory through 1,000 trials: must stay within "
                f"{session.profile.memory} MiB, got {peak:.0f}"
            )
    finally:
        client.close()
        instance.kill()


@check("latency", Service.SUGGESTION, Level.STRICT)
def latency(session: Session) -> None:
    """An answer with 1,000 trials takes at most the algorithm's multiple of the time for parsing
    the request; a slower server keeps GPUs waiting.
    """
    experiment = session.experiment("latency")
    trials = session.history(experiment, 1000)
    data = messages.request(experiment, trials, 1).SerializeToString()
    parsing = []
    for _ in range(10):
        begin = time.perf_counter()
        pb.GetSuggestionsRequest.FromString(data)
        parsing.append(time.perf_counter() - begin)
    bound = session.profile.latency * min(parsing)
    best = None
    # The best of several on both sides, because other work on the machine must not count.
    for left_out in range(6):
        # Each request differs, so that a cache of replies is not measured.
        call = session.send(messages.request(experiment, trials[: 1000 - left_out], 1))
        answered(call, "a request with 1,000 trials")
        best = call if best is None or call.seconds < best.seconds else best
        if best.seconds <= bound:
            return
    assert best is not None
    raise Failed(
        f"answer at 1,000 trials: must take at most {session.profile.latency:.0f} times the "
        f"{min(parsing) * 1e3:.2f} ms of parsing, got {best.seconds * 1e3:.0f} ms",
        best,
    )


@check("bad-requests", Service.SUGGESTION, Level.STRICT)
def bad_requests(session: Session) -> None:
    """Invalid requests (an empty one, a count of 0 or below) get a status other than INTERNAL and
    UNKNOWN, and the server keeps running; a stack trace tells nobody what to do.
    """
    good = session.experiment("bad-requests")
    for what, request in (
        ("an empty request", pb.GetSuggestionsRequest()),
        ("a request without spec", pb.GetSuggestionsRequest(experiment=pb.Experiment(name="x"))),
        ("a count of -1", messages.request(good, (), -1, total=0)),
        ("a count of 0", messages.request(good, (), 0, total=0)),
    ):
        call = session.client.call("Suggestion/GetSuggestions", request)
        if call.code.name in ("INTERNAL", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED"):
            raise Failed(f"{what}: must get a status that says what to do, got {call.status}", call)
    session.suggest(Play(session, good).request(1), "a good request after bad ones")
