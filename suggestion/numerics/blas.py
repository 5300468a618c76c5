"""One thread for linear algebra, whatever the process was started with.

The order in which several threads of BLAS add numbers depends on how many there are, and with it
the last digits of a matrix product: enough for the model of 150 trials to propose another point.
Nor do several threads make the matrices of a study faster. Only libraries that are loaded by then
are limited: an algorithm imports its packages with its module.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

_lock = threading.Lock()
_users = 0
_limits: AbstractContextManager[Any] | None = None
_libraries: Any = None  # a ThreadpoolController
_modules = 0


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit BLAS to one thread, in the whole process, while anybody is inside."""
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _users, _limits  # noqa: PLW0603
    with _lock:
        if _users == 0:
            _limits = _loaded().limit(limits=1, user_api="blas")
        _users += 1


def _loaded() -> Any:
    """The libraries that are loaded. To look for them costs more than a call of `random`."""
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415  (when numpy is loaded)

    global _libraries, _modules  # noqa: PLW0603
    if len(sys.modules) != _modules:  # an import may have loaded another
        _modules = len(sys.modules)
        _libraries = ThreadpoolController()
    return _libraries


def _leave() -> None:
    global _users  # noqa: PLW0603
    with _lock:
        _users -= 1
        if _users == 0 and _limits is not None:
            _limits.__exit__(None, None, None)
