"""SetTrialStatus in a cluster: the real client against a real HTTP server."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import api_pb2_grpc
from suggestion.api.v1beta1.log_reader import CurveReader, ObservationReader
from suggestion.client.launch import ServerError
from suggestion.earlystopping import kube, statuses
from suggestion.earlystopping.cluster import ClusterStatuses
from suggestion.problem import deadline
from suggestion.problem.deadline import NEVER, Deadline
from suggestion.problem.errors import Denied, Missing, Unreachable, Unready
from tests.support.cluster import Cluster, running
from tests.support.logs import LogServer, listening
from tests.support.servers import ServerProcess, serving

PATH = "/apis/kubeflow.org/v1beta1/namespaces/team/trials/trial-1"
READ, WRITE = ("GET", PATH), ("PATCH", f"{PATH}/status")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def condition(kind: str, status: str = "True") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": f"Trial{kind}", "message": "as it was"}


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture(scope="module")
def logs() -> LogServer:
    return LogServer()


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
def server(
    cluster: Cluster, logs: LogServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("kube")
    with (
        running(cluster) as port,
        listening(logs) as address,
        serving(
            "medianstop",
            *("--trial-status", "kubernetes", "--namespace", "team", "--db-manager", address),
            KUBECONFIG=write_kubeconfig(folder, port, "another"),
        ) as process,
    ):
        yield process


@pytest.fixture
def stub(
    server: ServerProcess, cluster: Cluster, logs: LogServer
) -> api_pb2_grpc.EarlyStoppingStub:
    cluster.reset()
    logs.reset()
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


def test_an_answer_that_is_no_object_is_asked_for_again(
    stub: api_pb2_grpc.EarlyStoppingStub, cluster: Cluster
) -> None:
    cluster.add("trial-1")
    cluster.passing = [200, 200]
    mark(stub)
    assert [c["type"] for c in cluster.conditions("trial-1")] == ["EarlyStopped"]
    assert cluster.requests == [READ] * 3 + [WRITE]


def test_what_will_not_pass_is_not_tried_again(
    stub: api_pb2_grpc.EarlyStoppingStub, cluster: Cluster
) -> None:
    cluster.add("trial-1")
    cluster.answers["PATCH"] = 422
    code, text = failure(stub)
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert text.endswith("the Kubernetes API answered 422: PATCH is not possible now")
    assert cluster.requests == [READ, WRITE]


def test_a_server_that_says_how_long_to_wait_is_not_asked_before(
    stub: api_pb2_grpc.EarlyStoppingStub, cluster: Cluster
) -> None:
    cluster.add("trial-1")
    cluster.answers["GET"], cluster.headers = 429, {"Retry-After": "60"}
    code, text = failure(stub)
    assert code is grpc.StatusCode.UNAVAILABLE
    assert text.endswith("tried once, try again")
    assert cluster.requests == [READ]


# ----------------------------------------------------------------- observations


def metrics(cluster: Cluster) -> dict[str, tuple[str, str, str]] | None:
    """Latest, min and max of each metric of the trial's observation."""
    observation = cluster.objects["team", "trial-1"]["status"].get("observation")
    if observation is None:
        return None
    return {m["name"]: (m["latest"], m["min"], m["max"]) for m in observation["metrics"]}


def test_the_observation_is_written_with_the_mark(
    stub: api_pb2_grpc.EarlyStoppingStub, cluster: Cluster, logs: LogServer
) -> None:
    cluster.add("trial-1", condition("Running"), metrics=("loss", "accuracy", "silent"))
    logs.logs["trial-1", "loss"] = [
        ("2026-01-01T00:00:03Z", "0.30"),
        ("2026-01-01T00:00:01Z", "0.9"),
        ("2026-01-01T02:00:04+02:00", "nan"),
        ("2026-01-01T00:00:05Z", "5e-1"),
        ("2026-01-01T00:00:02Z", "unavailable"),
    ]
    logs.put("trial-1", ["0.1", "0.7", "0.6"], metric="accuracy")
    logs.put("trial-1", ["1"], metric="of somebody else")
    mark(stub)
    assert metrics(cluster) == {"loss": ("5e-1", "0.30", "0.9"), "accuracy": ("0.6", "0.1", "0.7")}
    assert cluster.requests == [READ, WRITE]


def test_an_observation_that_is_there_stays(
    stub: api_pb2_grpc.EarlyStoppingStub, cluster: Cluster, logs: LogServer
) -> None:
    cluster.add("trial-1")
    there = {"metrics": [{"name": "loss", "latest": "7", "min": "7", "max": "7"}]}
    cluster.objects["team", "trial-1"]["status"]["observation"] = there
    logs.put("trial-1", ["1"])
    mark(stub)
    assert metrics(cluster) == {"loss": ("7", "7", "7")}
    assert logs.asked == []


