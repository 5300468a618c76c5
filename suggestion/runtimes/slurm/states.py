"""What has become of a trial, by the state of its job and what the job has left: pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from suggestion.controller.outcomes import KILLED, KILLED_BASE, TERMINATED
from suggestion.controller.runtime import Exit, Loss

#: Jobs that wait for their processors.
WAITING: Final = frozenset({"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD",
                            "RESV_DEL_HOLD", "SPECIAL_EXIT"})  # fmt: skip
RUNNING: Final = frozenset({"RUNNING", "COMPLETING", "SIGNALING", "STAGE_OUT", "STOPPED",
                            "SUSPENDED", "RESIZING"})  # fmt: skip
_LOST: Final[Mapping[str, str]] = {
    "NODE_FAIL": "the node of its job failed",
    "BOOT_FAIL": "the node of its job could not boot",
    "PREEMPTED": "its job was preempted",
    "REVOKED": "its job was revoked",
}
_FAILED: Final[Mapping[str, tuple[int, str]]] = {
    "TIMEOUT": (TERMINATED, "ran longer than the time limit of its job"),
    "DEADLINE": (TERMINATED, "its job did not end before its deadline"),
    "OUT_OF_MEMORY": (KILLED, "used more memory than its job has"),
    "CANCELLED": (TERMINATED, "its job was cancelled"),
}


@dataclass(frozen=True, slots=True)
class Left:
    """What a job has left in its status file.

    Attributes:
        told: It was sent a signal to end, by whomever.
    """

    code: int
    told: bool

    @property
    def says_all(self) -> bool:
        """Whether nothing but the trial itself can have led to it."""
        return not self.told and self.code < KILLED_BASE


def left(data: bytes) -> Left | None:
    """Read a status file; None if there is none that is whole."""
    match = re.fullmatch(rb"([0-9]{1,3})( told)?\n", data)
    return None if match is None else Left(int(match[1]), bool(match[2]))


def outcome(trial: str, state: str, known: Left | None, stopping: bool) -> Exit | Loss | None:
    """Return what has become of a trial whose job has ended in `state`.

    Args:
        stopping: The runner has stopped it.

    Returns:
        None if its status file should be there, and is not yet.
    """
    if known is not None and known.says_all:
        return Exit(trial, known.code)
    if stopping:
        return Exit(trial, known.code if known is not None else KILLED)
    if state in _LOST:
        return Loss(trial, reason=_LOST[state])
    if state in _FAILED:
        code, reason = _FAILED[state]
        return Exit(trial, known.code if known is not None else code, reason)
    return None if known is None else ended(trial, known)


def ended(trial: str, known: Left) -> Exit | Loss:
    """Return what has become of a trial whose job has ended by itself, as far as anybody knows.

    One that ends in the grace period of a preemption counts as failed or completed to Slurm.
    """
    return Loss(trial, reason="its job was told to end") if known.told else Exit(trial, known.code)


def vanished(trial: str, state: str, begun: bool) -> Loss:
    """Return the loss of a trial whose job has ended, and has left nothing.

    Args:
        state: Of the job; empty if nobody knows it.
        begun: Whether the job has begun to run the trial.
    """
    if not state:
        return Loss(trial, begun, "its job is gone, and has left no exit status" if begun else "")
    hint = "" if begun else "; does its node see the experiment's directory?"
    return Loss(trial, reason=f"its job ended ({state}) and has left no exit status{hint}")
