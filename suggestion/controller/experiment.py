"""An experiment as the store keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

#: Trials that may fail before any has succeeded, where nothing else would end an experiment.
FIRST_FAILURES: Final = 5


@dataclass(frozen=True, slots=True)
class Limits:
    """How far an experiment goes.

    Attributes:
        parallel: Trials at a time, ``parallelTrialCount``.
        trials: ``maxTrialCount``; None without a limit.
        failures: ``maxFailedTrialCount``; None without a limit.
    """

    parallel: int
    trials: int | None
    failures: int | None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Limits:
        """Read the limits of an Experiment document."""
        spec = document["spec"]
        return cls(
            _count(spec, "parallelTrialCount") or 3,
            _count(spec, "maxTrialCount"),
            _count(spec, "maxFailedTrialCount"),
        )

    def first_failures(self, asked: int | None) -> int | None:
        """Return how many trials may fail before any has succeeded; None: any number.

        Args:
            asked: By the user: 0 for any number; None for what suits the limits: a file without
                one would otherwise make failing trials for ever.
        """
        if asked is not None:
            return asked or None
        return FIRST_FAILURES if self.trials is None and self.failures is None else None

    def failure(self, failed: int, completed: int, first: int | None) -> str:
        """Return why so many failures end the experiment; empty if they do not.

        Args:
            failed: Trials that failed or have no metrics.
            completed: Trials that have ended, these included.
            first: Number of trials that may fail before any has succeeded; None: any number.
        """
        if not failed:
            return ""
        if self.failures is not None and failed >= self.failures:
            return f"{_trials(failed)} failed, maxFailedTrialCount is {self.failures}"
        if first is not None and failed >= first and failed == completed:
            return f"the first {_trials(failed)} failed, and none has succeeded"
        return ""


def _trials(count: int) -> str:
    return "1 trial" if count == 1 else f"{count} trials"


def _count(spec: Mapping[str, Any], name: str) -> int | None:
    return None if spec.get(name) is None else int(spec[name])


@dataclass(frozen=True)
class Experiment:
    """The experiment; a change is a new value, which the store writes before it has an effect.

    Attributes:
        document: The Experiment object, as in its file, with what users have changed since.
        options: How it is run here, and what users have asked for while it ran, JSON;
            ``prior_trials`` is sent to the algorithm with its settings.
        overlay: Settings that replies laid over the algorithm's own.
        exhausted: Whether the algorithm has no more suggestions.
        conditions: As in the CRD's status.
        started, completed: RFC 3339; empty before.
    """

    name: str
    document: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    overlay: Mapping[str, str] = field(default_factory=dict)
    validated: bool = False
    exhausted: bool = False
    conditions: Sequence[Mapping[str, str]] = ()
    started: str = ""
    completed: str = ""

    def mark(self, type: str, reason: str, message: str, now: str) -> Experiment:
        """Return it with the condition `type` true; one that no longer holds becomes false."""
        kept = []
        transition = now
        for old in self.conditions:
            if old["type"] == type:
                if old["status"] == "True" and old["reason"] == reason:
                    transition = old["lastTransitionTime"]
                continue
            ends = old["type"] in {"Running", "Restarting", "Succeeded", "Failed"}
            if ends and old["status"] == "True":
                old = {**old, "status": "False", "lastUpdateTime": now, "lastTransitionTime": now}  # noqa: PLW2901
            kept.append(old)
        entry = {
            "type": type,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastUpdateTime": now,
            "lastTransitionTime": transition,
        }
        done = type in {"Succeeded", "Failed"}
        return replace(self, conditions=(*kept, entry), completed=now if done else "")

    def condition(self) -> Mapping[str, str]:
        """Return the one that holds now: Created, Running, Restarting, Succeeded or Failed."""
        holding = [entry for entry in self.conditions if entry["status"] == "True"]
        return holding[-1] if holding else {"type": "", "reason": "", "message": ""}

    @cached_property
    def done(self) -> bool:
        """Whether it has succeeded or failed."""
        return self.condition()["type"] in {"Succeeded", "Failed"}

    @property
    def paused(self) -> bool:
        """Whether no further trial begins until a user wants it to."""
        return bool(self.options.get("paused"))

    def pausing(self, paused: bool) -> Experiment:
        """Return it paused, or going on."""
        return replace(self, options={**self.options, "paused": paused})

    @property
    def changed(self) -> Mapping[str, tuple[Any, Any]]:
        """Fields of the spec that users have changed: their value in the file, and the present."""
        return {
            name: (first, now) for name, (first, now) in self.options.get("changed", {}).items()
        }

    @cached_property
    def limits(self) -> Limits:
        """How far it goes."""
        return Limits.of(self.document)
