"""Asking the servers, before anything else, whether they can run an experiment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.client.document import Loaded
from suggestion.client.launch import ServerError
from suggestion.client.manifest import Manifest, in_file
from suggestion.client.servers import Client, Stopped, describe
from suggestion.controller import messages
from suggestion.controller.experiment import Experiment
from suggestion.controller.servers import Clients
from suggestion.problem.locations import parse
from suggestion.runner.errors import ExperimentRefused

# As a controller does while servers are unreachable.
_VALIDATION_ATTEMPTS: Final = 10
_VALIDATION_PAUSE: Final = 3.0


def validate(clients: Clients, loaded: Loaded, state: Experiment) -> None:
    """Validate the settings of an experiment, once, as a controller does it.

    Args:
        state: The experiment that is to be made of the file.

    Raises:
        ExperimentRefused: If a server refuses: its words, and the lines of the file they are about.
    """
    experiment = messages.experiment(state)
    calls: list[tuple[Client, str, Any]] = [
        (
            clients.suggestion,
            "ValidateAlgorithmSettings",
            api.ValidateAlgorithmSettingsRequest(experiment=experiment),
        )
    ]
    if clients.stopping is not None:
        rules = api.ValidateEarlyStoppingSettingsRequest(
            early_stopping=experiment.spec.early_stopping
        )
        calls.append((clients.stopping, "ValidateEarlyStoppingSettings", rules))
    found = []
    for client, method, message in calls:
        try:
            client.call(method, message, attempts=_VALIDATION_ATTEMPTS, pause=_VALIDATION_PAUSE)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                continue  # nothing to validate
            if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
                found += _explain(error, loaded.manifest)
            else:
                found.append(f"{method}: {describe(error)}")
        except (ServerError, Stopped) as error:
            found.append(str(error))
    if found:
        raise ExperimentRefused("\n".join(found))


def _explain(error: grpc.RpcError, manifest: Manifest) -> list[str]:
    """What a server has refused: a line for each violation, with its line in the file."""
    status = rpc_status.from_call(error) if isinstance(error, grpc.Call) else None
    details: Sequence[Any] = () if status is None else status.details
    for detail in details:
        request = error_details_pb2.BadRequest()
        if detail.Unpack(request):
            return [
                str(manifest.finding(in_file(parse(violation.field)), violation.description))
                for violation in request.field_violations
            ]
    return [f"{manifest.source}: {error.details()}"]
