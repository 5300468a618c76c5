"""One thread for linear algebra, whatever the process was started with.

The order in which several threads of BLAS add numbers depends on how many there are, and with it
the last digits of a matrix product: enough for the model of 150 trials to propose another point.
Nor do several threads make the matrices of a study faster. Only libraries that are loaded by then
are limited: an algorithm imports its packages with its module.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

_lock = threading.Lock()
_users = 0
_limits: AbstractContextManager[Any] | None = None


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit BLAS to one thread, in the whole process, while anybody is inside."""
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    from threadpoolctl import threadpool_limits  # noqa: PLC0415  (when numpy is loaded)

    global _users, _limits  # noqa: PLW0603
    with _lock:
        if _users == 0:
            _limits = threadpool_limits(limits=1, user_api="blas")
        _users += 1


def _leave() -> None:
    global _users  # noqa: PLW0603
    with _lock:
        _users -= 1
        if _users == 0 and _limits is not None:
            _limits.__exit__(None, None, None)
