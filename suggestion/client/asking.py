"""``suggest ask``: one Experiment file, one server, one request."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format
from rich.console import Console
from rich.table import Table

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import messages as wire
from suggestion.api.v1beta1.channels import ClientTLS
from suggestion.api.v1beta1.trial_messages import without_objective
from suggestion.client import algorithm_check, document, manifest, schema
from suggestion.client.launch import UNTOLD, LocalServer, ServerError
from suggestion.client.numbers import short
from suggestion.client.servers import describe
from suggestion.client.transports import OverGrpc
from suggestion.problem.errors import quote


class Failure(Exception):
    """Why there is no answer; the text is for the user."""


@contextlib.contextmanager
def local_server(*names: str) -> Iterator[str]:
    """Yield the address of a server process of its own for `names`, on a free port.

    No trial runs beside it, so what an algorithm writes for trials goes to a temporary folder.

    Raises:
        Failure: If it does not start; with what it said.
    """
    with tempfile.TemporaryDirectory(prefix="suggest-") as folder:
        server = LocalServer(names, env={**UNTOLD, "SUGGEST_DATA_DIR": folder})
        try:
            try:
                address = server.address()
            except ServerError as error:
                raise Failure(error.said) from error
            yield address
        finally:
            server.close()


def read_request(
    experiment: Path, count: int, trials: Path | None, installed: bool = False
) -> api.GetSuggestionsRequest:
    """Return the request that a controller would send for the files.

    Args:
        installed: Whether the algorithm must be installed here.

    Raises:
        Failure: If a file is wrong, with every problem.
    """
    try:
        if experiment.suffix == ".json" and trials is None:
            data = json.loads(experiment.read_text(encoding="utf-8"))
            if isinstance(data, dict) and "experiment" in data:
                return json_format.ParseDict(data, api.GetSuggestionsRequest())
        examined = algorithm_check.check(
            document.examine(experiment, runs=False), ("algorithm",) if installed else ()
        )
        if examined.errors or examined.manifest is None:
            raise manifest.ManifestError(examined.errors)
        request = api.GetSuggestionsRequest(
            experiment=wire.write_experiment(examined.manifest.document),
            current_request_number=count,
        )
        if trials is not None:
            listed = manifest.load(trials, schema.TRIALS).document
            request.trials.extend(wire.write_trial(entry) for entry in listed)
    except manifest.ManifestError as error:
        raise Failure(str(error)) from error
    except (ValueError, json_format.ParseError) as error:
        raise Failure(f"{experiment}: {error}") from error
    request.total_request_number = len(request.trials) + count
    return request


def ask(
    experiment: Path,
    count: int,
    trials: Path | None,
    target: str | None,
    tls: ClientTLS | None,
    timeout: float,
    warn: Callable[[str], None] = lambda _: None,
) -> api.GetSuggestionsReply:
    """Validate the experiment and ask for suggestions, as a controller does.

    Args:
        warn: Called with what is allowed but probably a mistake.

    Raises:
        Failure: If a file is wrong, the server cannot be reached, or it refuses.
    """
    request = read_request(experiment, count, trials, installed=target is None)
    lacking = without_objective(request)
    if lacking:
        shown = ", ".join([*lacking[:5], "..."] if len(lacking) > 5 else lacking)
        metric = request.experiment.spec.objective.objective_metric_name
        warn(
            f"{len(lacking)} of {len(request.trials)} trials ended without a number for "
            f"{quote(metric)}, the objective, and count as failed: {shown}"
        )
    with contextlib.ExitStack() as stack:
        if target is None:
            algorithm = request.experiment.spec.algorithm.algorithm_name
            target = stack.enter_context(local_server(algorithm))
        transport = stack.enter_context(OverGrpc(target, tls, timeout, wait=False))
        try:
            transport.validate(request.experiment)
            return transport.suggest(request)
        except grpc.RpcError as error:
            raise Failure(f"{target}: {describe(error)}{_advice(error, tls)}") from error


def _advice(error: grpc.RpcError, tls: ClientTLS | None) -> str:
    """What to do about a server that cannot be reached; gRPC's own words say what happened."""
    if error.code() is not grpc.StatusCode.UNAVAILABLE:
        return ""
    if "refused" in str(error.details()):
        return "\nno server listens there: start one with 'suggest serve', or leave out --target"
    if tls is None:
        return "\nif the server speaks TLS, give the authority of its certificate with --tls-ca"
    return ""


def _rows(reply: api.GetSuggestionsReply) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for entry in reply.parameter_assignments:
        row: dict[str, Any] = {"parameters": {a.name: a.value for a in entry.assignments}}
        if entry.trial_name:
            row["trialName"] = entry.trial_name
        if entry.labels:
            row["labels"] = dict(entry.labels)
        rows.append(row)
    return rows


def as_json(reply: api.GetSuggestionsReply) -> str:
    """Return one object for each suggestion: ``parameters``; ``trialName``, ``labels`` if any."""
    return json.dumps(_rows(reply), indent=2) + "\n"


def as_table(reply: api.GetSuggestionsReply) -> str:
    """Return a table of one row a suggestion; numbers have five significant digits."""
    rows = _rows(reply)
    named = any("trialName" in row for row in rows)
    table = Table()
    for heading in (["trial"] if named else []) + list(rows[0]["parameters"]):
        table.add_column(heading, overflow="fold")
    for row in rows:
        first = [row.get("trialName", "")] if named else []
        table.add_row(*first, *map(short, row["parameters"].values()))
    console = Console(width=None if sys.stdout.isatty() else 160)
    with console.capture() as capture:
        console.print(table, markup=False)
    return capture.get()
