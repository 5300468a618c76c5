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
    from suggestion.tuning.errors import (
        BrokenRule,
        InvalidArgument,
        NoResult,
        SpaceExhausted,
    )
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

    __version__: str

#: Where each public name lives.
_HOMES = {
    "BrokenRule": "suggestion.tuning.errors",
    "InvalidArgument": "suggestion.tuning.errors",
    "LocalServer": "suggestion.client.launch",
    "NoResult": "suggestion.tuning.errors",
    "Parameter": "suggestion.tuning.spaces",
    "Point": "suggestion.tuning.trials",
    "ServerError": "suggestion.client.launch",
    "SpaceExhausted": "suggestion.tuning.errors",
    "State": "suggestion.tuning.trials",
    "Study": "suggestion.tuning.study",
    "TLS": "suggestion.tuning.tls",
    "Trial": "suggestion.tuning.trials",
    "choice": "suggestion.tuning.spaces",
    "discrete": "suggestion.tuning.spaces",
    "integer": "suggestion.tuning.spaces",
    "log_integer": "suggestion.tuning.spaces",
    "log_normal": "suggestion.tuning.spaces",
    "log_uniform": "suggestion.tuning.spaces",
    "normal": "suggestion.tuning.spaces",
    "uniform": "suggestion.tuning.spaces",
}

__all__ = [
    "BrokenRule",
    "InvalidArgument",
    "LocalServer",
    "NoResult",
    "Parameter",
    "Point",
    "ServerError",
    "SpaceExhausted",
    "State",
    "Study",
    "TLS",
    "Trial",
    "__version__",
    "choice",
    "discrete",
    "integer",
    "log_integer",
    "log_normal",
    "log_uniform",
    "normal",
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
