"""SetTrialStatus in a cluster: the real client against a real HTTP server."""

from __future__ import annotations

import json
import os
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import trustme

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import api_pb2_grpc
from suggestion.earlystopping import statuses
from suggestion.earlystopping.cluster import ClusterStatuses
from suggestion.problem.deadline import NEVER
from suggestion.problem.errors import Denied, Missing, Unreachable, Unready
from tests.support.cluster import Cluster, running
from tests.support.servers import ServerProcess, serving

PATH = "/apis/kubeflow.org/v1beta1/namespaces/team/trials/trial-1"
READ, WRITE = ("GET", PATH), ("PATCH", f"{PATH}/status")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def condition(kind: str, status: str = "True") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": f"Trial{kind}", "message": "as it was"}


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster()


def write_kubeconfig(folder: Path, port: int, namespace: str | None = "team") -> str:
    context = {"cluster": "c", "user": "u", **({"namespace": namespace} if namespace else {})}
    path = folder / "kubeconfig"
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{"name": "u", "user": {"token": "secret"}}],
                "contexts": [{"name": "x", "context": context}],
                "current-context": "x",
            }
        )
    )
    return str(path)


@pytest.fixture(scope="module")
def server(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("kube")
    with (
        running(cluster) as port,
        serving(
            "medianstop",
            *("--trial-status", "kubernetes", "--namespace", "team"),
            KUBECONFIG=write_kubeconfig(folder, port, "another"),
        ) as process,
    ):
        yield process


@pytest.fixture
def stub(server: ServerProcess, cluster: Cluster) -> api_pb2_grpc.EarlyStoppingStub:
    cluster.reset()
    return api_pb2_grpc.EarlyStoppingStub(server.channel)


def mark(stub: api_pb2_grpc.EarlyStoppingStub, trial: str = "trial-1") -> None:
    stub.SetTrialStatus(api.SetTrialStatusRequest(trial_name=trial), timeout=30)


def failure(stub: api_pb2_grpc.EarlyStoppingStub, trial: str = "trial-1") -> tuple[object, str]:
    with pytest.raises(grpc.RpcError) as error:
        mark(stub, trial)
    return error.value.code(), error.value.details() or ""


def test_the_condition_is_appended(stub: api_pb2_grpc.EarlyStoppingStub, cluster: Cluster) -> None:
    cluster.add("trial-1", condition("Created"), condition("Running"))
    mark(stub)
    *before, added = cluster.conditions("trial-1")
    assert before == [condition("Created"), condition("Running")]
    times = [added.pop("lastUpdateTime"), added.pop("lastTransitionTime")]
    assert all(TIME.fullmatch(time) for time in times)
    assert added == {
        "type": "EarlyStopped",
        "status": "True",
        "reason": "TrialEarlyStopped",
        "message": "Trial is early stopped",
    }
    assert cluster.requests == [READ, WRITE]
    assert set(cluster.tokens) == {"Bearer secret"}


def test_nothing_else_is_changed(stub: api_pb2_grpc.EarlyStoppingStub, cluster: Cluster) -> None:
    cluster.add("trial-1", condition("Running"))
    before = json.loads(json.dumps(cluster.objects["team", "trial-1"]))
    mark(stub)
    after = cluster.objects["team", "trial-1"]
    after["status"]["conditions"].pop()
    after["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"]
    assert after == before


def test_doing_it_again_changes_nothing(
    stub: api_pb2_grpc.EarlyStoppingStub, cluster: Cluster
) -> None:
    cluster.add("trial-1", condition("Running"))
    mark(stub)
    once = json.dumps(cluster.objects["team", "trial-1"])
    mark(stub)
    assert json.dumps(cluster.objects["team", "trial-1"]) == once
    assert cluster.requests == [READ, WRITE, READ]


def test_a_trial_without_a_status_gets_one(
    stub: api_pb2_grpc.EarlyStoppingStub, cluster: Cluster
) -> None:
    cluster.add("trial-1")
    cluster.objects["team", "trial-1"]["status"] = {}
    mark(stub)
    assert [c["type"] for c in cluster.conditions("trial-1")] == ["EarlyStopped"]


def test_a_condition_that_does_not_hold_is_replaced(
    stub: api_pb2_grpc.EarlyStoppingStub, cluster: Cluster
) -> None:
    cluster.add("trial-1", condition("EarlyStopped", "False"), condition("Running"))
    mark(stub)
    kinds = [(c["type"], c["status"]) for c in cluster.conditions("trial-1")]
    assert kinds == [("Running", "True"), ("EarlyStopped", "True")]


def test_after_a_conflict_the_trial_is_read_again(
    stub: api_pb2_grpc.EarlyStoppingStub, cluster: Cluster
) -> None:
    cluster.add("trial-1", condition("Created"))
    cluster.intruders = [condition("MetricsUnavailable"), condition("Running")]
    mark(stub)
    kinds = [c["type"] for c in cluster.conditions("trial-1")]
    assert kinds == ["Created", "Running", "MetricsUnavailable", "EarlyStopped"]
    assert cluster.requests == [READ, WRITE] * 3


def test_endless_conflicts_are_unavailable(
    stub: api_pb2_grpc.EarlyStoppingStub, cluster: Cluster
) -> None:
    cluster.add("trial-1")
    cluster.intruders = [condition(f"C{k}") for k in range(100)]
    code, text = failure(stub)
    assert code is grpc.StatusCode.UNAVAILABLE
    assert text == (
        "trial 'trial-1' in namespace 'team' was changed by others 8 times while it was being "
        "marked; try again"
    )
    assert "EarlyStopped" not in {c["type"] for c in cluster.conditions("trial-1")}


def test_an_unknown_trial_is_not_found(
    stub: api_pb2_grpc.EarlyStoppingStub, cluster: Cluster
) -> None:
    code, text = failure(stub, "nobody")
    assert code is grpc.StatusCode.NOT_FOUND
    assert text == (
        "trial 'nobody' in namespace 'team' does not exist: "
        'trials.kubeflow.org "nobody" not found'
    )


def test_a_name_cannot_lead_elsewhere(
    stub: api_pb2_grpc.EarlyStoppingStub, cluster: Cluster
) -> None:
    cluster.add("trial-1", namespace="other")
    code, _ = failure(stub, "../../other/trials/trial-1")
    assert code is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("verb", ["GET", "PATCH"])
@pytest.mark.parametrize("answer", [401, 403])
def test_a_refusal_says_what_the_account_needs(
    stub: api_pb2_grpc.EarlyStoppingStub, cluster: Cluster, verb: str, answer: int
) -> None:
    cluster.add("trial-1")
    cluster.answers[verb] = answer
    code, text = failure(stub)
    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert text == (
        f"trial 'trial-1' in namespace 'team': this server may not {verb.lower()} it; its account "
        f"needs get and patch of trials and trials/status in the group kubeflow.org: {verb} is not "
        f"possible now"
    )
    assert cluster.conditions("trial-1") == []


@pytest.mark.parametrize("answer", [429, 500, 503])
def test_an_api_server_in_trouble_is_unavailable_and_the_next_call_works(
    stub: api_pb2_grpc.EarlyStoppingStub, cluster: Cluster, answer: int
) -> None:
    cluster.add("trial-1")
    cluster.answers["PATCH"] = answer
    code, text = failure(stub)
    assert code is grpc.StatusCode.UNAVAILABLE
    assert text.endswith(f"the Kubernetes API answered {answer}: PATCH is not possible now")
    cluster.answers.clear()
    mark(stub)


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the client looks for a kubeconfig in this process; there is none yet."""
    from kubernetes.config import kube_config  # noqa: PLC0415

    path = tmp_path / "kubeconfig"
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    return path


def test_an_api_server_that_is_down(kubeconfig: Path) -> None:
    with running(Cluster()) as port:
        pass
    write_kubeconfig(kubeconfig.parent, port)
    with pytest.raises(Unreachable, match=r"the Kubernetes API does not answer: .*refused"):
        ClusterStatuses().mark_stopped("trial-1", NEVER)


@pytest.mark.parametrize(("namespace", "expected"), [("theirs", "theirs"), (None, "default")])
def test_the_namespace_is_that_of_the_kubeconfig(
    cluster: Cluster, kubeconfig: Path, namespace: str | None, expected: str
) -> None:
    cluster.reset()
    cluster.add("trial-1", namespace=expected)
    with running(cluster) as port:
        write_kubeconfig(kubeconfig.parent, port, namespace)
        keeper = ClusterStatuses()
        keeper.mark_stopped("trial-1", NEVER)
        keeper.close()
    assert [c["type"] for c in cluster.conditions("trial-1", expected)] == ["EarlyStopped"]


def test_without_a_cluster(kubeconfig: Path) -> None:
    with pytest.raises(Unready, match=r"^no Kubernetes cluster is configured: .* --trial-status$"):
        ClusterStatuses().mark_stopped("trial-1", NEVER)


def test_rules_are_served_without_a_cluster() -> None:
    with serving("medianstop", "--trial-status", "kubernetes", KUBECONFIG="/none") as process:
        stub = api_pb2_grpc.EarlyStoppingStub(process.channel)
        spec = api.EarlyStoppingSpec(algorithm_name="medianstop")
        request = api.ValidateEarlyStoppingSettingsRequest(early_stopping=spec)
        assert stub.ValidateEarlyStoppingSettings(request) is not None
        assert failure(stub)[0] is grpc.StatusCode.FAILED_PRECONDITION


# -------------------------------------------------------------------- in a pod


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What Kubernetes mounts into a pod, with a certificate for this machine."""
    from kubernetes.config import incluster_config  # noqa: PLC0415

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    (tmp_path / "token").write_text("of-the-pod")
    (tmp_path / "namespace").write_text("team\n")
    monkeypatch.setattr(statuses, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    return tmp_path


def test_in_a_pod_it_is_the_service_account(
    account: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.reset()
    cluster.add("trial-1", condition("Running"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(account / "server.pem")
    with running(cluster, context) as port:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(port))
        keeper = ClusterStatuses()
        keeper.mark_stopped("trial-1", NEVER)
        with pytest.raises(Missing):
            keeper.mark_stopped("nobody", NEVER)
        cluster.answers["GET"] = 403
        with pytest.raises(Denied):
            keeper.mark_stopped("trial-1", NEVER)
        keeper.close()
    assert [c["type"] for c in cluster.conditions("trial-1")] == ["Running", "EarlyStopped"]
    assert {str(t).lower() for t in cluster.tokens} == {"bearer of-the-pod"}


def test_a_pod_is_known_by_its_account(account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert not statuses.in_cluster()
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert statuses.in_cluster()
    os.remove(account / "token")
    assert not statuses.in_cluster()
