"""Letting a running trial know its next early-stopping rules."""

from __future__ import annotations

import errno
import json
import logging
from typing import Final

from suggestion.controller.context import DiskFull
from suggestion.controller.files import replace_file
from suggestion.controller.trials import Trial
from suggestion.controller.variables import told_later
from suggestion.controller.workspace import Workspace

_LOG: Final = logging.getLogger(__name__)


def tell_rules(workspace: Workspace, trial: Trial) -> str:
    """Write the rules that a trial has now to where it looks for them, if it can see that.

    Returns:
        What its runtime is to tell it, if it cannot; else empty.

    Raises:
        DiskFull: If there is no space.
    """
    path = workspace.rules_file(trial)
    told = json.dumps(told_later(trial))
    if path is None:
        return told
    try:
        replace_file(path, told)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(str(error)) from error
        _LOG.debug("%s: cannot be told its rules", trial.name, exc_info=True)
    return ""
