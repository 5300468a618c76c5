"""What a trial is told in environment variables of what it is judged by."""

from __future__ import annotations

import json
from typing import Any

from suggestion.controller.activity import Inactive, active_json
from suggestion.controller.observation import Objective
from suggestion.controller.trials import Trial


def variables_of(trial: Trial, objective: Objective, inactive: Inactive) -> dict[str, str]:
    """Return the variables by which `suggestion.report` knows metrics, rules and attempt.

    ``SUGGEST_PARAMETERS`` is a JSON object of the trial's active parameters, as texts.
    """
    told = {
        "SUGGEST_PARAMETERS": active_json(trial.assignment, inactive),
        "SUGGEST_ATTEMPT": str(trial.attempt),
        "SUGGEST_OBJECTIVE": objective.metric,
        "SUGGEST_OBJECTIVE_TYPE": "maximize" if objective.maximize else "minimize",
    }
    if trial.rules:
        told["SUGGEST_RULES"] = json.dumps([list(rule) for rule in trial.rules])
    return told


def told_later(trial: Trial) -> dict[str, Any]:
    """Return what a running trial is told of its next rules, as JSON.

    It has the number of reports at which they were asked for, and the rules; none if there are no
    further ones.
    """
    watch = trial.watch or {}
    return {"step": watch.get("asked", 0), "rules": watch["rules"] if watch.get("asks") else []}
