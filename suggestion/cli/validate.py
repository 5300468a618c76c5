"""The command ``suggest validate``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suggestion.cli.shared import FILE, file_changes, runtime_option

if TYPE_CHECKING:
    from suggestion.client.manifest import Finding


@click.command()
@click.argument("experiments", nargs=-1, required=True, type=FILE, metavar="EXPERIMENT...")
@file_changes
@runtime_option("process")
@click.option(
    "--strict-cluster", is_flag=True, help="Count what a cluster would refuse as an error."
)
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="JSON is one object with valid and findings: severity, file, line, field, message.",
)
def validate(
    experiments: Sequence[Path],
    changes: tuple[str, ...],
    command: str | None,
    runtime: str | None,
    strict_cluster: bool,
    output: str,
) -> None:
    """Find everything that is wrong with EXPERIMENT files, without running anything.

    It checks the fields, the search space, the settings of algorithm and early stopping, the trial
    template, the metrics collector, and what a cluster would refuse. The exit status is 1 if a file
    has errors.
    """
    from suggestion import runtimes  # noqa: PLC0415
    from suggestion.client import algorithm_check, document  # noqa: PLC0415
    from suggestion.client.manifest import Severity  # noqa: PLC0415

    refused = {Severity.ERROR} | ({Severity.CLUSTER} if strict_cluster else set())
    place = runtimes.place(runtime or "process")
    findings: list[Finding] = []
    lines: list[str] = []
    for path in experiments:
        examined = algorithm_check.check(
            document.examine(path, changes, command, not place.local, whole=place.objects),
            always=True,
        )
        findings += examined.findings
        lines += _text(path, examined.findings, refused)
    valid = not any(finding.severity in refused for finding in findings)
    if output == "json":
        entries = [_entry(finding) for finding in findings]
        click.echo(json.dumps({"valid": valid, "findings": entries}, indent=2))
    else:
        click.echo("\n".join(lines))
    sys.exit(0 if valid else 1)


def _entry(finding: Finding) -> dict[str, Any]:
    return {
        "severity": str(finding.severity),
        "file": finding.source,
        "line": finding.line or None,
        "field": finding.field or None,
        "message": finding.text,
    }


def _text(path: Path, findings: Sequence[Finding], refused: set[Any]) -> Iterator[str]:
    for finding in findings:
        yield f"{finding.severity}: {finding}"
    errors = sum(finding.severity in refused for finding in findings)
    if errors:
        yield f"{path}: {errors} error{'s' if errors > 1 else ''}"
    elif any(finding.severity == "cluster" for finding in findings):
        yield f"{path}: valid on this machine; a cluster refuses it"
    else:
        yield f"{path}: valid"
