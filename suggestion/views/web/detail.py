"""One trial in full: its command, and what it prints."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from suggestion import collectors, runtimes
from suggestion.client import collector, template
from suggestion.controller import messages, objectives
from suggestion.controller.experiment import Experiment
from suggestion.controller.files import Unusable, open_own
from suggestion.controller.output import not_kept
from suggestion.controller.shown import plain
from suggestion.controller.trials import Trial
from suggestion.controller.workspace import TrialWorkspace, trial_files
from suggestion.runner.where import OPTIONS, RUNTIME
from suggestion.views.web.document import Json

#: Bytes of an output that are sent at a time, and of its end that are sent first.
PIECE: Final = 256 * 1024


def command(directory: Path, experiment: Experiment, trial: Trial) -> str:
    """Return the command of a trial with the exact values; empty if its template gives none."""
    document = experiment.document
    try:
        settings, _ = collector.read(document, True)
        made, _, _ = template.read(document, begun=True)
        collected = collectors.collector(settings, objectives.read(document).metrics)
        workspace = TrialWorkspace(
            directory,
            experiment.name,
            made,
            collected,
            data=_data(directory, document),
            local=_local(experiment),
        )
        return shlex.join(workspace.command(trial))
    except (KeyError, ValueError, ImportError):  # a trial of a version that checked less
        return ""


def _local(experiment: Experiment) -> bool:
    """Return whether the trials of an experiment see the paths of this machine."""
    name = experiment.options.get(RUNTIME)
    if name not in runtimes.RUNTIMES:  # of a version that did not note it
        return True
    place = runtimes.place(name, experiment.options.get(OPTIONS) or {})
    return place.local and place.shared


def _data(directory: Path, document: Mapping[str, Any]) -> tuple[str, Path] | None:
    """Return where trials find checkpoints, if the algorithm copies these from trial to trial."""
    inside = messages.settings(document).get("suggestion_trial_dir")
    if inside is None:
        return None
    own = directory / "checkpoints"  # unless a server elsewhere hands them on
    return inside, own if own.is_dir() else Path(inside)


def output(directory: Path, trial: Trial, after: int | None) -> Json:
    """Return a piece of what a trial's present attempt has printed, as plain text.

    Args:
        after: Where to go on, in bytes; None: near the end.

    Returns:
        ``text``, where it begins and ends (``begin``, ``end``), and ``error``.
    """
    path = trial_files(directory, trial).output
    try:
        # A trial, or whoever made the directory, may have put a link in the place of its folder.
        file = open_own(path, directory)
    except (OSError, Unusable) as error:
        return {"text": "", "begin": 0, "end": 0, "error": str(error)}
    if file is None:
        return {"text": "", "begin": 0, "end": 0, "error": ""}
    first, last = trial.cut or (0, 0)  # bytes that are not kept, and read as zeros
    note = b""
    with file:
        size = file.seek(0, os.SEEK_END)
        begin = max(size - PIECE, 0) if after is None else min(max(after, 0), size)
        if first <= begin < last:
            begin = last
            note = not_kept(last - first) if after is not None else b""
        file.seek(begin)
        data = file.read(max(min(PIECE, first - begin), 0) if begin < first else PIECE)
        if after is None and begin:  # from the beginning of a line on
            line = data.find(b"\n") + 1
            begin, data = begin + line, data[line:]
        # Whole lines while there may be more, since a character may be cut in the middle.
        if trial.condition.active and 0 < (cut := data.rfind(b"\n") + 1) < len(data):
            data = data[:cut]
    text = plain((note + data).decode("utf-8", "replace"))
    return {"text": text, "begin": begin, "end": begin + len(data), "error": ""}


def server_logs(directory: Path) -> list[Json]:
    """Return the end of what each server of the experiment has said."""
    logs = []
    folder = directory / "servers"
    for path in sorted(folder.glob("*.log")):
        try:
            file = open_own(path, directory)
        except (OSError, Unusable):
            continue
        if file is not None:
            with file:
                file.seek(max(file.seek(0, os.SEEK_END) - PIECE // 4, 0))
                text = plain(file.read(PIECE // 4).decode("utf-8", "replace"))
            logs.append({"name": path.stem, "text": text})
    return logs
