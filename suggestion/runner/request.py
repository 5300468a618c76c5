"""What is to be run, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suggestion.api.v1beta1.channels import ClientTLS
from suggestion.controller.context import Options


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for.

    Attributes:
        target, early_stopping, database: Servers that run already, ``host:port``.
        directory: Of the experiment; by default ``runs/<name>``.
        runtime: Where trials run; empty: where those of the directory run, else ``process``.
        runtime_options: Of the runtime; those that are not named stay as they are in the directory.
        gpus: That may be used; None leaves them alone.
        gpus_each, cpus_each: For each trial; 0: as the file says, none bound.
        retry_failed: Try trials of the directory again that failed or have no metrics.
        fresh: Set aside what is in the directory, and start again from nothing.
        strict_cluster: Refuse a file that a cluster would refuse.
        lost_hosts: Machines whose trials are gone, as far as the directory's trials ran there.
        tls: To reach servers that run already; None for connections without encryption.
        reading_tls: Environment in which an early-stopping server of ours reads `database` so.
        artifacts: Patterns of files in the trials' folders that are kept when a trial ends.
        artifact_store: A URL of fsspec where artifacts are kept; None: in the directory.
        keep_best: How many trials keep their artifacts; 0: all.
        learn_from: Directories of earlier experiments, whose trials the algorithm is told.
        shown: The command line, for people who want to resume the experiment; may be empty.
    """

    path: Path
    target: str | None = None
    early_stopping: str | None = None
    database: str | None = None
    directory: Path | None = None
    changes: Sequence[str] = ()
    command: str | None = None
    runtime: str = ""
    runtime_options: Mapping[str, Any] = field(default_factory=dict)
    gpus: Sequence[str] | None = None
    gpus_each: int = 0
    cpus_each: int = 0
    options: Options = field(default_factory=Options)
    retry_failed: bool = False
    fresh: bool = False
    strict_cluster: bool = False
    tls: ClientTLS | None = None
    reading_tls: Mapping[str, str] = field(default_factory=dict)
    lost_hosts: Sequence[str] = ()
    learn_from: Sequence[Path] = ()
    artifacts: Sequence[str] = ()
    artifact_store: str | None = None
    keep_best: int = 0
    shown: str = ""

    def folder(self, name: str) -> Path:
        """Return the directory of the experiment `name`."""
        return self.directory or Path("runs") / name
