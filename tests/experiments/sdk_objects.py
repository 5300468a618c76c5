"""Has Kubeflow's SDKs make the objects of an experiment, for `test_sdk`; imports nothing of ours.

Run by an interpreter that has the packages `kubeflow` and `kubeflow-katib`: ``sdk_objects.py
FOLDER`` writes ``optimizer.json`` and ``katib.json`` there, as they would be sent to a cluster.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

FOLDER = Path(sys.argv[1])
RUNTIME = {
    "apiVersion": "trainer.kubeflow.org/v1alpha1",
    "kind": "ClusterTrainingRuntime",
    "metadata": {"name": "plain", "labels": {"trainer.kubeflow.org/framework": "plainml"}},
    "spec": {
        "mlPolicy": {"numNodes": 1},
        "template": {
            "spec": {
                "replicatedJobs": [
                    {
                        "name": "node",
                        "template": {
                            "metadata": {
                                "labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}
                            },
                            "spec": {
                                "template": {
                                    "spec": {"containers": [{"name": "node", "image": "python"}]}
                                }
                            },
                        },
                    }
                ]
            }
        },
    },
}


class Cluster(BaseHTTPRequestHandler):
    """Takes objects, and knows one runtime."""

    made: list[dict[str, Any]] = []  # noqa: RUF012

    def _reply(self, status: int, body: dict[str, Any]) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def do_GET(self) -> None:
        known = "/clustertrainingruntimes/" in self.path
        failure = {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}
        self._reply(200 if known else 404, RUNTIME if known else failure)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.made.append(body)
        self._reply(201, body)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


def objective(parameters: dict[str, str]) -> None:
    print(f"loss={(float(parameters['lr']) - 0.03) ** 2}")


def pushed(parameters: dict[str, str]) -> None:
    import kubeflow.katib  # noqa: PLC0415

    kubeflow.katib.report_metrics({"loss": float(parameters["lr"])})


def train(lr: str, units: str) -> None:
    print(f"loss={float(lr) * int(units)}")


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Cluster)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    kubeconfig = FOLDER / "kubeconfig"
    cluster = {"server": f"http://127.0.0.1:{server.server_address[1]}"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "me"}}],
    }
    kubeconfig.write_text(json.dumps(config))
    os.environ["KUBECONFIG"] = str(kubeconfig)

    from kubeflow import katib  # noqa: PLC0415
    from kubeflow.common.types import KubernetesBackendConfig  # noqa: PLC0415
    from kubeflow.optimizer import (  # noqa: PLC0415
        Objective,
        OptimizerClient,
        RandomSearch,
        Search,
        TrainJobTemplate,
        TrialConfig,
    )
    from kubeflow.optimizer.types.optimization_types import Direction  # noqa: PLC0415
    from kubeflow.trainer import CustomTrainer, TrainerClient  # noqa: PLC0415

    backend = KubernetesBackendConfig(config_file=str(kubeconfig), namespace="me")
    OptimizerClient(backend_config=backend).optimize(
        TrainJobTemplate(
            runtime=TrainerClient(backend_config=backend).get_runtime("plain"),
            trainer=CustomTrainer(func=train, num_nodes=1),
        ),
        search_space={"lr": Search.loguniform(0.01, 0.05), "units": Search.choice([2, 4, 8])},
        objectives=[Objective(metric="loss", direction=Direction.MINIMIZE)],
        trial_config=TrialConfig(num_trials=3, parallel_trials=1),
        algorithm=RandomSearch(),
    )
    tuner = katib.KatibClient(config_file=str(kubeconfig), namespace="me")
    for name, function, kind in (("tuned", objective, "StdOut"), ("pushing", pushed, "Push")):
        tuner.tune(
            name=name,
            objective=function,
            parameters={
                "lr": katib.search.double(min=0.01, max=0.05),
                "units": katib.search.int(min=1, max=9),
            },
            objective_metric_name="loss",
            objective_type="minimize",
            max_trial_count=3,
            parallel_trial_count=1,
            metrics_collector_config={"kind": kind},
        )
    server.shutdown()
    names = ("optimizer", "tuned", "pushing")
    for name, made in zip(names, Cluster.made, strict=True):
        (FOLDER / f"{name}.json").write_text(json.dumps(made, indent=1))


main()