def test_a_mark_without_its_observation_gets_it_when_it_is_repeated(
    stub: api_pb2_grpc.EarlyStoppingStub, cluster: Cluster, logs: LogServer
) -> None:
    cluster.add("trial-1")
    mark(stub)
    assert metrics(cluster) is None
    logs.put("trial-1", ["1"])
    mark(stub)
    assert metrics(cluster) == {"loss": ("1", "1", "1")}
    assert [c["type"] for c in cluster.conditions("trial-1")] == ["EarlyStopped"]


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT]
)
def test_a_db_manager_in_trouble_does_not_keep_the_mark_away(
    stub: api_pb2_grpc.EarlyStoppingStub,
    cluster: Cluster,
    logs: LogServer,
    code: grpc.StatusCode,
) -> None:
    cluster.add("trial-1")
    logs.failure = code, "there is no such trial"
    mark(stub)
    assert [c["type"] for c in cluster.conditions("trial-1")] == ["EarlyStopped"]
    assert metrics(cluster) is None


def test_a_db_manager_that_is_away_does_not_keep_the_mark_away_and_is_told(
    cluster: Cluster, kubeconfig: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.reset()
    cluster.add("trial-1")
    with listening(LogServer()) as address:
        pass
    with running(cluster) as port:
        write_kubeconfig(kubeconfig.parent, port)
        keeper = ClusterStatuses(observations=ObservationReader(CurveReader(), address))
        keeper.mark_stopped("trial-1", Deadline.after(2))
        keeper.close()
    assert [c["type"] for c in cluster.conditions("trial-1")] == ["EarlyStopped"]
    assert f"'trial-1' is marked without its observation: DB manager {address}" in caplog.text


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
        ClusterStatuses().mark_stopped("trial-1", Deadline.after(1))


# ------------------------------------------------------- repeated within a deadline


class Clock:
    """In place of the module `time`: seconds pass only where somebody sleeps."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds


@pytest.fixture
def keeper(
    cluster: Cluster, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ClusterStatuses]:
    """Marks trials in the cluster, by a clock that a busy machine does not move."""
    clock = Clock()
    monkeypatch.setattr(deadline, "time", clock)
    monkeypatch.setattr(kube, "time", clock)
    cluster.reset()
    cluster.add("trial-1")
    with running(cluster) as port:
        write_kubeconfig(kubeconfig.parent, port)
        made = ClusterStatuses()
        yield made
        made.close()


def test_endless_conflicts_are_unavailable(keeper: ClusterStatuses, cluster: Cluster) -> None:
    cluster.intruders = [condition(f"C{k}") for k in range(100)]
    with pytest.raises(
        Unreachable,
        match=r"^trial 'trial-1' in namespace 'team' is being changed by others while it is marked:"
        r" the object has been modified; .*; tried \d+ times, try again$",
    ):
        keeper.mark_stopped("trial-1", Deadline.after(4))
    assert "EarlyStopped" not in {c["type"] for c in cluster.conditions("trial-1")}
    assert len(cluster.requests) > 2


@pytest.mark.parametrize("answer", [429, 500, 503])
def test_an_api_server_in_trouble_is_unavailable_and_the_next_call_works(
    keeper: ClusterStatuses, cluster: Cluster, answer: int
) -> None:
    cluster.answers["PATCH"] = answer
    with pytest.raises(
        Unreachable,
        match=rf"the Kubernetes API answered {answer}: PATCH is not possible now; tried \d+ times",
    ):
        keeper.mark_stopped("trial-1", Deadline.after(3))
    cluster.answers.clear()
    keeper.mark_stopped("trial-1", Deadline.after(3))
    assert [c["type"] for c in cluster.conditions("trial-1")] == ["EarlyStopped"]


def test_what_may_pass_is_tried_again_within_the_call(
    keeper: ClusterStatuses, cluster: Cluster
) -> None:
    """Katib's collector calls once: an error makes the stopped trial a failed one."""
    cluster.passing = [503, 0, 429, 409, 500, 0]
    keeper.mark_stopped("trial-1", Deadline.after(30))
    assert [c["type"] for c in cluster.conditions("trial-1")] == ["EarlyStopped"]
    assert cluster.requests == [READ] * 7 + [WRITE]


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


def test_the_client_is_loaded_when_the_server_starts(tmp_path: Path) -> None:
    """It takes seconds with half a CPU, while the collector of a stopped trial would wait."""
    program = (
        "import sys; from suggestion.server.earlystopping import EARLY_STOPPING;"
        "from suggestion.server.services import ServiceOptions;"
        "EARLY_STOPPING.service(('medianstop',), ServiceOptions('', 'kubernetes', None, 1));"
        "assert 'kubernetes.client' in sys.modules"
    )
    environment = {**os.environ, "KUBECONFIG": write_kubeconfig(tmp_path, 1)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)


def test_an_address_that_is_none_ends_the_start() -> None:
    with (
        pytest.raises(ServerError, match="--db-manager: must be HOST:PORT, got 'nowhere'"),
        serving("medianstop", "--trial-status", "kubernetes", "--db-manager", "nowhere"),
    ):
        pass


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


def test_an_authority_without_key_identifiers_is_accepted(
    account: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Amazon's clusters have such ones; Python 3.13 refuses them unless it is told otherwise."""
    write_plain_authority(account)
    cluster.reset()
    cluster.add("trial-1", namespace="team")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(account / "server.pem")
    with running(cluster, context) as port:
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(port))
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        ClusterStatuses().mark_stopped("trial-1", NEVER)
        # Host and chain are verified all the same.
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "localhost")
        with pytest.raises(Unready, match="'localhost'"):
            ClusterStatuses().mark_stopped("trial-1", NEVER)
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        trustme.CA().cert_pem.write_to_path(str(account / "ca.crt"))
        with pytest.raises(
            Unready, match=r"the certificate of the Kubernetes API is not accepted: .+"
        ):
            ClusterStatuses().mark_stopped("trial-1", NEVER)
    assert [c["type"] for c in cluster.conditions("trial-1")] == ["EarlyStopped"]


