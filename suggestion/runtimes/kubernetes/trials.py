"""What a session keeps of each attempt, and leaves in the trial's folder for the next session."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from suggestion.controller.files import replace_file
from suggestion.controller.runtime import TrialFiles
from suggestion.runtimes.kubernetes.judging import Verdict
from suggestion.runtimes.kubernetes.outputs import Outputs


@dataclass(slots=True)
class Trial:
    """An attempt that this session has launched or adopted.

    Attributes:
        name: Of its object.
        document: To be applied; None if an earlier session did.
        there: Its object has been there.
        begun: When this session began to follow it, in monotonic seconds.
        running: The machine knows that it runs.
        ended: What has become of it, and since when that is known.
        stopping: Since when it is being stopped, and the grace period.
        missing: It is being found out why its object is not there any more.
        asked: When the cluster was last asked about it.
        told: What a person has been told of it.
    """

    files: TrialFiles
    name: str
    outputs: Outputs
    document: Mapping[str, Any] | None
    begun: float
    there: bool = False
    running: bool = False
    ended: tuple[Verdict, float] | None = None
    stopping: tuple[float, float] | None = None
    missing: bool = False
    asked: float = 0.0
    told: set[str] = field(default_factory=set)


def noted(files: TrialFiles) -> Mapping[str, Any]:
    """Return what is noted of an attempt: that its object was there, or how it has ended."""
    try:
        found = json.loads(files.status.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def note(files: TrialFiles, what: Mapping[str, Any]) -> bool:
    """Note of an attempt what `noted` returns to the next session; return whether that worked."""
    try:
        replace_file(files.status, json.dumps(what))
    except OSError:  # the machine's own store says the rest
        return False
    return True
