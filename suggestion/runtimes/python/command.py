"""The command of a trial that is a Python function, for the process runtime."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final

#: Name of the file in an experiment's directory that holds the function of its trials.
FUNCTION: Final = "function.pkl"
MODULE: Final = "suggestion.runtimes.python"


def command(function: str, names: Iterable[str]) -> list[str]:
    """Return the command of a trial, for a trial template.

    Args:
        function: The worker's first argument.
        names: Names of the parameters.
    """
    # -P: no folder of the user's takes the place of a module of ours.
    words = [sys.executable, "-P", "-m", MODULE, function]
    return [*words, *(f"{name}=${{trialParameters.{name}}}" for name in names)]
