"""Suggest hyperparameters and stop trials early: gRPC servers, and whole experiments.

The names below are imported when they are first used, so ``import suggestion`` costs next to
nothing: neither numpy nor gRPC is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from suggestion.client.launch import LocalServer, ServerError

    __version__: str

__all__ = ["LocalServer", "ServerError", "__version__"]

_HOMES: Final = {
    "LocalServer": "suggestion.client.launch",
    "ServerError": "suggestion.client.launch",
}


def __getattr__(name: str) -> Any:
    """Import a public name, or read the version of the installed distribution."""
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415

        found: Any = version("suggestion-servers")
    elif name in _HOMES:
        from importlib import import_module  # noqa: PLC0415

        found = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
