"""Hand an experiment over to TensorBoard (extra ``tensorboard``)."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2, summary_v2
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from suggestion.integrations.trials import Finished, read


def log_experiment(directory: str | os.PathLike[str], logdir: str | os.PathLike[str]) -> int:
    """Write a run for each trial that has ended, and return how many were new.

    ``tensorboard --logdir LOGDIR`` shows the curves of all metrics, and the parameters in its tab
    HParams. Trials that were written before are left alone.

    Args:
        directory: Of an experiment of `suggestion.tune` or ``suggest run``.
        logdir: Folder with a folder for each trial.
    """
    _, trials = read(Path(directory))
    target = Path(logdir)
    target.mkdir(parents=True, exist_ok=True)
    new = [trial for trial in trials if not (target / trial.name).exists()]
    for trial in new:
        with tempfile.TemporaryDirectory(prefix="suggest-") as scratch:
            _write(Path(scratch), trial)
            (events,) = Path(scratch).iterdir()
            _place(events, target / trial.name)
    return len(new)


def _place(events: Path, run: Path) -> None:
    """Copy a file of events into the folder of a run, which is there whole or not at all."""
    # On the same file system, so in the folder that TensorBoard reads; it finds hidden folders too,
    # but no file of another name.
    folder = Path(tempfile.mkdtemp(prefix=".suggest-", dir=run.parent))
    try:
        part = folder / "part"
        shutil.copyfile(events, part)
        folder.chmod(0o755)
        part.rename(folder / events.name)
        folder.rename(run)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _write(folder: Path, trial: Finished) -> None:
    begin = trial.begin or trial.end or time.time()
    status = api_pb2.STATUS_FAILURE if trial.failed else api_pb2.STATUS_SUCCESS
    writer = EventFileWriter(str(folder))
    try:

        def add(made: Any, at: float, step: int = 0) -> None:
            writer.add_event(Event(wall_time=at, step=step, summary=made))

        add(summary_v2.hparams_pb(trial.parameters, trial.name, begin), begin)
        for step in trial.steps:
            value = Summary.Value(tag=step.metric, simple_value=step.value)
            add(Summary(value=[value]), step.time, step.index)
        end = trial.end or begin
        add(_ended(status, end), end)
    finally:
        writer.close()


def _ended(status: int, at: float) -> Summary:
    """Return what ends a session; TensorBoard's own function for it needs TensorFlow."""
    info = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=at)
    kind = metadata.create_summary_metadata(
        plugin_data_pb2.HParamsPluginData(session_end_info=info)
    )
    value = Summary.Value(
        tag=metadata.SESSION_END_INFO_TAG, metadata=kind, tensor=metadata.NULL_TENSOR
    )
    return Summary(value=[value])
