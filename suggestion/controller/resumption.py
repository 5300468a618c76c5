"""What becomes of a stored experiment when its file is run again in the same directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from suggestion.controller.commands import Changes
from suggestion.controller.experiment import Experiment
from suggestion.controller.trials import FAILED, JUDGED, Trial
from suggestion.problem.errors import quote

#: Fields of the spec that may change between two runs in one directory, as on a cluster.
EDITABLE: Final = ("parallelTrialCount", "maxTrialCount", "maxFailedTrialCount", "resumePolicy")
#: Fields that may also change when failed trials are tried again and no other trial has a result:
#: where the cause of failures is fixed.
FIXABLE: Final = ("metricsCollectorSpec", "trialTemplate")


class CannotResume(ValueError):
    """The experiment in a directory cannot go on with the file; the text says why."""


def resume(
    known: Experiment,
    trials: Sequence[Trial],
    document: Mapping[str, Any],
    now: str,
    first_failures: int | None = None,
    retry_failed: bool = False,
) -> Changes:
    """Return what is to be stored before an experiment goes on.

    Args:
        known: The experiment in the directory, and its `trials`.
        document: The file as it is now.
        now: RFC 3339.
        first_failures: As in `Policy`.
        retry_failed: Try trials again that failed or have no metrics.

    Raises:
        CannotResume: If something has changed that must not, or the experiment has ended for good.
    """
    document, edited = _kept(known, document)
    fruitless = not any(trial.condition in JUDGED for trial in trials)
    _same(known, document, (*EDITABLE, *FIXABLE) if retry_failed and fruitless else EDITABLE)
    changed = replace(known, document=dict(document))
    if edited != known.changed:
        changed = replace(changed, options={**known.options, "changed": edited})
    reached = known.condition()["reason"] == "ExperimentGoalReached"
    failed = [trial for trial in trials if trial.condition in FAILED]
    again = [trial.again("tried again", 0, 0) for trial in failed] if retry_failed else []
    if reached:
        again = []
    why = "failed trials are tried again" if again else ""
    if known.done and not why:
        completed = sum(not trial.condition.active for trial in trials)
        why = _goes_on(changed, len(trials), len(failed), completed, first_failures)
    if known.done and why:
        changed = changed.mark("Restarting", "ExperimentRestarting", why, now)
    forgotten = tuple((trial.number, -(trial.attempt - 1)) for trial in again)
    return Changes(None if changed == known else changed, forgotten, tuple(again))


def _kept(
    known: Experiment, document: Mapping[str, Any]
) -> tuple[Mapping[str, Any], Mapping[str, tuple[Any, Any]]]:
    """Return the file with what users have changed while it ran, and these changes.

    A field that has been edited in the file since is the file's.
    """
    spec = document["spec"]
    kept = {
        name: (first, now)
        for name, (first, now) in known.changed.items()
        if str(spec.get(name)) == str(first)
    }
    if not kept:
        return document, kept
    return {**document, "spec": {**spec, **{name: now for name, (_, now) in kept.items()}}}, kept


def _same(known: Experiment, document: Mapping[str, Any], editable: Sequence[str]) -> None:
    name = document["metadata"]["name"]
    if known.name != name:
        raise CannotResume(
            f"holds the experiment {quote(known.name)}, not {quote(name)}; use another --directory"
        )
    old, new = known.document["spec"], document["spec"]
    for key in sorted({*old, *new}):
        if key not in editable and old.get(key) != new.get(key):
            raise CannotResume(
                f"spec.{key} differs from the experiment in this directory; only "
                f"{', '.join(editable)} may change; use another --directory, or --fresh to set "
                f"aside what is here"
            )


def _goes_on(
    changed: Experiment, made: int, failed: int, completed: int, first_failures: int | None
) -> str:
    """Return why an experiment that has ended goes on; empty if it does not."""
    condition, limits = changed.condition(), changed.limits
    if condition["type"] == "Failed":
        held = limits.failure(failed, completed, first_failures)
        return "" if held else "the limit of failures was raised"
    raised = limits.trials is None or limits.trials > made
    if condition["reason"] != "ExperimentMaxTrialsReached" or not raised:
        return ""
    if (changed.document["spec"].get("resumePolicy") or "Never") == "Never":
        raise CannotResume(
            "the experiment has ended, and its resumePolicy is Never; resumePolicy LongRunning "
            "lets it continue to the new maxTrialCount"
        )
    return "maxTrialCount was raised"
