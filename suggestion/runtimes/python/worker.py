"""The process of a trial: call a function with the trial's parameters, and report what it returns.

Its first argument names the function: a file that `calls.store` has written, ``module:function``,
or ``script.py:function``. The others are ``NAME=VALUE``; of a stored function the texts of a
suggestion, else Python literals.

What it imports, each trial waits for.
"""

from __future__ import annotations

import os
import pickle
import sys

from suggestion.reporting.reporter import Reporter, TrialStopped, enter
from suggestion.runtimes.python.names import ERROR, LOADING, PARAMETERS, SUFFIX

_TERMINATED = 143  # by SIGTERM, as shells have it

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType, TracebackType


def main(arguments: Sequence[str]) -> int:
    """Run one trial; return the exit status: 0, 1 if the function raises, 143 after SIGTERM."""
    target, *words = arguments
    texts = dict(word.partition("=")[::2] for word in words)
    reporter = Reporter(os.environ, ends="SUGGEST_TRIAL_NAME" in os.environ)
    enter(reporter)
    reporter.listen()
    try:
        os.environ[LOADING] = "1"
        call, objectives = _load(target, texts)
        del os.environ[LOADING]
        reporter.finish(call(), objectives)
    except TrialStopped:
        # A signal from elsewhere, when the machine goes down, say, makes no success.
        return 0 if reporter.lost else _TERMINATED
    except BaseException as error:
        _leave(error)
        return 1
    finally:
        _flush()
    return 0


def _load(target: str, texts: Mapping[str, str]) -> tuple[Callable[[], object], Sequence[str]]:
    """Return the call that the command line names, and the metrics that it must report."""
    if target.endswith(SUFFIX):
        with open(target, "rb") as file:
            stored = pickle.load(file)
        sys.path[:] = stored["path"]
        function, decoders = pickle.loads(stored["call"])
        values = {name: _decode(decoders[name], text) for name, text in texts.items()}
        active = os.environ.get(PARAMETERS)
        if active is not None:
            values = _active(function, values, active)
        # A version before did not store them.
        return lambda: function(**values), stored.get("objectives", ())
    import ast  # noqa: PLC0415

    module, _, name = target.rpartition(":")
    found = getattr(_module(module), name)
    literals = {key: ast.literal_eval(text) for key, text in texts.items()}
    return lambda: found(**literals), ()


def _active(
    function: Callable[..., object], values: dict[str, object], active: str
) -> dict[str, object]:
    """Return `values` without the inactive ones for which the function has a default.

    Args:
        active: A JSON object of the active parameters.
    """
    import json  # noqa: PLC0415

    inactive = values.keys() - json.loads(active).keys()
    if not inactive:
        return values
    import inspect  # noqa: PLC0415

    try:
        taken = inspect.signature(function).parameters
    except (TypeError, ValueError):  # some builtins have none
        return values
    needed = {name for name, each in taken.items() if each.default is each.empty}
    return {k: value for k, value in values.items() if k in needed or k not in inactive}


def _decode(decoder: str | Mapping[str, object], text: str) -> object:
    """Return the value that the text of a suggestion stands for; see `Space.decoders`."""
    if decoder == "float":
        return float(text)
    if isinstance(decoder, str):
        try:
            return int(text)
        except ValueError:  # 3.0 or 1e3, from a server that is not ours
            return int(float(text))
    return decoder[text]


def _module(name: str) -> ModuleType:
    import importlib.util  # noqa: PLC0415

    if not name.endswith(".py"):
        sys.path.insert(0, "")
        return importlib.import_module(name)
    folder, file = os.path.split(os.path.abspath(name))
    sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(file.removesuffix(".py"), name)
    if spec is None or spec.loader is None:
        raise ImportError(f"{name}: cannot be imported")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = loaded
    spec.loader.exec_module(loaded)
    return loaded


def _flush() -> None:
    """Write out what was printed, unless the function has closed or replaced the output."""
    try:  # noqa: SIM105  (contextlib would cost each trial some milliseconds)
        sys.stdout.flush()
    except (AttributeError, OSError, ValueError):
        pass


def _leave(error: BaseException) -> None:
    """Print the traceback, from the user's first line on, and leave it for the runner."""
    import traceback  # noqa: PLC0415

    text = "".join(traceback.format_exception(type(error), error, _own(error.__traceback__)))
    _flush()
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):  # the function has closed it, or put away
        pass
    folder = os.environ.get("SUGGEST_TRIAL_DIR")
    if folder:
        path = os.path.join(folder, ERROR.format(os.environ.get("SUGGEST_ATTEMPT") or 1))
        with open(path, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)


def _own(trace: TracebackType | None) -> TracebackType | None:
    """Return `trace` without the frames of this package before the user's."""
    ours = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(ours + os.sep):
        trace = trace.tb_next
    return trace
