"""Suggest hyperparameters and stop trials early: a Python library, and gRPC servers.

>>> import suggestion as sg
>>> study = sg.Study({"lr": sg.log_uniform(1e-5, 1e-1), "layers": sg.integer(1, 4)}, seed=1)
>>> point = study.ask()
>>> study.tell(point, 0.3)
>>> study.best.value
0.3

The names below are imported when they are first used, so ``import suggestion`` costs next to
nothing: neither numpy nor gRPC is loaded.
"""

from __future__ import annotations

TYPE_CHECKING = False  # what type checkers take for true; `typing` itself costs milliseconds
if TYPE_CHECKING:
    from suggestion.client.launch import LocalServer, ServerError
    from suggestion.reporting.artifacts import log_artifact
    from suggestion.reporting.reporter import TrialStopped, report, should_stop
    from suggestion.tuning.errors import (
        BrokenRule,
        InvalidArgument,
        NoResult,
        SpaceExhausted,
        TrialError,
    )
    from suggestion.tuning.result import Plot, Result, load_result
    from suggestion.tuning.spaces import (
        Parameter,
        choice,
        discrete,
        integer,
        log_integer,
        log_normal,
        log_uniform,
        normal,
        uniform,
    )
    from suggestion.tuning.study import Study
    from suggestion.tuning.tls import TLS
    from suggestion.tuning.trials import Point, State, Trial
    from suggestion.tuning.tune import tune

    __version__: str

#: Where each public name lives.
_HOMES = {
    "BrokenRule": "suggestion.tuning.errors",
    "InvalidArgument": "suggestion.tuning.errors",
    "LocalServer": "suggestion.client.launch",
    "NoResult": "suggestion.tuning.errors",
    "Parameter": "suggestion.tuning.spaces",
    "Plot": "suggestion.tuning.result",
    "Point": "suggestion.tuning.trials",
    "Result": "suggestion.tuning.result",
    "ServerError": "suggestion.client.launch",
    "SpaceExhausted": "suggestion.tuning.errors",
    "State": "suggestion.tuning.trials",
    "Study": "suggestion.tuning.study",
    "TLS": "suggestion.tuning.tls",
    "Trial": "suggestion.tuning.trials",
    "TrialError": "suggestion.tuning.errors",
    "TrialStopped": "suggestion.reporting.reporter",
    "choice": "suggestion.tuning.spaces",
    "discrete": "suggestion.tuning.spaces",
    "integer": "suggestion.tuning.spaces",
    "load_result": "suggestion.tuning.result",
    "log_artifact": "suggestion.reporting.artifacts",
    "log_integer": "suggestion.tuning.spaces",
    "log_normal": "suggestion.tuning.spaces",
    "log_uniform": "suggestion.tuning.spaces",
    "normal": "suggestion.tuning.spaces",
    "report": "suggestion.reporting.reporter",
    "should_stop": "suggestion.reporting.reporter",
    "tune": "suggestion.tuning.tune",
    "uniform": "suggestion.tuning.spaces",
}

__all__ = [
    "BrokenRule",
    "InvalidArgument",
    "LocalServer",
    "NoResult",
    "Parameter",
    "Plot",
    "Point",
    "Result",
    "ServerError",
    "SpaceExhausted",
    "State",
    "Study",
    "TLS",
    "Trial",
    "TrialError",
    "TrialStopped",
    "__version__",
    "choice",
    "discrete",
    "integer",
    "load_result",
    "log_artifact",
    "log_integer",
    "log_normal",
    "log_uniform",
    "normal",
    "report",
    "should_stop",
    "tune",
    "uniform",
]


if not TYPE_CHECKING:

    def __getattr__(name):
        """Import a public name, or read the version of the installed distribution."""
        if name == "__version__":
            from importlib.metadata import version  # noqa: PLC0415

            found = version("suggestion-servers")
        elif name in _HOMES:
            from importlib import import_module  # noqa: PLC0415

            found = getattr(import_module(_HOMES[name]), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
