"""Metrics of `suggest serve`, as Prometheus reads them."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from urllib.request import urlopen

import grpc
import psutil
import pytest

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import api_pb2_grpc
from suggestion.client.launch import LocalServer
from tests.support.requests import ask_for, experiment

DASHBOARD = Path(__file__).resolve().parents[1] / "deploy" / "grafana" / "dashboard.json"
pytest.importorskip("prometheus_client", reason="the extra 'metrics' is not installed")


def test_calls_are_counted_with_their_facts() -> None:
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415

    arguments = ("random", "--metrics-address", "127.0.0.1:0", "--processes", "2")
    with LocalServer(arguments) as server:
        address = server.address_of("metrics")
        with grpc.insecure_channel(server.address()) as channel:
            stub = api_pb2_grpc.SuggestionStub(channel)
            for name in ("random", "x" * 50):
                request = api.GetSuggestionsRequest(current_request_number=1)
                request.experiment.name = "e"
                request.experiment.spec.algorithm.algorithm_name = name
                request.trials.add(name="t")
                with pytest.raises(grpc.RpcError):
                    stub.GetSuggestions(request)
            stub.GetSuggestions(ask_for(experiment("random")))
        text = urlopen(f"http://{address}/metrics").read().decode()
        processes = psutil.Process(server.pid).children()
        resident = [each.memory_info().rss for each in (psutil.Process(server.pid), *processes)]
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    service = ("service", "api.v1.beta1.Suggestion")
    for algorithm, answered in (("random", 1), ("other", 0)):
        of = (("algorithm", algorithm), ("method", "GetSuggestions"), service)
        calls = (of[0], ("code", "INVALID_ARGUMENT"), of[1], service)
        assert samples["suggest_calls_total", calls] == 1
        assert samples["suggest_call_seconds_count", of] == 1 + answered
        assert samples["suggest_request_trials_sum", of] == 1
        assert samples.get(("suggest_model_seconds_count", of), 0) == answered
    # Those of all processes together.
    assert len(resident) == 3
    assert samples["process_resident_memory_bytes", ()] == pytest.approx(sum(resident), rel=0.2)
    assert samples["process_cpu_seconds_total", ()] > 0
    # The dashboard asks for nothing else.
    expressions = [
        t["expr"] for p in json.loads(DASHBOARD.read_text())["panels"] for t in p["targets"]
    ]
    known = {name for name, _ in samples}
    for expression in expressions:
        names = re.findall(r"(?:suggest|process)_\w+", expression)
        assert names
        assert set(names) <= known, expression


def test_an_address_that_is_none() -> None:
    from suggestion.server.metrics import Metrics, MetricsServer  # noqa: PLC0415

    with pytest.raises(OSError, match=r"address: must be HOST:PORT .*, got 'unix:/tmp/x'"):
        asyncio.run(MetricsServer("unix:/tmp/x", Metrics((), {})).start())


def test_an_address_that_is_taken() -> None:
    with LocalServer(("random",)) as server:
        taken = LocalServer(("random", "--metrics-address", server.address()))
        with pytest.raises(Exception, match="another program listens there"):
            taken.address()
        taken.close()