def test_connections_do_not_load_the_certificates_of_their_shared_context_again(
    kubeconfig: Path,
) -> None:
    """While others use it in other threads, that ends the process."""
    write_plain_authority(kubeconfig.parent)
    write_kubeconfig(kubeconfig.parent, 1)
    known = json.loads(kubeconfig.read_text())
    pem = kubeconfig.with_name("server.pem")
    known["clusters"][0]["cluster"] = {
        "server": "https://127.0.0.1:1",
        "certificate-authority": str(kubeconfig.with_name("ca.crt")),
    }
    known["users"][0]["user"] = {"client-certificate": str(pem), "client-key": str(pem)}
    kubeconfig.write_text(json.dumps(known))
    made, _ = kube.api(None)
    arguments = made.rest_client.pool_manager.connection_pool_kw
    files = {"ca_certs", "ca_cert_data", "cert_file", "key_file"}
    assert not any(arguments.get(name) for name in files)
    assert len(arguments["ssl_context"].get_ca_certs()) == 1
    pem.write_text("no key")
    with pytest.raises(Unready, match=r"^the certificates of the Kubernetes cluster: "):
        kube.api(None)


def write_plain_authority(folder: Path) -> None:
    """An authority and a certificate for 127.0.0.1 as ``openssl`` makes them without options."""
    now = datetime.now(UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in ("plain-ca", "api")
    ]

    def certificate(which: int, extension: x509.ExtensionType) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(names[which])
            .issuer_name(names[0])
            .public_key(keys[which].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(extension, critical=False)
            .sign(keys[0], hashes.SHA256())
        )

    pem = serialization.Encoding.PEM
    authority = certificate(0, x509.BasicConstraints(ca=True, path_length=None))
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    issued = certificate(1, x509.SubjectAlternativeName([address]))
    private = keys[1].private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ca.crt").write_bytes(authority.public_bytes(pem))
    (folder / "server.pem").write_bytes(private + issued.public_bytes(pem))


def test_a_pod_is_known_by_its_account(account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert not statuses.in_cluster()
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert statuses.in_cluster()
    os.remove(account / "token")
    assert not statuses.in_cluster()


def test_an_attempt_that_runs_out_of_time_does_not_hide_why_the_others_failed() -> None:
    until = Deadline.after(1.5)
    tried = 0

    def attempt() -> None:
        nonlocal tried
        tried += 1
        if tried == 1:
            raise kube.PassingError("in conflict")
        time.sleep(max(until.remaining(), 0))
        raise kube.PassingError("read timed out")

    with pytest.raises(Unreachable, match=r"^in conflict; tried 2 times, try again$"):
        kube.repeat(attempt, until, lambda: None)


@pytest.mark.parametrize("part", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_an_answer_that_comes_byte_by_byte_is_not_waited_for(
    part: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its head or in its body; each byte comes within the time for one read."""
    left = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(part)
            for _ in range(200):
                connection.sendall(b"a")
                time.sleep(0.05)
            return
        left.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        path = write_kubeconfig(tmp_path, listener.getsockname()[1])
        # $KUBECONFIG is read when the client is imported.
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", path)
        thread = threading.Thread(target=drip)
        thread.start()
        trials = kube.connect(None)
        with pytest.raises(kube.PassingError, match=r"does not answer: .*timed out"):
            trials.get("trial-1", Deadline.after(0.5))
        trials.close()
        thread.join()
    assert left.is_set(), "it was not waited for until the end"
