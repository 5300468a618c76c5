"""What every runtime must do, over the registry; what one alone can do is tested beside it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from suggestion.client.document import load
from suggestion.controller.context import Options
from suggestion.controller.runtime import Asked, Unavailable
from suggestion.controller.trials import Condition
from suggestion.runtimes import RUNTIMES, place
from tests.experiments.support import Machine, document, stored, write

# One trial fails, one does not end by itself, and the others report.
COMMAND = """
mkdir {folder}/failed 2>/dev/null && exit 3
mkdir {folder}/endless 2>/dev/null && sleep 1000
echo loss=${{trialParameters.x}}
"""


@pytest.mark.parametrize("name", RUNTIMES)
def test_trials_run_fail_and_are_stopped(machine: Machine, tmp_path: Path, name: str) -> None:
    if not place(name).local:
        pytest.skip("its trials need an image")
    options = Options(grace=2.0, trial_timeout=8.0)
    made = document(COMMAND.format(folder=tmp_path), maxFailedTrialCount="3")
    try:
        place(name).check(Asked(load(write(tmp_path, made))))
    except Unavailable as error:
        pytest.skip(str(error))
    machine.run(tmp_path, made, runtime=name, options=options)
    trials = stored(tmp_path)
    assert Counter(t.condition for t in trials) == {Condition.SUCCEEDED: 2, Condition.FAILED: 2}
    for trial in trials:
        if trial.condition is Condition.SUCCEEDED:
            assert trial.series["loss"].latest == trial.assignment["x"]
