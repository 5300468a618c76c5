"""The process of a trial: call a function with the trial's parameters, and report what it returns.

Its first argument names the function: a file that `store_call` has written, ``module:function``, or
``script.py:function``. The others are ``NAME=VALUE``; of a stored function the texts of a
suggestion, else Python literals.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import pickle
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

from suggestion.reporting.reporter import Reporter, TrialStopped, enter

SUFFIX: Final = ".pkl"
#: Set in the process of a trial, where nothing may be tuned.
LOADING: Final = "SUGGEST_IN_TRIAL"


def error_path(folder: Path, attempt: int) -> Path:
    """Return the file in which an attempt of a trial leaves the traceback that has ended it."""
    return folder / f"error-{attempt}.txt"


def store_call(path: Path, call: bytes) -> None:
    """Write a pickled callable, which takes the texts of a suggestion, for `main` to call.

    The new file takes the place of an old one in one step.
    """
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    # What is in it is run: nobody else may write it.
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        pickle.dump({"path": list(sys.path), "call": call}, file)
    temporary.replace(path)


def main(arguments: Sequence[str]) -> int:
    """Run one trial; return the exit status: 0, or 1 if the function raises."""
    target, *words = arguments
    texts = dict(word.partition("=")[::2] for word in words)
    os.environ[LOADING] = "1"
    reporter = Reporter(os.environ, ends="SUGGEST_TRIAL_NAME" in os.environ)
    enter(reporter)
    reporter.listen()
    try:
        reporter.finish(_load(target, texts)())
    except TrialStopped:
        return 0
    except BaseException as error:
        _leave(error)
        return 1
    finally:
        sys.stdout.flush()
    return 0


def _load(target: str, texts: Mapping[str, str]) -> Callable[[], object]:
    """Return the call that the command line names."""
    if target.endswith(SUFFIX):
        stored = pickle.loads(Path(target).read_bytes())
        sys.path[:] = stored["path"]
        function = pickle.loads(stored["call"])
        return lambda: function(texts)
    module, _, name = target.rpartition(":")
    if module.endswith(".py"):
        sys.path.insert(0, str(Path(module).resolve().parent))
        spec = importlib.util.spec_from_file_location(Path(module).stem, module)
        assert spec is not None
        assert spec.loader is not None
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = loaded
        spec.loader.exec_module(loaded)
    else:
        sys.path.insert(0, "")
        loaded = importlib.import_module(module)
    found = getattr(loaded, name)
    values = {key: ast.literal_eval(text) for key, text in texts.items()}
    return lambda: found(**values)


def _leave(error: BaseException) -> None:
    """Print the traceback, from the user's first line on, and leave it for the runner."""
    lines = traceback.format_exception(type(error), error, _own(error.__traceback__))
    text = "".join(lines)
    sys.stdout.flush()
    sys.stderr.write(text)
    sys.stderr.flush()
    folder = os.environ.get("SUGGEST_TRIAL_DIR")
    if folder:
        attempt = int(os.environ.get("SUGGEST_ATTEMPT") or 1)
        error_path(Path(folder), attempt).write_text(text, encoding="utf-8", errors="replace")


def _own(trace: TracebackType | None) -> TracebackType | None:
    """Return `trace` without the frames of this package before the user's."""
    ours = str(Path(__file__).resolve().parents[2])
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(ours):
        trace = trace.tb_next
    return trace
